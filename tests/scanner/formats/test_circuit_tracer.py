"""circuit-tracer's transcoders, one file a layer, with their activations and skips."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import circuit_tracer, open_sae, sae_sha256
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

D, F, E = 12, 40, 7
SETTINGS = """
model_name: "Qwen/Qwen3-4B"
model_kind: transcoder_set
feature_input_hook: "mlp.hook_in"
feature_output_hook: "mlp.hook_out"
scan: "qwen3-4b"
"""
THRESHOLD = "activation_function.threshold"


def weights():
    return {
        "W_enc": numbers(1, F, D, scale=0.4),
        "b_enc": numbers(2, F, scale=0.2),
        "W_dec": numbers(3, F, E, scale=0.4),
        "b_dec": numbers(4, E),
    }


def laid(root, settings=SETTINGS, name="layer_5", tensors=None, **more):
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.yaml").write_text(settings)
    kept = (weights() if tensors is None else tensors) | more
    kept = {key: np.asarray(each) for key, each in kept.items() if each is not None}
    save_file(kept, root / f"{name}.safetensors")
    return root / f"{name}.safetensors"


def pre(x):
    w = weights()
    return x @ w["W_enc"].T.astype(np.float64) + w["b_enc"]


def rebuilt(f):
    return f @ weights()["W_dec"].astype(np.float64) + weights()["b_dec"]


def test_without_a_threshold_it_is_relu(tmp_path):
    x = tokens(D)
    sae = expect_encodes(laid(tmp_path), x, relu(pre(x)))
    expect_rebuilds(sae, x, rebuilt(relu(pre(x))))
    assert (sae.hook_name, sae.hook_name_out) == ("blocks.5.mlp.hook_in", "blocks.5.mlp.hook_out")
    assert (sae.format, sae.declared.model_name) == ("circuit_tracer", "Qwen/Qwen3-4B")
    assert (sae.d_in, sae.d_sae, sae.d_out, sae.doubts) == (D, F, E, ())


@pytest.mark.parametrize("shape", [(F,), (1,), ()])
def test_thresholds_are_one_a_latent_or_one_for_all(tmp_path, shape):
    x, threshold = tokens(D), np.abs(numbers(5, *shape)) + np.float32(0.2)
    expected = jump(pre(x), threshold.astype(np.float64))
    expect_encodes(laid(tmp_path, **{THRESHOLD: threshold}), x, expected)


def test_k_is_in_the_tensors_or_in_the_settings(tmp_path):
    x = tokens(D)
    told = f"{SETTINGS}activation: topk\nk: 6\n"
    both = laid(tmp_path / "both", told, k=np.int64(6))
    for path in (laid(tmp_path / "tensor", k=np.int64(6)), laid(tmp_path / "yaml", told), both):
        sae = expect_encodes(path, x, largest(pre(x), 6))
        assert (sae.architecture, sae.k) == (Architecture.TOPK, 6)
        assert sae.doubts == (circuit_tracer.SIGNED,)


def test_a_skip_adds_what_is_linear(tmp_path):
    x, skip = tokens(D), numbers(6, E, D)
    sae = open_sae(laid(tmp_path, W_skip=skip))
    expect_rebuilds(sae, x, rebuilt(relu(pre(x))) + x @ skip.T.astype(np.float64))


def test_hooks_may_be_those_of_the_stream(tmp_path):
    settings = SETTINGS.replace("mlp.hook_in", "hook_resid_mid").replace("mlp.", "").replace(
        "hook_out", "hook_mlp_out"
    )  # fmt: skip
    sae = open_sae(laid(tmp_path, settings, "layer_0"))
    assert (sae.hook_name, sae.hook_name_out) == (
        "blocks.0.hook_resid_mid",
        "blocks.0.hook_mlp_out",
    )


def test_a_folder_is_read_where_it_holds_one_layer(tmp_path):
    path = laid(tmp_path)
    assert sae_sha256(tmp_path) == sae_sha256(path)
    assert open_sae(tmp_path).hook_name == "blocks.5.mlp.hook_in"
    laid(tmp_path, name="layer_12")
    expect_refused(
        tmp_path, "expected the path of one layer's file, came a folder with 2: layer_12"
    )
    assert open_sae(tmp_path / "layer_12.safetensors").hook_name == "blocks.12.mlp.hook_in"


@pytest.mark.parametrize("has_threshold", [True, False])
def test_a_layer_of_a_cross_layer_transcoder_is_for_encoding(tmp_path, has_threshold):
    x, threshold = tokens(D), np.abs(numbers(5, F))
    w = weights()
    kept = {"W_enc_3": w["W_enc"], "b_enc_3": w["b_enc"], "b_dec_3": numbers(4, D)}
    kept |= {"threshold_3": threshold} if has_threshold else {}
    expected = jump(pre(x), threshold.astype(np.float64)) if has_threshold else relu(pre(x))
    sae = expect_encodes(laid(tmp_path, name="W_enc_3", tensors=kept), x, expected)
    assert (sae.hook_name, sae.w_dec) == ("blocks.3.mlp.hook_in", None)
    with pytest.raises(ScanFailed, match="circuit_tracer encodes only"):
        sae.rebuild(torch.from_numpy(x))


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        (
            {"W_enc": numbers(1, D, F)},
            "W_enc: expected 40 latents along dimension 0, the other way",
        ),
        ({"W_dec": numbers(1, E, F)}, "W_dec: .*the other way round"),
        ({"W_skip": numbers(1, D, E)}, "W_skip: .*the other way round"),
        ({"b_dec": None}, "no tensor 'b_dec' there"),
        ({THRESHOLD: numbers(1, F + 1)}, "threshold: expected a shape"),
        ({THRESHOLD: -np.ones(F, np.float32)}, "threshold: expected thresholds from 0, came -1"),
        ({THRESHOLD: np.ones(F, np.int64)}, "threshold: expected floating point numbers"),
        ({"k": np.float32(2.5)}, "k: expected a whole number from 1, came 2.5"),
        ({"k": np.int64(0)}, "k: expected a whole number from 1"),
        ({"k": np.ones(3, np.int64)}, "k: expected a single number"),
        ({"k": np.int64(4), THRESHOLD: np.ones(F, np.float32)}, "says jump_relu, but the tensors"),
        ({"mean": numbers(1, D)}, r"this layout has no tensor \['mean'\]"),
        ({"W_enc": np.full((F, D), np.nan, np.float32)}, "W_enc holds values that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, tensors, complaint):
    expect_refused(laid(tmp_path, **tensors), rf"layer_5\.safetensors: .*{complaint}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 20_000, "expected YAML"),
        ("!!python/object/apply:os.system ['true']", "expected YAML"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("k: 1\nk: 2", "each key once"),
        ("- 1", "expected a mapping"),
        ("1: 2", "expected a mapping"),
        ("k: " + "9" * 5000, "expected YAML"),
        ("#" * (1 << 18), "expected at most"),
        (SETTINGS.replace("mlp.hook_in", "../up"), "expected a read point"),
        ("feature_input_hook: 5", "feature_input_hook: expected a text"),
        (SETTINGS.replace("feature_output_hook", "other"), "feature_output_hook: expected a text"),
        (f"{SETTINGS}activation: gelu", "activation: expected one of"),
        (f"{SETTINGS}activation: topk", "k: expected a whole number from 1 to 40"),
        (f"{SETTINGS}activation: topk\nk: 41", "k: expected a whole number from 1 to 40"),
        (f"{SETTINGS}activation: jump_relu", "no tensor 'activation_function.threshold' there"),
    ],
)
def test_hostile_settings_are_refused(tmp_path, text, complaint):
    expect_refused(laid(tmp_path, text), complaint)


def test_settings_and_tensors_may_not_differ(tmp_path):
    told = f"{SETTINGS}activation: topk\nk: 7\n"
    expect_refused(laid(tmp_path, told, k=np.int64(6)), "k: expected 6 as in layer_5.safetensors")
    path = laid(tmp_path, told, **{THRESHOLD: np.ones(F, np.float32)})
    expect_refused(path, r"config\.yaml says topk, but the tensors")


def test_without_its_settings_it_is_not_recognised(tmp_path):
    path = laid(tmp_path)
    (tmp_path / "config.yaml").unlink()
    expect_refused(path, "no known layout")
    expect_refused(path, r"config\.yaml could not be read", name="circuit_tracer")
