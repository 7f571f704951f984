"""llamascopium's normalisations, activations and transcoders, by its published formulas."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import llamascopium, open_sae, sae_sha256
from assessments.scanner.sae import Architecture
from tests.scanner.formats.formulas import (
    expect_encodes,
    expect_rebuilds,
    expect_refused,
    jump,
    largest,
    largest_of_all,
    numbers,
    relu,
    tokens,
)

D, F = 16, 48
HOOK, BEHIND = "blocks.5.hook_mlp_in", "blocks.5.hook_mlp_out"
STREAM = "blocks.5.hook_resid_post"
AVERAGES = {STREAM: 2.5, HOOK: 3.5, BEHIND: 6.0}
SETTINGS = {
    "sae_type": "sae", "d_model": D, "expansion_factor": 3.0, "use_decoder_bias": True,
    "act_fn": "jumprelu", "norm_activation": "dataset-wise", "sparsity_include_decoder_norm": True,
    "top_k": 7, "hook_point_in": STREAM, "hook_point_out": STREAM, "use_glu_encoder": False,
    "jumprelu_threshold_window": 2.0, "dtype": "torch.float32", "device": "cuda",
}  # fmt: skip
LOG = "activation_function.log_jumprelu_threshold"
TRANSCODES = {"hook_point_in": HOOK, "hook_point_out": BEHIND}


def weights():
    return {
        "W_E": numbers(1, D, F, scale=0.4),
        "b_E": numbers(2, F, scale=0.2),
        "W_D": numbers(3, F, D, scale=0.4),
        "b_D": numbers(4, D),
        LOG: numbers(5, F, scale=0.5),
    }


def wide():
    w = {name: each.astype(np.float64) for name, each in weights().items()}
    return w["W_E"], w["b_E"], w["W_D"], w["b_D"], np.exp(w[LOG])


def laid(root, *, tensors=None, **changes):
    told = SETTINGS | changes
    kept = weights()
    if told["act_fn"] != "jumprelu":
        del kept[LOG]
    if not told["use_decoder_bias"]:
        del kept["b_D"]
    for hook in (told["hook_point_in"], told["hook_point_out"]):
        if hook in AVERAGES:
            kept[f"dataset_average_activation_norm.{hook}"] = np.float32(AVERAGES[hook])
    kept |= tensors or {}
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.json").write_text(json.dumps(told))
    save_file({name: np.asarray(each) for name, each in kept.items() if each is not None},
              root / "sae_weights.safetensors")  # fmt: skip
    return root


def lengths():
    return np.linalg.norm(wide()[2], axis=1)


def pre(x):
    w_e, b_e, *_ = wide()
    return x @ w_e + b_e


def test_dataset_wise_scales_what_it_reads_and_what_it_rebuilds(tmp_path):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    _, _, w_d, b_d, theta = wide()
    expected = jump(pre(x * s) * lengths(), theta) / lengths()
    sae = expect_encodes(laid(tmp_path), x, expected)
    expect_rebuilds(sae, x, (expected @ w_d + b_d) / s)
    assert (sae.format, sae.hook_name, sae.hook_name_out) == ("llamascopium", STREAM, "")
    assert (sae.d_sae, sae.doubts) == (F, ())


def test_decoder_lengths_count_only_where_it_is_said(tmp_path):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    expected = jump(pre(x * s), wide()[4])
    sae = expect_encodes(laid(tmp_path, sparsity_include_decoder_norm=False), x, expected)
    assert sae.rank_scale is None


def test_decoder_lengths_count_where_nothing_is_said(tmp_path):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    expected = jump(pre(x * s) * lengths(), wide()[4]) / lengths()
    expect_encodes(laid(tmp_path, sparsity_include_decoder_norm=None), x, expected)


def test_a_transcoder_has_a_scale_for_either_point(tmp_path):
    x = tokens(D)
    s_in, s_out = (math.sqrt(D) / AVERAGES[each] for each in (HOOK, BEHIND))
    _, _, w_d, b_d, theta = wide()
    expected = jump(pre(x * s_in) * lengths(), theta) / lengths()
    sae = expect_encodes(laid(tmp_path, **TRANSCODES), x, expected)
    expect_rebuilds(sae, x, (expected @ w_d + b_d) / s_out)
    assert (sae.hook_name, sae.hook_name_out) == (HOOK, BEHIND)


def test_token_wise_brings_each_token_to_one_length(tmp_path):
    x = tokens(D)
    _, _, w_d, b_d, theta = wide()
    length = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) / math.sqrt(D)
    expected = jump(pre(x / length) * lengths(), theta) / lengths()
    sae = expect_encodes(laid(tmp_path, norm_activation="token-wise"), x, expected)
    expect_rebuilds(sae, x, (expected @ w_d + b_d) * length)


def test_a_token_wise_transcoder_is_for_encoding(tmp_path):
    x = tokens(D)
    length = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) / math.sqrt(D)
    expected = jump(pre(x / length) * lengths(), wide()[4]) / lengths()
    path = laid(tmp_path, norm_activation="token-wise", **TRANSCODES)
    sae = expect_encodes(path, x, expected)
    assert sae.doubts == (
        "it scales each token of what it rebuilds by its own length: for encoding alone",
    )
    with pytest.raises(ScanFailed, match="encodes only"):
        sae.rebuild(torch.from_numpy(x))


def test_folded_weights_are_used_as_they_are_and_the_doubt_is_kept(tmp_path):
    x = tokens(D)
    _, _, w_d, b_d, theta = wide()
    expected = jump(pre(x) * lengths(), theta) / lengths()
    sae = expect_encodes(laid(tmp_path, norm_activation="inference"), x, expected)
    expect_rebuilds(sae, x, expected @ w_d + b_d)
    assert sae.doubts == (llamascopium.FOLDED,)


@pytest.mark.parametrize("by_length", [True, False])
def test_topk_ranks_by_decoder_length_where_it_is_said(tmp_path, by_length):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    rank = lengths() if by_length else 1.0
    expected = largest(pre(x * s) * rank, 7) / rank
    path = laid(tmp_path, act_fn="topk", sparsity_include_decoder_norm=by_length)
    sae = expect_encodes(path, x, expected)
    assert (sae.architecture, sae.k, sae.threshold) == (Architecture.TOPK, 7, None)


def test_relu_has_neither_threshold_nor_rank(tmp_path):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    expect_encodes(laid(tmp_path, act_fn="relu"), x, relu(pre(x * s)))


def test_batchtopk_is_no_evidence(tmp_path):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    expected = largest_of_all(pre(x * s) * lengths(), 7) / lengths()
    sae = expect_encodes(laid(tmp_path, act_fn="batchtopk"), x, expected)
    assert "depends on the prompts beside it" in sae.not_evidence


def test_there_may_be_no_decoder_bias(tmp_path):
    x, s = tokens(D), math.sqrt(D) / AVERAGES[STREAM]
    _, _, w_d, _, theta = wide()
    expected = jump(pre(x * s) * lengths(), theta) / lengths()
    expect_rebuilds(open_sae(laid(tmp_path, use_decoder_bias=False)), x, expected @ w_d / s)


@pytest.mark.parametrize("act_fn", ["jumprelu", "topk", "relu"])
def test_a_latent_that_writes_nothing_is_off(tmp_path, act_fn):
    w_d = weights()["W_D"]
    w_d[[3, 11]] = 0
    sae = open_sae(laid(tmp_path, act_fn=act_fn, tensors={"W_D": w_d}))
    x = torch.from_numpy(tokens(D))
    f = sae.encode(x)
    assert torch.isfinite(f).all()
    assert not f[:, [3, 11]].any()
    assert not sae.columns([11]).encode(x).any()
    assert torch.isfinite(sae.rebuild(x)).all()


def test_the_digest_is_over_both_files(tmp_path):
    folder = laid(tmp_path)
    one = sae_sha256(folder)
    (folder / "config.json").write_text(json.dumps(SETTINGS | {"top_k": 8}))
    assert sae_sha256(folder) != one


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sae_type": "crosscoder"}, "sae_type: expected 'sae'"),
        ({"sae_type": "lorsa"}, "sae_type: expected 'sae'"),
        ({"use_glu_encoder": True}, "use_glu_encoder: expected false"),
        ({"norm_activation": "batch-wise"}, "does not depend on the tokens beside it"),
        ({"act_fn": "layertopk"}, "act_fn: expected one of"),
        ({"act_fn": "topk", "top_k": 0}, "top_k: expected a whole number from 1"),
        ({"act_fn": "topk", "top_k": 10**12}, "top_k: expected a whole number from 1 to 48"),
        ({"act_fn": "topk", "top_k": 7.5}, "top_k: expected a whole number"),
        ({"expansion_factor": 4}, "speaks of 64 latents, the tensors have 48"),
        ({"expansion_factor": 1e308}, "speaks of 16000000 latents"),
        ({"expansion_factor": -1}, "speaks of 0 latents"),
        ({"d_model": True}, "d_model: expected a whole number"),
        ({"hook_point_in": "../secret"}, "expected a read point"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, changes, complaint):
    expect_refused(laid(tmp_path, **changes), complaint)


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"W_E": numbers(1, F, D)}, "W_E: .*the other way round"),
        ({"W_D": numbers(1, D, F)}, "W_D: .*the other way round"),
        ({LOG: None}, "no tensor 'activation_function.log_jumprelu_threshold' there"),
        ({LOG: np.full(F, 100.0, np.float32)}, "log_jumprelu_threshold: expected logarithms"),
        ({"b_D": None}, "no tensor 'b_D' there"),
        ({"W_E_glu": numbers(1, D, F)}, r"this layout has no tensor \['W_E_glu'\]"),
        ({f"dataset_average_activation_norm.{STREAM}": None}, "no tensor 'dataset_average_act"),
        ({f"dataset_average_activation_norm.{STREAM}": np.float32(0)}, "expected the average"),
        ({"b_E": np.full(F, np.nan, np.float32)}, "b_E holds values that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, tensors, complaint):
    expect_refused(laid(tmp_path, tensors=tensors), rf"sae_weights\.safetensors: .*{complaint}")
