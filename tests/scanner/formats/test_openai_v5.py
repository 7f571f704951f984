"""OpenAI's autoencoders of GPT-2 by their formula, written out again in numpy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import readnames
from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import layout_of, open_sae, openai_v5
from assessments.scanner.sae import Architecture
from tests.scanner.formats.made import (
    NASTY,
    D,
    F,
    agree,
    converted,
    largest,
    numbers,
    or_refused,
    relu,
    tokens,
)

K = 7
TOPK = {
    "activation": "TopK", "activation_state_dict.k": K, "activation_state_dict.postact_fn": "ReLU",
}  # fmt: skip


def weights():
    draw = numbers()
    return {
        "pre_bias": draw(D, scale=0.3),
        "encoder.weight": draw(F, D, scale=0.3),
        "latent_bias": draw(F, scale=0.3),
        "decoder.weight": draw(D, F),
        "stats_last_nonzero": np.zeros(F, np.int64),
        "latents_activation_frequency": np.ones(F, np.float32),
        "latents_mean_square": np.ones(F, np.float32),
    }


def save(path, tensors=None, **said):
    tensors = weights() if tensors is None else tensors
    return converted(path, "openai_v5", tensors, **({"values": TOPK} | said))


def by_formula(w, x, *, ranks=True):
    mean, sd = x.mean(-1, keepdims=True), x.std(-1, ddof=1, keepdims=True)
    z = (x - mean) / (sd + 1e-5) if ranks else x
    pre = (z - w["pre_bias"]) @ w["encoder.weight"].T + w["latent_bias"]
    f = relu(pre) * (largest(pre, K) if ranks else 1)
    rebuilt = f @ w["decoder.weight"].T + w["pre_bias"]
    return f, rebuilt * sd + mean if ranks else rebuilt


def test_version_5_follows_its_formula(tmp_path):
    sae = open_sae(save(tmp_path))
    agree(sae, tokens(), *by_formula(weights(), tokens()))
    assert (sae.architecture, sae.k, sae.format) == (Architecture.TOPK, K, "openai_v5")
    assert (sae.declared.l0, sae.declared.model_name) == (K, "gpt2-small")


@pytest.mark.parametrize("values", [{}, {"activation": "ReLU"}])
def test_versions_1_and_4_know_neither_ranks_nor_norms(tmp_path, values):
    sae = open_sae(save(tmp_path, values=values))
    agree(sae, tokens(), *by_formula(weights(), tokens(), ranks=False))
    assert (sae.architecture, sae.declared.l0) == (Architecture.STANDARD, None)


@pytest.mark.parametrize(
    ("folder", "source", "site", "block"),
    [
        ("resid_post_mlp_v5_32k/autoencoders/8", "8.pt", readnames.Site.RESID_POST, 8),
        ("resid_post_mlp_v5_128k/out", "11.pt", readnames.Site.RESID_POST, 11),
        ("out", "resid_delta_attn_v5_32k/autoencoders/0.pt", readnames.Site.ATTN_OUT, 0),
        ("resid_post_attn.6", "weights.pt", readnames.Site.RESID_MID, 6),
        ("out", "resid_delta_mlp_v4_3.pt", readnames.Site.MLP_OUT, 3),
        ("mlp_post_act/6", "ae.pt", readnames.Site.MLP_POST, 6),
    ],
)
def test_the_read_point_stands_in_the_names_of_folder_and_file(
    tmp_path, folder, source, site, block
):
    sae = open_sae(save(tmp_path / folder, source_files={source: "00" * 32}))
    point = readnames.parse(sae.hook_name)
    assert (point.site, point.block, sae.doubts) == (site, block, ())


def test_a_configuration_beside_says_it_outright(tmp_path):
    said = {"hook_name": "blocks.3.hook_resid_post"}
    assert open_sae(save(tmp_path / "a", config=said)).hook_name == "blocks.3.hook_resid_post"
    with pytest.raises(ScanFailed, match="config: expected a read point"):
        open_sae(save(tmp_path / "b", config={"hook_name": "../../8"}))


@pytest.mark.parametrize("source", ["ae.pt", "resid_post_mlp.pt", "../../resid_post_mlp.pt"])
def test_a_read_point_that_stands_nowhere_is_doubted(tmp_path, source):
    sae = open_sae(save(tmp_path / "out", source_files={source: "00" * 32}))
    assert sae.hook_name == ""
    assert sae.doubts == (openai_v5.SILENT,)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"activation": "JumpReLU"}, "activation: expected 'TopK' or 'ReLU'"),
        (
            {"activation_state_dict.postact_fn": "Identity"},
            "postact_fn: expected 'ReLU', came 'Identity'",
        ),
        ({"activation_state_dict.postact_fn": None}, "postact_fn: expected a text .* came nothing"),
        ({"activation_state_dict.k": 0}, "k: expected a whole number from 1 to 40, came 0"),
        ({"activation_state_dict.k": F + 1}, "k: expected a whole number from 1 to 40, came 41"),
        ({"activation_state_dict.k": 32.0}, "k: expected a whole number from 1 to 40, came 32.0"),
    ],
)
def test_what_is_not_computed_is_refused(tmp_path, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path, values=TOPK | change))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"encoder.weight": numbers()(D, F)}, "the other way round|expected a shape"),
        (
            {"decoder.weight": numbers()(F, D)},
            "decoder.weight: expected a shape .* the other way round",
        ),
        ({"latent_bias": numbers()(D)}, "latent_bias: expected a shape"),
        ({"pre_bias": np.full(D, np.nan, np.float32)}, "pre_bias holds values that are not finite"),
        ({"encoder.bias": numbers()(F)}, "no tensor .*encoder.bias"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path, weights() | change))


@pytest.mark.parametrize("key", TOPK)
def test_whatever_a_value_is_it_is_read_or_refused(tmp_path, key):
    for at, value in enumerate(NASTY):
        path = save(tmp_path / str(at), values=TOPK | {key: value})
        sae = or_refused(lambda path=path: open_sae(path))
        assert sae is None or sae.k in (0, K)


def test_the_layout_is_recognised_and_complete(tmp_path):
    path = save(tmp_path)
    assert layout_of(path).NAME == "openai_v5"
    assert {each.name for each in openai_v5.files(path)} == {
        "converted.json",
        "weights.safetensors",
    }
