"""Qwen Scope keeps the k largest, and says its k outside the tensors."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.formats import open_sae
from assessments.scanner.sae import Architecture
from tests.scanner.formats.formulas import (
    expect_encodes,
    expect_rebuilds,
    expect_refused,
    largest,
    numbers,
    tokens,
)

D, F, K = 12, 64, 9
PUBLISHED = {"model_type": "topk_sae", "base_model": "Qwen/Qwen3-1.7B-Base", "k": K,
             "d_model": D, "d_sae": F, "num_layers": 28, "hook_point": "resid_post"}  # fmt: skip


def weights():
    return {
        "W_enc": numbers(1, F, D),
        "b_enc": numbers(2, F),
        "W_dec": numbers(3, D, F),
        "b_dec": numbers(4, D),
    }


def converted(root, *, source="layer5.sae.pt", config=None, values=None, tensors=None):
    root.mkdir(parents=True, exist_ok=True)
    record = {
        "schema": "strata.converted/1", "layout": "qwen_scope", "source_files": {source: "00"},
        "values": values or {}, "config": config or {},
    }  # fmt: skip
    (root / "converted.json").write_text(json.dumps(record))
    kept = {name: each for name, each in (weights() | (tensors or {})).items() if each is not None}
    save_file(kept, root / "weights.safetensors")
    return root


def test_it_encodes_and_rebuilds_as_published(tmp_path):
    x, w = tokens(D), {name: each.astype(np.float64) for name, each in weights().items()}
    expected = largest(x @ w["W_enc"].T + w["b_enc"], K)
    sae = expect_encodes(converted(tmp_path, config=PUBLISHED), x, expected)
    expect_rebuilds(sae, x, expected @ w["W_dec"].T + w["b_dec"])
    assert (sae.architecture, sae.k, sae.format) == (Architecture.TOPK, K, "qwen_scope")
    assert (sae.hook_name, sae.b_in) == ("blocks.5.hook_resid_post", None)
    assert (sae.declared.l0, sae.declared.model_name) == (K, "Qwen/Qwen3-1.7B-Base")


def test_k_may_be_in_the_name_of_a_folder_or_given(tmp_path):
    named = tmp_path / "SAE-Res-Qwen3-8B-Base-W64K-L0_50" / "layer5"
    sae = open_sae(converted(named))
    assert (sae.k, sae.declared.model_name) == (50, "Qwen/Qwen3-8B-Base")
    assert open_sae(converted(tmp_path / "given", values={"k": 11})).k == 11
    assert open_sae(converted(named, values={"k": 50}, config={"k": 50})).k == 50


def test_a_missing_k_is_refused_with_how_to_say_it(tmp_path):
    expect_refused(converted(tmp_path), 'nothing says k; .*L0_50.* as "k": 50')


def test_two_places_that_differ_are_refused(tmp_path):
    named = tmp_path / "SAE-Res-Qwen3-8B-Base-W64K-L0_50"
    complaint = r"expected one k from 1 to 64; .*values says 9, the folder SAE-Res-.* says 50"
    expect_refused(converted(named, values={"k": K}), complaint)
    complaint = r"values says 9, .*config says 10"
    expect_refused(converted(tmp_path / "x", values={"k": K}, config={"k": 10}), complaint)


def test_more_than_there_are_cannot_be_kept(tmp_path):
    named = tmp_path / "SAE-Res-Qwen3-8B-Base-W64K-L0_100"
    expect_refused(converted(named), "expected one k from 1 to 64; the folder .* says 100")
    expect_refused(converted(tmp_path / "x", values={"k": 65}), "k: expected a whole number from 1")
    expect_refused(converted(tmp_path / "x", values={"k": 0}), "k: expected a whole number from 1")


def test_a_file_of_another_name_leaves_the_layer_open(tmp_path):
    sae = open_sae(converted(tmp_path / "mine", source="sae.pt", values={"k": K}))
    assert sae.hook_name == ""
    assert "the layer is open" in sae.doubts[0]


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"W_enc": numbers(1, D, F)}, "W_enc: .*the other way round"),
        ({"W_dec": numbers(1, F, D)}, "W_dec: .*the other way round"),
        ({"b_dec": None}, "no tensor 'b_dec' there"),
        ({"threshold": numbers(1, F)}, r"this layout has no tensor \['threshold'\]"),
        ({"W_enc": np.full((F, D), np.nan, np.float32)}, "W_enc holds values that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, tensors, complaint):
    folder = converted(tmp_path, values={"k": K}, tensors=tensors)
    expect_refused(folder, rf"weights\.safetensors: .*{complaint}")
