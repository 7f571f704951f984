"""The SAELens layout: each architecture by its formula, written out here again in numpy."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import open_sae, sae_sha256, saelens
from assessments.scanner.sae import Architecture
from tests.scanner.formats.made import (
    D,
    F,
    agree,
    converted,
    folder,
    largest,
    numbers,
    relu,
    tokens,
)

E, K = 16, 7
POINT = "blocks.1.hook_resid_post"
METADATA = {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": POINT}
CONFIG = {
    "d_in": D, "d_sae": F, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True,
    "normalize_activations": "none", "reshape_activations": "none", "metadata": METADATA,
}  # fmt: skip
TRANSCODER = {
    "apply_b_dec_to_input": False, "d_out": E,
    "metadata": METADATA | {"hook_name": "blocks.1.ln2.hook_normalized", "hook_name_out": "blocks.1.hook_mlp_out"},
}  # fmt: skip
RANKED = {"k": K, "rescale_acts_by_decoder_norm": False}


def weights(architecture, seed=0):
    draw = numbers(seed)
    d_out = E if "transcoder" in architecture else D
    found = {
        "W_enc": draw(D, F, scale=0.3),
        "W_dec": draw(F, d_out) * np.linspace(0.2, 2, F, dtype=np.float32)[:, None],
        "b_dec": draw(d_out, scale=0.3),
    }
    if architecture == "gated":
        found |= {name: draw(F, scale=0.4) for name in ("b_gate", "b_mag", "r_mag")}
    else:
        found["b_enc"] = draw(F, scale=0.3)
    if "jumprelu" in architecture:
        found["threshold"] = np.abs(draw(F))
    if "batchtopk" in architecture:
        found["topk_threshold"] = np.float64(0.9)
    if "skip" in architecture:
        found["W_skip"] = draw(d_out, D, scale=0.3)
    return found


def save(path, architecture, tensors=None, **config):
    tensors = weights(architecture) if tensors is None else tensors
    said = CONFIG | (TRANSCODER if "transcoder" in architecture else {})
    said |= RANKED if "topk" in architecture else {}
    return folder(
        path, saelens.WEIGHTS, tensors, cfg=said | {"architecture": architecture} | config
    )


def normalised(x, norm):
    """What the encoder sees, and how what it gives is brought back."""
    if norm == "layer_norm":
        mean, sd = x.mean(-1, keepdims=True), x.std(-1, ddof=1, keepdims=True)
        return (x - mean) / (sd + 1e-5), lambda y: y * sd + mean
    if norm == "constant_norm_rescale":
        length = np.sqrt((x**2).sum(-1, keepdims=True)) / np.sqrt(x.shape[-1])
        return x / length, lambda y: y * length
    return x, lambda y: y


def by_formula(architecture, w, x, *, norm="none", subtracts=True, by_norm=False):
    """What SAELens computes: activations and what is rebuilt."""
    z, back = normalised(x, norm)
    z = z - w["b_dec"] if subtracts and "transcoder" not in architecture else z
    inner = z @ w["W_enc"]
    if architecture == "gated":
        f = (inner + w["b_gate"] > 0) * relu(z @ (w["W_enc"] * np.exp(w["r_mag"])) + w["b_mag"])
        return f, back(f @ w["W_dec"] + w["b_dec"])
    lengths = np.linalg.norm(w["W_dec"], axis=-1) if by_norm else np.ones(F, np.float32)
    pre = (inner + w["b_enc"]) * lengths
    if "jumprelu" in architecture:
        f = relu(pre) * (pre > w["threshold"])
    elif "batchtopk" in architecture:
        f = relu(pre) * (pre > np.float32(w["topk_threshold"]))
    elif architecture == "topk":
        f = relu(pre) * largest(pre, K)
    elif architecture == "abstopk":
        f = pre * largest(pre, K, key=np.abs)
    else:
        f = relu(pre)
    rebuilt = (f / lengths) @ w["W_dec"] + w["b_dec"]
    if "transcoder" in architecture:
        return f, rebuilt + (x @ w["W_skip"].T if "skip" in architecture else 0)
    return f, back(rebuilt)


NORMS = ("none", "layer_norm", "constant_norm_rescale")
ARCHITECTURES = (
    "standard",
    "gated",
    "jumprelu",
    "topk",
    "abstopk",
    "batchtopk",
    "matryoshka_batchtopk",
)
TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *TRANSCODERS])
def test_each_architecture_follows_its_formula(tmp_path, architecture, norm):
    path = save(tmp_path, architecture, normalize_activations=norm)
    sae = open_sae(path)
    agree(sae, tokens(), *by_formula(architecture, weights(architecture), tokens(), norm=norm))
    assert sae.format == "saelens"
    assert sae.not_evidence == ""
    assert sae.doubts == ()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_b_dec_stays_on_the_input_where_the_file_says_so(tmp_path, architecture):
    path = save(tmp_path, architecture, apply_b_dec_to_input=False)
    wanted = by_formula(architecture, weights(architecture), tokens(), subtracts=False)
    agree(open_sae(path), tokens(), *wanted)


@pytest.mark.parametrize("architecture", ["topk", "abstopk", "batchtopk", "matryoshka_batchtopk"])
def test_latents_compete_by_what_they_add_where_the_file_says_so(tmp_path, architecture):
    path = save(tmp_path, architecture, rescale_acts_by_decoder_norm=True)
    wanted = by_formula(architecture, weights(architecture), tokens(), by_norm=True)
    agree(open_sae(path), tokens(), *wanted)


def test_a_transcoder_says_what_it_rebuilds(tmp_path):
    sae = open_sae(save(tmp_path, "skip_transcoder"))
    assert (sae.hook_name, sae.hook_name_out) == (
        "blocks.1.ln2.hook_normalized",
        "blocks.1.hook_mlp_out",
    )
    assert (sae.d_in, sae.d_out) == (D, E)


def test_thresholds_kept_as_logarithms_are_raised(tmp_path):
    w = weights("jumprelu")
    logs = w | {"log_threshold": np.log(w["threshold"])}
    del logs["threshold"]
    sae = open_sae(save(tmp_path, "jumprelu", logs))
    agree(sae, tokens(), *by_formula("jumprelu", w, tokens()))


def test_heads_side_by_side_need_nothing_more(tmp_path):
    metadata = METADATA | {"hook_name": "blocks.1.attn.hook_z"}
    path = save(tmp_path, "standard", reshape_activations="hook_z", metadata=metadata)
    agree(open_sae(path), tokens(), *by_formula("standard", weights("standard"), tokens()))


@pytest.mark.parametrize("unset", [0.0, -1.0])
def test_a_batch_without_a_set_threshold_is_no_evidence(tmp_path, unset):
    tensors = weights("batchtopk") | {"topk_threshold": np.float64(unset)}
    sae = open_sae(save(tmp_path, "batchtopk", tensors))
    assert sae.architecture is Architecture.BATCHTOPK
    assert "without a pinned threshold" in sae.not_evidence
    assert (sae.encode(torch.from_numpy(tokens())) > 0).sum() == K * len(tokens())


def test_what_a_released_batch_top_k_was_trained_as_is_kept(tmp_path):
    metadata = METADATA | {
        "training_architecture": "matryoshka_batchtopk",
        "training_architecture_details": {"k": 40.0, "topk_threshold_lr": 0.01},
    }
    sae = open_sae(save(tmp_path, "jumprelu", metadata=metadata))
    assert sae.architecture is Architecture.JUMPRELU
    assert sae.declared.trained_as == "matryoshka_batchtopk"
    assert sae.declared.l0 == 40


def test_declared_figures_are_taken_over(tmp_path):
    metadata = METADATA | {"l0": 31.5, "explained_variance": 0.75, "n_training_tokens": 5000}
    declared = open_sae(save(tmp_path, "jumprelu", metadata=metadata)).declared
    assert (declared.l0, declared.fvu) == (31.5, 0.25)
    assert (declared.model_name, declared.n_tokens) == ("tiny", 5000)


def rates(path, values):
    from safetensors.numpy import save_file

    save_file({"sparsity": values.astype(np.float32)}, path / saelens.SPARSITY)


def test_firing_rates_beside_the_weights_tell_l0(tmp_path):
    path = save(tmp_path, "standard")
    assert open_sae(path).declared.l0 is None
    before = sae_sha256(path)
    shares = np.linspace(0.001, 0.4, F)
    rates(path, np.log10(shares + 1e-10))
    assert open_sae(path).declared.l0 == pytest.approx(shares.sum(), rel=1e-5)
    assert sae_sha256(path) != before


@pytest.mark.parametrize("values", [np.full(F, np.nan), np.zeros(F - 1), np.full(F, 99.0)])
def test_firing_rates_that_make_no_sense_tell_nothing(tmp_path, values):
    path = save(tmp_path, "standard")
    rates(path, values)
    sae = open_sae(path)
    assert sae.declared.l0 is None
    assert len(sae.doubts) == (0 if values.max() == 99 else 1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"W_enc": numbers()(F, D)}, r"W_enc: expected a shape of \(12, 40\), came \(40, 12\)"),
        ({"W_dec": numbers()(D, F)}, "W_dec: expected a shape .* the other way round"),
        ({"b_enc": numbers()(F - 1)}, "b_enc: expected a shape"),
        ({"b_enc": None}, "no tensor 'b_enc' there"),
        ({"threshold": np.float32(0.5)}, r"threshold: expected a shape of \(40,\), came \(\)"),
        ({"W_skip": numbers()(D, D)}, "no tensor .*W_skip"),
        ({"W_enc": np.ones((D, F), np.int8)}, "expected floating point numbers, came I8"),
        (
            {"scaling_factor": np.full(F, 2, np.float32)},
            "scaling_factor from fine-tuning is not read",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, change, complaint):
    tensors = {**weights("jumprelu"), **change}
    tensors = {name: each for name, each in tensors.items() if each is not None}
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path, "jumprelu", tensors))


@pytest.mark.parametrize("name", ["W_enc", "b_enc", "b_dec", "threshold"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, name, value):
    tensors = weights("jumprelu")
    tensors[name] = tensors[name].copy()
    tensors[name].flat[3] = value
    path = save(tmp_path, "jumprelu", tensors)
    with pytest.raises(ScanFailed, match=f"{name} holds values that are not finite"):
        open_sae(path).columns([3])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_batch_threshold_that_is_no_number_is_refused(tmp_path, value):
    tensors = weights("batchtopk") | {"topk_threshold": np.float64(value)}
    with pytest.raises(ScanFailed, match="topk_threshold holds values that are not finite"):
        open_sae(save(tmp_path, "batchtopk", tensors))


def test_logarithms_that_overflow_are_refused(tmp_path):
    tensors = weights("standard") | {"log_threshold": np.full(F, 200, np.float32)}
    path = save(tmp_path, "jumprelu", tensors)
    with pytest.raises(ScanFailed, match="log_threshold: expected logarithms, came 200"):
        open_sae(path).columns([0])


def test_what_convert_brought_over_is_read_alike(tmp_path):
    w = weights("standard")
    said = CONFIG | {"architecture": "standard"}
    sae = open_sae(converted(tmp_path, "saelens", w, config=said))
    agree(sae, tokens(), *by_formula("standard", w, tokens()))


@pytest.mark.parametrize(
    ("change"),
    [
        {},
        {"architecture": Architecture.STANDARD, "threshold": None},
        {"architecture": Architecture.TOPK, "threshold": None, "k": 5},
        {"b_in": None},
    ],
)
def test_what_is_saved_is_what_is_loaded(tmp_path, sae, change):
    given = dataclasses.replace(sae, **change)
    saelens.save(given, tmp_path, metadata={}, dtype=torch.float32)
    found = open_sae(tmp_path, expected_sha256=sae_sha256(tmp_path))
    x = torch.randn(20, sae.d_in, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found.encode(x), given.encode(x))
    assert torch.allclose(found.rebuild(x), given.rebuild(x), atol=1e-6)
    assert found.hook_name == given.hook_name


def test_weights_are_stored_in_half_the_room(sae_folder):
    tensors = load_file(sae_folder / saelens.WEIGHTS)
    assert tensors["W_enc"].dtype == torch.bfloat16
    assert tensors["threshold"].dtype == torch.float32


def test_another_digest_is_refused(tmp_path, sae_folder):
    with pytest.raises(ScanFailed, match="expected SAE sha256 00"):
        open_sae(sae_folder, expected_sha256="00")
    copy = shutil.copytree(sae_folder, tmp_path / "copy")
    config = json.loads((copy / "cfg.json").read_text())
    (copy / "cfg.json").write_text(json.dumps(config | {"seed": 1}))
    with pytest.raises(ScanFailed, match="expected SAE sha256"):
        open_sae(copy, expected_sha256=sae_sha256(sae_folder))
