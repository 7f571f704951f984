"""sparsify's layout, its defaults too, by its formula written out again in numpy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import layout_of, open_sae, sparsify
from assessments.scanner.sae import Architecture
from tests.scanner.formats.made import (
    NASTY,
    D,
    F,
    agree,
    folder,
    largest,
    numbers,
    or_refused,
    relu,
    tokens,
)

K = 8
CONFIG = {
    "activation": "topk", "expansion_factor": 32, "normalize_decoder": True, "num_latents": F,
    "k": K, "multi_topk": False, "skip_connection": False, "transcode": False, "d_in": D,
}  # fmt: skip


def weights(*, skips=False, f=F):
    draw = numbers()
    found = {
        "encoder.weight": draw(f, D, scale=0.3),
        "encoder.bias": draw(f, scale=0.3),
        "W_dec": draw(f, D),
        "b_dec": draw(D, scale=0.3),
    }
    return found | ({"W_skip": draw(D, D, scale=0.3)} if skips else {})


def save(path, tensors=None, **config):
    tensors = weights() if tensors is None else tensors
    return folder(path, sparsify.WEIGHTS, tensors, cfg=CONFIG | config)


def by_formula(w, x, activation="topk", *, transcodes=False):
    pre = relu((x if transcodes else x - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"])
    if activation == "groupmax":
        groups = pre.reshape(len(pre), K, -1)
        best = groups.argmax(-1)[..., None]
        f = np.zeros_like(groups)
        np.put_along_axis(f, best, np.take_along_axis(groups, best, -1), -1)
        f = f.reshape(pre.shape)
    else:
        f = pre * largest(pre, K)
    rebuilt = f @ w["W_dec"] + w["b_dec"]
    return f, rebuilt + (x @ w["W_skip"].T if "W_skip" in w else 0)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("transcodes", [False, True])
@pytest.mark.parametrize("activation", ["topk", "groupmax"])
def test_each_kind_follows_its_formula(tmp_path, activation, transcodes, skips):
    w = weights(skips=skips)
    path = save(
        tmp_path / "layers.1.mlp", w,
        activation=activation, transcode=transcodes, skip_connection=skips,
    )  # fmt: skip
    sae = open_sae(path)
    agree(sae, tokens(), *by_formula(w, tokens(), activation, transcodes=transcodes))
    assert (sae.format, sae.declared.l0, sae.doubts) == ("sparsify", K, ())
    points = ("layers.1.mlp.input", "layers.1.mlp") if transcodes else ("layers.1.mlp", "")
    assert (sae.hook_name, sae.hook_name_out) == points


@pytest.mark.parametrize("num_latents", [{"num_latents": 0}, {"num_latents": None}])
def test_no_number_of_latents_means_width_times_expansion(tmp_path, num_latents):
    """A peer's loader makes it an autoencoder without latents."""
    w = weights(f=4 * D)
    path = save(tmp_path / "layers.10", w, expansion_factor=4, **num_latents)
    sae = open_sae(path)
    assert sae.d_sae == 4 * D
    agree(sae, tokens(), *by_formula(w, tokens()))


@pytest.mark.parametrize("change", [{"normalize_decoder": False}, {"multi_topk": True}])
def test_what_concerns_training_changes_nothing(tmp_path, change):
    """A peer's loader leaves b_dec on the input where the decoder was not normalised."""
    path = save(tmp_path / "layers.10", **change)
    agree(open_sae(path), tokens(), *by_formula(weights(), tokens()))


def test_only_what_must_be_there_must_be_there(tmp_path):
    path = folder(tmp_path / "h.0.attn", sparsify.WEIGHTS, weights(f=32 * D), cfg={"d_in": D})
    sae = open_sae(path)
    assert (sae.architecture, sae.k, sae.d_sae) == (Architecture.TOPK, 32, 32 * D)


def test_signed_latents_of_2024_compete_by_absolute_value(tmp_path):
    w = weights()
    pre = (tokens() - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"]
    f = pre * largest(pre, K, key=np.abs)
    sae = open_sae(save(tmp_path / "layers.3", w, signed=True))
    agree(sae, tokens(), f, f @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("layers.10", "layers.10"),
        ("layers.10.mlp", "layers.10.mlp"),
        ("h.0.attn", "h.0.attn"),
        ("embed_tokens", "embed_tokens"),
        ("layers.10/seed3", "layers.10"),
        ("checkpoint", ""),
        ("layers.10_old", ""),
    ],
)
def test_the_folder_is_named_after_the_read_point(tmp_path, name, point):
    sae = open_sae(save(tmp_path / name))
    assert sae.hook_name == point
    assert bool(sae.doubts) == (not point)


def test_a_transcoder_of_an_unknown_point_does_not_rebuild_what_it_reads(tmp_path):
    sae = open_sae(save(tmp_path / "checkpoint", transcode=True))
    assert (sae.hook_name, sae.hook_name_out) == ("", "unknown")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"activation": "jumprelu"}, "activation: expected 'topk', signed or not, or 'groupmax'"),
        ({"activation": "groupmax", "signed": True}, "activation: expected 'topk'"),
        ({"activation": "groupmax", "k": 7}, "40 latents do not make 7 groups"),
        ({"k": 0}, "k: expected a whole number from 1 to 40, came 0"),
        ({"k": 41}, "k: expected a whole number from 1 to 40, came 41"),
        ({"d_in": None}, "d_in: expected a whole number .* came nothing"),
        (
            {"d_in": F, "num_latents": D, "k": 2},
            "encoder.weight: expected a shape .* the other way round",
        ),
        ({"num_latents": F + 1}, "encoder.weight: expected a shape"),
        ({"skip_connection": True}, "no tensor 'W_skip' there"),
        ({"normalize_io": True}, "'normalize_io' may change the computation"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path / "layers.1", **change))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"W_dec": numbers()(D, F)}, "W_dec: expected a shape .* the other way round"),
        ({"encoder.weight": numbers()(D, F)}, "encoder.weight: expected a shape .* the other way"),
        ({"b_dec": np.full(D, np.nan, np.float32)}, "b_dec holds values that are not finite"),
        ({"W_skip": numbers()(D, D)}, "no tensor .*W_skip"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path / "layers.1", weights() | change))


@pytest.mark.parametrize("key", [*CONFIG, "signed"])
def test_whatever_a_key_holds_it_is_read_or_refused(tmp_path, key):
    for at, value in enumerate(NASTY):
        path = save(tmp_path / str(at) / "layers.1", **{key: value})
        sae = or_refused(lambda path=path: open_sae(path))
        assert sae is None or sae.d_sae == F


def test_the_layout_is_recognised_and_complete(tmp_path):
    path = save(tmp_path / "layers.1")
    assert layout_of(path).NAME == "sparsify"
    assert sparsify.files(path) == (path / "cfg.json", path / "sae.safetensors")
