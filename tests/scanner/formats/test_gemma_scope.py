"""Gemma Scope is read by its published layout, and by the names of its folders."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.formats import gemma_scope, open_sae, sae_sha256
from assessments.scanner.readnames import parse
from tests.scanner.formats.formulas import (
    expect_encodes,
    expect_rebuilds,
    expect_refused,
    jump,
    numbers,
    tokens,
)

D, F = 12, 40
PLACE = "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71"


def weights():
    return {
        "W_enc": numbers(1, D, F, scale=0.4),
        "W_dec": numbers(2, F, D, scale=0.4),
        "b_enc": numbers(3, F, scale=0.2),
        "b_dec": numbers(4, D),
        "threshold": np.abs(numbers(5, F)),
    }


def laid(root, place=PLACE, **changes):
    folder = root / place
    folder.mkdir(parents=True)
    kept = {name: each for name, each in (weights() | changes).items() if each is not None}
    np.savez(folder / "params.npz", **kept)
    return folder


def activations(x, w):
    w = {name: each.astype(np.float64) for name, each in w.items()}
    return jump(x @ w["W_enc"] + w["b_enc"], w["threshold"])


def test_it_encodes_and_rebuilds_as_published(tmp_path):
    x, w = tokens(D), weights()
    expected = activations(x, w)
    sae = expect_encodes(laid(tmp_path), x, expected)
    expect_rebuilds(sae, x, expected @ w["W_dec"].astype(np.float64) + w["b_dec"])
    assert (sae.format, sae.d_in, sae.d_sae, sae.d_out) == ("gemma_scope", D, F, D)


@pytest.mark.parametrize(
    ("place", "read", "rebuilt", "model", "l0"),
    [
        (PLACE, "blocks.20.hook_resid_post", "", "google/gemma-2-2b", 71),
        ("gemma-scope-9b-it-res/layer_9/width_131k/average_l0_121",
         "blocks.9.hook_resid_post", "", "google/gemma-2-9b-it", 121),
        ("models--google--gemma-scope-2b-pt-mlp/snapshots/0af3/layer_3/width_16k/average_l0_85",
         "blocks.3.hook_mlp_out", "", "google/gemma-2-2b", 85),
        ("google/gemma-scope-27b-pt-att/layer_7/width_65k/canonical",
         "blocks.7.attn.hook_z", "", "google/gemma-2-27b", None),
        ("gemma-scope-2b-pt-transcoders/layer_19/width_16k/average_l0_12",
         "blocks.19.ln2.hook_normalized", "blocks.19.hook_mlp_out", "google/gemma-2-2b", 12),
    ],
)  # fmt: skip
def test_the_folders_say_what_is_read_and_declared(tmp_path, place, read, rebuilt, model, l0):
    sae = open_sae(laid(tmp_path, place))
    assert (sae.hook_name, sae.hook_name_out) == (read, rebuilt)
    assert parse(sae.hook_name).spelled == read
    assert (sae.declared.model_name, sae.declared.l0) == (model, l0)


def test_a_transcoder_encodes_and_rebuilds_by_the_same_formula(tmp_path):
    x, w = tokens(D), weights()
    expected = activations(x, w)
    folder = laid(tmp_path, "gemma-scope-2b-pt-transcoders/layer_1/width_16k/average_l0_12")
    sae = expect_encodes(folder, x, expected)
    expect_rebuilds(sae, x, expected @ w["W_dec"].astype(np.float64) + w["b_dec"])


def test_an_embedding_one_reads_what_the_model_has_scaled(tmp_path):
    folder = laid(tmp_path, "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6")
    unscaled, w = tokens(D), weights()
    expected = activations(unscaled, w)
    scaled = (unscaled * np.sqrt(D)).astype(np.float32)
    sae = expect_encodes(folder, scaled, expected)
    rebuilt = expected @ w["W_dec"].astype(np.float64) + w["b_dec"]
    expect_rebuilds(sae, scaled, rebuilt * np.sqrt(D))
    assert (sae.hook_name, sae.declared.l0) == ("hook_embed", 6)


def test_folders_that_say_nothing_leave_the_read_point_open(tmp_path):
    x = tokens(D)
    sae = expect_encodes(laid(tmp_path, "mine"), x, activations(x, weights()))
    assert sae.hook_name == ""
    assert "the folders do not say what is read" in sae.doubts[0]
    with pytest.raises(ScanFailed, match="expected a read point"):
        parse(sae.hook_name)


def test_another_number_of_latents_than_the_folder_says_is_a_doubt(tmp_path):
    sae = open_sae(laid(tmp_path))
    assert sae.doubts == (f"the folders speak of 16384 latents, the file has {F}",)


def test_the_digest_is_that_of_the_weights(tmp_path):
    folder = laid(tmp_path)
    whole = manifest_sha256({"params.npz": file_sha256(folder / "params.npz")})
    assert sae_sha256(folder) == whole
    assert gemma_scope.recognises(folder)
    assert not gemma_scope.recognises(folder.parent)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"W_enc": numbers(1, F, D)}, r"params\.npz: W_enc: .* which is the other way round"),
        ({"W_dec": numbers(1, D, F)}, r"W_dec: expected a shape of \(40, 12\), came \(12, 40\)"),
        ({"threshold": numbers(1, 1)}, r"threshold: expected a shape of \(40,\), came \(1,\)"),
        ({"b_enc": numbers(1, F + 1)}, r"W_enc|threshold"),
        ({"b_enc": numbers(1, 0)}, "b_enc: expected a vector"),
        ({"threshold": None}, r"params\.npz: no tensor 'threshold' there"),
        ({"b_dec": None}, "no tensor 'b_dec' there"),
        ({"scaling_factor": numbers(1, F)}, r"this layout has no tensor \['scaling_factor'\]"),
        ({"W_enc": np.ones((D, F), np.int8)}, "W_enc: expected floating point numbers, came I8"),
        ({"W_dec": np.full((F, D), np.nan, np.float32)}, r"params\.npz: W_dec holds values"),
        ({"b_dec": np.full(D, np.inf, np.float32)}, r"params\.npz: b_dec holds values"),
        ({"W_enc": np.full((D, F), 1e200)}, r"params\.npz: W_enc holds values"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, changes, complaint):
    expect_refused(laid(tmp_path, **changes), complaint)
