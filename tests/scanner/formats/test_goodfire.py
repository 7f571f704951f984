"""Goodfire's Llama autoencoders are plain; the R1 ones depend on the batch, and say so."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.formats import open_sae, sae_sha256
from assessments.scanner.sae import Architecture
from tests.scanner.formats.formulas import (
    expect_encodes,
    expect_rebuilds,
    expect_refused,
    jump,
    largest_of_all,
    numbers,
    relu,
    tokens,
)

D, F = 12, 160
LLAMA = "Llama-3.1-8B-Instruct-SAE-l19.pth"
R1 = "DeepSeek-R1-SAE-l37.pt"


def linear():
    return {
        "encoder_linear.weight": numbers(1, F, D),
        "encoder_linear.bias": numbers(2, F),
        "decoder_linear.weight": numbers(3, D, F),
        "decoder_linear.bias": numbers(4, D),
    }


def tied():
    return {"W": numbers(1, D, F), "b_enc": numbers(2, F), "b_dec": numbers(4, D)}


def converted(root, tensors, source, **values):
    root.mkdir(parents=True, exist_ok=True)
    record = {
        "schema": "strata.converted/1", "layout": "goodfire", "source_files": {source: "00"},
        "values": values, "config": {},
    }  # fmt: skip
    (root / "converted.json").write_text(json.dumps(record))
    save_file({name: each for name, each in tensors.items() if each is not None},
              root / "weights.safetensors")  # fmt: skip
    return root


def test_the_llama_ones_are_relu_with_nothing_taken_off(tmp_path):
    x, w = tokens(D), {name: each.astype(np.float64) for name, each in linear().items()}
    expected = relu(x @ w["encoder_linear.weight"].T + w["encoder_linear.bias"])
    folder = converted(tmp_path, linear(), LLAMA)
    sae = expect_encodes(folder, x, expected)
    expect_rebuilds(sae, x, expected @ w["decoder_linear.weight"].T + w["decoder_linear.bias"])
    assert (sae.hook_name, sae.declared.l0) == ("blocks.19.hook_resid_post", 91)
    assert sae.declared.model_name == "meta-llama/Llama-3.1-8B-Instruct"
    assert (sae.format, sae.not_evidence, sae.doubts) == ("goodfire", "", ())
    assert open_sae(folder, expected_sha256=sae_sha256(folder)).d_sae == F


def test_a_file_of_another_name_leaves_the_layer_open(tmp_path):
    sae = open_sae(converted(tmp_path, linear(), "weights.pth"))
    assert (sae.hook_name, sae.declared.l0) == ("", None)
    assert "the layer is open" in sae.doubts[0]


@pytest.mark.parametrize(("place", "k"), [("math", 128), ("logic", 64)])
def test_the_r1_ones_are_no_evidence(tmp_path, place, k):
    x, w = tokens(D), {name: each.astype(np.float64) for name, each in tied().items()}
    expected = largest_of_all(relu(x @ w["W"] + w["b_enc"]), k) if k < 100 else None
    folder = converted(tmp_path / place, tied(), R1)
    sae = open_sae(folder)
    assert (sae.architecture, sae.k) == (Architecture.BATCHTOPK, k)
    assert (sae.hook_name, sae.declared.model_name) == (
        "blocks.37.hook_resid_post", "deepseek-ai/DeepSeek-R1",
    )  # fmt: skip
    assert "depends on the prompts beside it" in sae.not_evidence
    if expected is not None:
        expect_rebuilds(expect_encodes(folder, x, expected), x, expected @ w["W"].T + w["b_dec"])


def test_what_a_token_shows_there_depends_on_its_neighbours(tmp_path):
    sae = open_sae(converted(tmp_path, tied(), R1, k=9))
    x = torch.from_numpy(tokens(D))
    assert not torch.equal(sae.encode(x)[:1], sae.encode(x[:1]))


def test_a_pinned_threshold_makes_evidence_of_it(tmp_path):
    x, w = tokens(D), {name: each.astype(np.float64) for name, each in tied().items()}
    expected = jump(x @ w["W"] + w["b_enc"], 2.25)
    sae = expect_encodes(converted(tmp_path, tied(), R1, threshold=2.25), x, expected)
    assert (sae.architecture, sae.not_evidence) == (Architecture.JUMPRELU, "")


def test_a_missing_k_is_refused_with_how_to_say_it(tmp_path):
    expect_refused(converted(tmp_path, tied(), R1), 'nothing says k; .* as "k": 128')


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"k": F + 1}, r"converted\.json: values: k: expected a whole number from 1 to 160"),
        ({"k": "64"}, "k: expected a whole number"),
        ({"threshold": -1.0}, "threshold: expected a number from 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(tmp_path, values, complaint):
    expect_refused(converted(tmp_path, tied(), R1, **values), complaint)


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        (linear() | {"encoder_linear.weight": numbers(1, D, F)}, "encoder_linear.weight: .*round"),
        (linear() | {"decoder_linear.weight": numbers(1, F, D)}, "decoder_linear.weight: .*round"),
        (linear() | {"encoder_linear.bias": None}, r"no tensor 'encoder_linear\.bias' there"),
        (linear() | {"other": numbers(1, F)}, r"this layout has no tensor \['other'\]"),
        (tied() | {"W": numbers(1, F, D)}, "W: .*the other way round"),
        (tied() | {"b_enc": None}, "no tensor 'b_enc' there"),
        (linear() | {"decoder_linear.bias": np.full(D, np.inf, np.float32)}, "holds values that"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, tensors, complaint):
    expect_refused(converted(tmp_path, tensors, R1, k=9), rf"weights\.safetensors: .*{complaint}")
