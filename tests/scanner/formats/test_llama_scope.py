"""Llama Scope's one threshold, R1-Distill's logarithms, and the scale of the stream in both."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.formats import config, llama_scope, open_sae, openmoss, sae_sha256
from assessments.scanner.sae import Architecture
from tests.scanner.formats.formulas import (
    expect_encodes,
    expect_rebuilds,
    expect_refused,
    jump,
    largest,
    numbers,
    relu,
    tokens,
)

D, F = 16, 48
AVERAGE = 2.5
S = math.sqrt(D) / AVERAGE
THETA = 0.45
PARAMETERS = {
    "hook_point_in": "blocks.15.hook_resid_post", "hook_point_out": "blocks.15.hook_resid_post",
    "use_decoder_bias": True, "apply_decoder_bias_to_pre_encoder": False, "expansion_factor": 3,
    "d_model": D, "d_sae": F, "act_fn": "jumprelu", "jump_relu_threshold": THETA,
    "norm_activation": "dataset-wise", "sparsity_include_decoder_norm": True, "top_k": 20,
    "dataset_average_activation_norm": {"in": AVERAGE, "out": AVERAGE}, "use_glu_encoder": False,
}  # fmt: skip
PLACE = "Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x"
LOGARITHMS = numbers(5, F, scale=0.5)
DISTILL = {
    "sae_type": "sae", "d_model": D, "expansion_factor": 3, "act_fn": "jumprelu",
    "norm_activation": "dataset-wise", "sparsity_include_decoder_norm": False, "top_k": 50,
    "hook_point_in": "blocks.5.hook_resid_post", "hook_point_out": "blocks.5.hook_resid_post",
}  # fmt: skip


def weights():
    return {
        "encoder.weight": numbers(1, F, D, scale=0.4),
        "encoder.bias": numbers(2, F, scale=0.2),
        "decoder.weight": numbers(3, D, F, scale=0.4),
        "decoder.bias": numbers(4, D),
    }


def wide():
    """The same in float64: encoder (D, F), biases, decoder (F, D)."""
    w = {name: each.astype(np.float64) for name, each in weights().items()}
    return w["encoder.weight"].T, w["encoder.bias"], w["decoder.weight"].T, w["decoder.bias"]


def laid(root, *, place=PLACE, tensors=None, **changes):
    folder = root / place
    (folder / "checkpoints").mkdir(parents=True)
    told = {key: each for key, each in (PARAMETERS | changes).items() if each is not None}
    (folder / "hyperparams.json").write_text(json.dumps(told))
    save_file(tensors or weights(), folder / "checkpoints/final.safetensors")
    return folder


def distilled(root, place="Llama-Scope-R1-Distill/L5R", *, config=None, **changes):
    folder = root / place
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(DISTILL | (config or {})))
    kept = weights() | {
        "log_jumprelu_threshold": LOGARITHMS,
        "dataset_average_activation_norm.blocks.5.hook_resid_post": np.float32(AVERAGE),
    }
    kept |= changes
    save_file({name: np.asarray(each) for name, each in kept.items() if each is not None},
              folder / "sae_weights.safetensors")  # fmt: skip
    return folder


def by_the_makers_loader(x, *, theta=THETA):
    """On the raw stream: s folded into the biases, decoders at length one, θ as it stands."""
    w_enc, b_enc, w_dec, b_dec = wide()
    length = np.linalg.norm(w_dec, axis=1)
    f = jump(x @ (w_enc * length) + b_enc / S * length, theta)
    return f, f @ (w_dec / length[:, None]) + b_dec / S


def folded(x, threshold):
    """On the raw stream: s folded into the encoder, as SAELens does."""
    w_enc, b_enc, w_dec, b_dec = wide()
    f = jump(x @ (w_enc * S) + b_enc, threshold)
    return f, f @ (w_dec / S) + b_dec / S


def test_it_fires_and_rebuilds_as_its_makers_loader_does(tmp_path):
    x = tokens(D)
    theirs, rebuilt = by_the_makers_loader(x)
    length = np.linalg.norm(wide()[2], axis=1)
    sae = expect_encodes(laid(tmp_path), x, theirs / length * S)
    expect_rebuilds(sae, x, rebuilt)


def test_without_decoder_lengths_it_is_the_folded_formula_with_theta_scaled(tmp_path):
    x = tokens(D)
    expected, rebuilt = folded(x, THETA * S)
    for at, said in enumerate((False, None)):
        path = laid(tmp_path / str(at), sparsity_include_decoder_norm=said)
        expect_rebuilds(expect_encodes(path, x, expected), x, rebuilt)


def test_scaling_the_input_does_not_spare_scaling_theta(tmp_path):
    x = tokens(D)
    f = open_sae(laid(tmp_path, sparsity_include_decoder_norm=False)).encode(torch.from_numpy(x))
    unscaled, _ = folded(x, THETA)
    assert (unscaled > 0).sum() > 1.1 * int((f > 0).sum())


@pytest.mark.parametrize(
    ("theta", "average", "scaled"),
    [(0.330078125, 10.8125, 1.9537572), (0.75390625, 29.125, 1.65665236)],
)
def test_theta_of_published_files(theta, average, scaled):
    """Layers 15 and 24 of LXR-32x: in the units of the scaled stream they are of one size."""
    said = config.Config("hyperparams.json", PARAMETERS | {
        "d_model": 4096, "d_sae": 131072, "expansion_factor": 32, "jump_relu_threshold": theta,
        "dataset_average_activation_norm": {"in": average, "out": average},
    })  # fmt: skip
    told = openmoss.settings(said, 131072, architecture=Architecture.JUMPRELU, by_length=False)
    scales = llama_scope.told_scales(said, told)
    assert scales.given == pytest.approx(64 / average)
    assert llama_scope.theta(said, told, scales) == pytest.approx(scaled, rel=1e-6)


def test_a_transcoder_rebuilds_in_the_units_of_its_own_point(tmp_path):
    out = 7.0
    x = tokens(D)
    path = laid(
        tmp_path, hook_point_in="blocks.3.hook_mlp_in", hook_point_out="blocks.3.hook_mlp_out",
        dataset_average_activation_norm={"in": AVERAGE, "out": out},
    )  # fmt: skip
    w_enc, b_enc, w_dec, b_dec = wide()
    s_out = math.sqrt(D) / out
    lengths = np.linalg.norm(w_dec * S / s_out, axis=1)
    raw = jump((x @ w_enc + b_enc / S) * lengths, THETA) / lengths
    sae = expect_encodes(path, x, raw * S)
    expect_rebuilds(sae, x, raw @ (w_dec * S / s_out) + b_dec / s_out)
    assert (sae.hook_name, sae.hook_name_out) == ("blocks.3.hook_mlp_in", "blocks.3.hook_mlp_out")


def test_a_bias_may_be_taken_off_before(tmp_path):
    x = tokens(D)
    w_enc, b_enc, _, b_dec = wide()
    path = laid(
        tmp_path, apply_decoder_bias_to_pre_encoder=True, sparsity_include_decoder_norm=False
    )
    expect_encodes(path, x, jump((x * S - b_dec) @ w_enc + b_enc, THETA * S))


def test_topk_with_a_threshold_is_judged_by_the_threshold(tmp_path):
    x = tokens(D)
    path = laid(tmp_path, act_fn="topk", sparsity_include_decoder_norm=False)
    sae = expect_encodes(path, x, folded(x, THETA * S)[0])
    assert sae.architecture is Architecture.JUMPRELU


def test_topk_without_a_threshold_keeps_the_largest_by_decoder_length(tmp_path):
    x = tokens(D)
    w_enc, b_enc, w_dec, _ = wide()
    length = np.linalg.norm(w_dec, axis=1)
    expected = largest((x * S @ w_enc + b_enc) * length, 20) / length
    sae = expect_encodes(laid(tmp_path, act_fn="topk", jump_relu_threshold=0.0), x, expected)
    assert (sae.architecture, sae.k) == (Architecture.TOPK, 20)


def test_plain_relu_without_normalisation(tmp_path):
    x = tokens(D)
    w_enc, b_enc, w_dec, b_dec = wide()
    expected = relu(x @ w_enc + b_enc)
    sae = expect_encodes(laid(tmp_path, act_fn="relu", norm_activation="none"), x, expected)
    expect_rebuilds(sae, x, expected @ w_dec + b_dec)


def test_what_is_declared_is_kept(tmp_path):
    folder = laid(tmp_path)
    sae = open_sae(folder, expected_sha256=sae_sha256(folder))
    assert (sae.format, sae.hook_name) == ("llama_scope", "blocks.15.hook_resid_post")
    assert (sae.declared.l0, sae.declared.model_name) == (20, "meta-llama/Llama-3.1-8B")


def test_the_distilled_ones_keep_logarithms_of_thresholds_on_the_scaled_stream(tmp_path):
    x = tokens(D)
    expected, rebuilt = folded(x, np.exp(LOGARITHMS.astype(np.float64)))
    sae = expect_encodes(distilled(tmp_path), x, expected)
    expect_rebuilds(sae, x, rebuilt)
    assert (sae.hook_name, sae.declared.l0) == ("blocks.5.hook_resid_post", None)
    assert sae.declared.model_name == "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"


def test_the_distilled_ones_may_be_judged_by_decoder_length(tmp_path):
    x = tokens(D)
    w_enc, b_enc, w_dec, _ = wide()
    length = np.linalg.norm(w_dec, axis=1)
    threshold = np.exp(LOGARITHMS.astype(np.float64))
    expected = jump((x * S @ w_enc + b_enc) * length, threshold) / length
    expect_encodes(distilled(tmp_path, config={"sparsity_include_decoder_norm": True}), x, expected)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"dataset_average_activation_norm": None},
            "dataset_average_activation_norm: in: expected",
        ),
        ({"dataset_average_activation_norm": {"in": 0.0}}, "expected the average length"),
        ({"dataset_average_activation_norm": {"in": -3}}, "expected the average length"),
        ({"jump_relu_threshold": None}, "jump_relu_threshold: expected a finite number"),
        ({"jump_relu_threshold": -0.5}, "jump_relu_threshold: expected a number from 0"),
        ({"jump_relu_threshold": "0.5"}, "jump_relu_threshold: expected a finite number"),
        ({"act_fn": "gelu"}, "act_fn: expected one of relu, jumprelu, topk, batchtopk"),
        ({"norm_activation": "batch-wise"}, "does not depend on the tokens beside it"),
        ({"norm_activation": "layer"}, "norm_activation: expected one of"),
        ({"use_glu_encoder": True}, "use_glu_encoder: expected false"),
        ({"d_sae": F + 1}, rf"speaks of {F + 1} latents, the tensors have {F}"),
        (
            {"d_model": D * 2},
            r"final\.safetensors: encoder\.weight: expected a shape of \(48, 32\)",
        ),
        ({"d_model": None}, "d_model: expected a whole number"),
        ({"hook_point_in": None}, "hook_point_in: expected a text"),
        ({"hook_point_in": "/etc/passwd"}, "expected a read point"),
        ({"act_fn": "topk", "jump_relu_threshold": 0, "top_k": F + 1}, "top_k: expected a whole"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, changes, complaint):
    expect_refused(laid(tmp_path, **changes), complaint)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"encoder.weight": numbers(1, D, F)}, r"encoder\.weight: .*the other way round"),
        ({"decoder.weight": numbers(1, F, D)}, r"decoder\.weight: .*the other way round"),
        ({"encoder.bias": None}, r"no tensor 'encoder\.bias' there"),
        ({"decoder.bias": None}, r"no tensor 'decoder\.bias' there"),
        ({"W_extra": numbers(1, F)}, r"this layout has no tensor \['W_extra'\]"),
        ({"decoder.weight": np.full((D, F), np.inf, np.float32)}, r"decoder\.weight holds values"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, changes, complaint):
    kept = {name: each for name, each in (weights() | changes).items() if each is not None}
    expect_refused(laid(tmp_path, tensors=kept), rf"final\.safetensors: .*{complaint}")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"log_jumprelu_threshold": None}, "no tensor 'log_jumprelu_threshold' there"),
        ({"log_jumprelu_threshold": np.full(F, 1e4, np.float32)}, "expected logarithms"),
        ({"log_jumprelu_threshold": np.full(F, -np.inf, np.float32)}, "are not finite"),
        ({"dataset_average_activation_norm.blocks.5.hook_resid_post": None},
         r"no tensor 'dataset_average_activation_norm\.blocks\.5\.hook_resid_post' there"),
        ({"dataset_average_activation_norm.blocks.5.hook_resid_post": np.zeros((), np.float32)},
         "expected the average length"),
        ({"dataset_average_activation_norm.blocks.5.hook_resid_post": np.ones(2, np.float32)},
         "expected a single number"),
    ],
)  # fmt: skip
def test_distilled_tensors_that_do_not_fit_are_refused_by_name(tmp_path, changes, complaint):
    expect_refused(distilled(tmp_path, **changes), rf"sae_weights\.safetensors: .*{complaint}")
