"""Gemma Scope 2 is read by its hook strings; what writes to several layers encodes alone."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import gemma_scope_2, open_sae, sae_sha256
from tests.scanner.formats.formulas import (
    expect_encodes,
    expect_rebuilds,
    expect_refused,
    jump,
    numbers,
    tokens,
)

D, F, E = 12, 40, 7
RESIDUAL = {
    "architecture": "jump_relu", "model_name": "google/gemma-3-4b-pt", "width": 16384, "l0": 150,
    "affine_connection": False, "type": "sae",
    "hf_hook_point_in": "model.layers.17.output", "hf_hook_point_out": "model.layers.17.output",
}  # fmt: skip
TRANSCODER = RESIDUAL | {
    "type": "transcoder",
    "hf_hook_point_in": "model.layers.17.pre_feedforward_layernorm.output",
    "hf_hook_point_out": "model.layers.17.post_feedforward_layernorm.output",
}
CROSSCODER = RESIDUAL | {
    "type": "crosscoder",
    "hf_hook_point_in": "model.layers.{5,9,15}.output",
    "hf_hook_point_out": "model.layers.{5,9,15}.output",
}
CROSS_LAYER = RESIDUAL | {
    "type": "clt",
    "hf_hook_point_in": "model.layers.{all}.pre_feedforward_layernorm.output",
    "hf_hook_point_out": "model.layers.{all}.post_feedforward_layernorm.output",
}
THREE = [f"blocks.{layer}.hook_resid_post" for layer in (5, 9, 15)]


def encoder(seed=0, d=D, f=F):
    return {
        "w_enc": numbers(seed + 1, d, f, scale=0.4),
        "b_enc": numbers(seed + 3, f, scale=0.2),
        "threshold": np.abs(numbers(seed + 5, f)),
    }


def weights(d_out=D):
    return encoder() | {"w_dec": numbers(2, F, d_out, scale=0.4), "b_dec": numbers(4, d_out)}


def laid(root, config, place="resid_post/layer_17_width_16k_l0_big", **files):
    folder = root / place
    folder.mkdir(parents=True)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    for name, kept in files.items():
        save_file(kept, folder / f"{name}.safetensors")
    return folder


def activations(x, w):
    w = {name: each.astype(np.float64) for name, each in w.items()}
    return jump(x @ w["w_enc"] + w["b_enc"], w["threshold"])


def test_it_encodes_and_rebuilds_as_published(tmp_path):
    x, w = tokens(D), weights()
    expected = activations(x, w)
    sae = expect_encodes(laid(tmp_path, RESIDUAL, params=w), x, expected)
    expect_rebuilds(sae, x, expected @ w["w_dec"].astype(np.float64) + w["b_dec"])
    assert (sae.hook_name, sae.hook_name_out, sae.doubts) == ("blocks.17.hook_resid_post", "", ())
    assert (sae.declared.l0, sae.declared.model_name) == (150, "google/gemma-3-4b-pt")


@pytest.mark.parametrize("skips", [True, False])
def test_a_transcoder_may_add_an_affine_skip(tmp_path, skips):
    x, w = tokens(D), weights(d_out=E)
    skip = numbers(6, D, E)
    folder = laid(
        tmp_path, TRANSCODER | {"affine_connection": skips},
        params=w | ({"affine_skip_connection": skip} if skips else {}),
    )  # fmt: skip
    expected = activations(x, w)
    sae = expect_encodes(folder, x, expected)
    rebuilt = expected @ w["w_dec"].astype(np.float64) + w["b_dec"]
    expect_rebuilds(sae, x, rebuilt + x @ skip.astype(np.float64) if skips else rebuilt)
    assert sae.hook_name == "blocks.17.mlp.hook_in"
    assert sae.hook_name_out == "blocks.17.hook_mlp_out"


@pytest.mark.parametrize(
    ("kind", "hook", "read"),
    [
        ("mlp_out", "model.layers.17.post_feedforward_layernorm.output", "blocks.17.hook_mlp_out"),
        ("attn_out", "model.layers.17.self_attn.o_proj.input", "blocks.17.attn.hook_z"),
        ("resid_post_all", "model.language_model.layers.17.output", "blocks.17.hook_resid_post"),
    ],
)
def test_hook_strings_and_folders_name_the_same_points(tmp_path, kind, hook, read):
    told = RESIDUAL | {"hf_hook_point_in": hook, "hf_hook_point_out": hook}
    assert open_sae(laid(tmp_path, told, params=weights())).hook_name == read
    place = f"{kind}/layer_17_width_16k_l0_small"
    sae = open_sae(laid(tmp_path, None, place, params=weights()))
    assert (sae.hook_name, sae.hook_name_out) == (read, "")
    assert sae.doubts == ("config.json is missing; the folders say what is read",)


def test_without_config_the_folders_tell_a_transcoder(tmp_path):
    sae = open_sae(
        laid(tmp_path, None, "transcoder_all/layer_3_width_16k_l0_big", params=weights())
    )
    assert (sae.hook_name, sae.hook_name_out) == ("blocks.3.mlp.hook_in", "blocks.3.hook_mlp_out")


def test_without_either_the_read_point_is_left_open(tmp_path):
    sae = open_sae(laid(tmp_path, None, "mine", params=weights()))
    assert sae.hook_name == ""
    assert "neither config.json nor the folders say" in sae.doubts[0]


def crosscoder(root, config=CROSSCODER, n=3):
    layers = {f"params_layer_{at}": encoder(10 * at) | {
        "w_dec": numbers(2, F, 3, D), "b_dec": numbers(4, D),
    } for at in range(n)}  # fmt: skip
    return laid(root, config, "crosscoder/layer_5_9_15_width_65k_l0_medium", **layers)


def test_one_layer_of_a_crosscoder_reads_its_own_layer(tmp_path):
    folder = crosscoder(tmp_path)
    for at, hook in enumerate(THREE):
        path = folder / f"params_layer_{at}.safetensors"
        x = tokens(D, seed=at)
        sae = expect_encodes(path, x, activations(x, encoder(10 * at)))
        assert (sae.hook_name, sae.w_dec, sae.declared.l0) == (hook, None, None)
        assert gemma_scope_2.files(path) == (folder / "config.json", path)
        with pytest.raises(ScanFailed, match="gemma_scope_2 encodes only"):
            sae.rebuild(torch.from_numpy(x))


def test_a_whole_crosscoder_reads_its_layers_side_by_side(tmp_path):
    folder = crosscoder(tmp_path)
    x = [tokens(D, seed=at) for at in range(3)]
    expected = np.concatenate(
        [activations(each, encoder(10 * at)) for at, each in enumerate(x)], axis=1
    )
    sae = expect_encodes(folder, np.concatenate(x, axis=1), expected)
    assert sae.hook_name == " + ".join(THREE)
    assert (sae.d_in, sae.d_sae, sae.w_dec) == (3 * D, 3 * F, None)
    one = sae_sha256(folder)
    save_file(encoder(99), folder / "params_layer_1.safetensors")
    assert sae_sha256(folder) != one


def test_a_file_as_wide_as_all_layers_reads_them_side_by_side(tmp_path):
    w = encoder(d=3 * D) | {"w_dec": numbers(2, F, 3, D), "b_dec": numbers(4, 3, D)}
    x = tokens(3 * D)
    sae = expect_encodes(laid(tmp_path, CROSSCODER, params=w), x, activations(x, w))
    assert sae.hook_name == " + ".join(THREE)
    assert sae.w_dec is None


def test_a_layer_of_a_cross_layer_transcoder_encodes(tmp_path):
    layers = {f"params_layer_{at}": encoder(at) | {
        "w_dec": numbers(2, F, 2, D), "b_dec": numbers(4, D), "affine_skip_connection": numbers(7, D, D),
    } for at in range(2)}  # fmt: skip
    folder = laid(tmp_path, CROSS_LAYER, "clt/width_262k_l0_big_affine", **layers)
    x = tokens(D)
    sae = expect_encodes(folder / "params_layer_1.safetensors", x, activations(x, encoder(1)))
    assert sae.hook_name == "blocks.1.mlp.hook_in"
    assert open_sae(folder).hook_name == "blocks.0.mlp.hook_in + blocks.1.mlp.hook_in"


def test_a_decoder_into_several_layers_is_for_encoding(tmp_path):
    w = encoder() | {"w_dec": numbers(2, F, 4, D), "b_dec": numbers(4, D)}
    x = tokens(D)
    sae = expect_encodes(laid(tmp_path, TRANSCODER, params=w), x, activations(x, w))
    assert (sae.w_dec, sae.hook_name) == (None, "blocks.17.mlp.hook_in")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"w_enc": numbers(1, F, D)},
            r"params\.safetensors: w_enc: expected 40 latents along dimension 1, the",
        ),
        ({"w_dec": numbers(1, D, F)}, r"w_dec: expected a shape of \(40, 12\), came \(12, 40\)"),
        ({"threshold": numbers(1, 1)}, r"threshold: expected a shape of \(40,\), came \(1,\)"),
        ({"b_enc": None}, "no tensor 'b_enc' there"),
        ({"w_dec": None}, "no tensor 'w_dec' there"),
        ({"scale": numbers(1, F)}, r"this layout has no tensor \['scale'\]"),
        ({"w_enc": np.ones((D, F), np.int32)}, "w_enc: expected floating point numbers, came I32"),
        ({"threshold": np.full(F, np.nan, np.float32)}, "threshold holds values that are not"),
        ({"affine_skip_connection": numbers(1, D, D)}, "affine_connection: expected True"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, changes, complaint):
    kept = {name: each for name, each in (weights() | changes).items() if each is not None}
    expect_refused(laid(tmp_path, RESIDUAL, params=kept), complaint)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"architecture": "topk"},
            r"config\.json: architecture: expected 'jump_relu', came 'topk'",
        ),
        ({"hf_hook_point_in": "../../etc/passwd"}, "expected a read point"),
        ({"hf_hook_point_in": "x" * 500}, "hf_hook_point_in: expected a text of at most"),
        ({"hf_hook_point_in": 17}, "hf_hook_point_in: expected a text"),
        ({"hf_hook_point_in": "model.layers.{all}.output"}, "expected a read point"),
        ({"affine_connection": "yes"}, "affine_connection: expected true or false"),
        ({"affine_connection": True}, "affine_connection: expected False"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, changes, complaint):
    expect_refused(laid(tmp_path, RESIDUAL | changes, params=weights()), complaint)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 100_000, "expected JSON"),
        ("[]", "expected an object"),
        ('{"architecture": "jump_relu", "architecture": "jump_relu"}', "each key once"),
        ("\xff", "expected"),
    ],
)
def test_hostile_settings_are_refused(tmp_path, text, complaint):
    folder = laid(tmp_path, RESIDUAL, params=weights())
    (folder / "config.json").write_text(text, encoding="latin-1")
    expect_refused(folder, rf"config\.json: .*{complaint}")


def test_a_skip_needs_a_point_of_its_own_to_add_to(tmp_path):
    told = RESIDUAL | {"affine_connection": True}
    folder = laid(tmp_path, told, params=weights() | {"affine_skip_connection": numbers(1, D, D)})
    expect_refused(folder, r"hf_hook_point_out: expected what params\.safetensors rebuilds")


def test_layers_that_are_missing_are_said(tmp_path):
    folder = crosscoder(tmp_path)
    (folder / "params_layer_1.safetensors").unlink()
    expect_refused(folder, r"without a gap; came layers \[0, 2\]")


def test_more_files_than_layers_are_refused(tmp_path):
    folder = crosscoder(tmp_path, n=4)
    expect_refused(folder, r"speaks of 3 layers; expected one for params_layer_3\.safetensors")
    assert open_sae(folder / "params_layer_2.safetensors").hook_name == THREE[2]


def test_layers_need_a_hook_string_that_speaks_of_layers(tmp_path):
    expect_refused(crosscoder(tmp_path, RESIDUAL), "hf_hook_point_in: expected all layers")


def test_a_width_that_layers_do_not_share_is_refused(tmp_path):
    w = encoder(d=3 * D + 1) | {"w_dec": numbers(2, F, 3, D), "b_dec": numbers(4, 3, D)}
    expect_refused(laid(tmp_path, CROSSCODER, params=w), "expected a width that 3 layers share")
