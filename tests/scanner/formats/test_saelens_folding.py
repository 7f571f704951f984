"""Normalisations estimated on data: folded in as SAELens does, refused or doubted without."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import open_sae, sae_sha256, saelens_folding
from tests.scanner.formats.made import D, F, agree, folder, numbers, tokens
from tests.scanner.formats.test_saelens import by_formula, save, weights

SCALE = 0.3


def whitening():
    """A mean, a matrix and its inverse, as a principal component analysis gives them."""
    draw = numbers(11)
    turn, _ = np.linalg.qr(draw(D, D))
    spread = np.linspace(0.4, 2, D)
    return {
        "mean": draw(D, scale=0.4).astype(np.float64),
        "matrix": turn / spread,
        "inverse_matrix": spread[:, None] * turn.T,
    }


def beside(path, scaling_factor=None, tensors=None):
    said = {"scaling_factor": scaling_factor, "has_whitening": tensors is not None}
    (path / "activation_scaler.json").write_text(json.dumps(said))
    if tensors is not None:
        folder(path, "activation_whitening.safetensors", tensors)


@pytest.mark.parametrize("subtracts", [True, False])
@pytest.mark.parametrize("architecture", ["standard", "gated", "jumprelu", "topk", "batchtopk"])
def test_a_factor_beside_the_weights_is_folded_in(tmp_path, architecture, subtracts):
    path = save(
        tmp_path, architecture,
        normalize_activations="expected_average_only_in", apply_b_dec_to_input=subtracts,
    )  # fmt: skip
    beside(path, SCALE)
    x = tokens()
    f, scaled = by_formula(architecture, weights(architecture), SCALE * x, subtracts=subtracts)
    sae = open_sae(path)
    agree(sae, x, f, scaled / SCALE)
    assert sae.doubts == ()


@pytest.mark.parametrize("architecture", ["topk", "batchtopk"])
def test_what_latents_add_is_measured_in_the_folded_decoder(tmp_path, architecture):
    """Activations are carried in the decoder's lengths, and those are divided by the factor."""
    path = save(
        tmp_path, architecture,
        normalize_activations="expected_average_only_in", rescale_acts_by_decoder_norm=True,
    )  # fmt: skip
    beside(path, SCALE)
    x = tokens()
    f, scaled = by_formula(architecture, weights(architecture), SCALE * x, by_norm=True)
    agree(open_sae(path), x, f / SCALE, scaled / SCALE)


@pytest.mark.parametrize("has_file", [True, False])
def test_a_missing_factor_is_doubted(tmp_path, has_file):
    path = save(tmp_path, "standard", normalize_activations="expected_average_only_in")
    if has_file:
        beside(path, None)
    sae = open_sae(path)
    assert sae.doubts == (saelens_folding.NOT_KEPT,)
    agree(sae, tokens(), *by_formula("standard", weights("standard"), tokens()))


def test_a_factor_nobody_asked_for_is_doubted(tmp_path):
    path = save(tmp_path, "standard")
    beside(path, SCALE)
    sae = open_sae(path)
    assert sae.doubts == (saelens_folding.NOT_ASKED,)
    agree(sae, tokens(), *by_formula("standard", weights("standard"), tokens()))


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "0", "-0.3", "1e30", '"0.3"', "[0.3]", "true"]
)
def test_a_factor_that_makes_no_sense_is_refused(tmp_path, value):
    path = save(tmp_path, "standard", normalize_activations="expected_average_only_in")
    (path / "activation_scaler.json").write_text(f'{{"scaling_factor": {value}}}')
    with pytest.raises(ScanFailed, match=r"activation_scaler\.json: scaling_factor: expected a"):
        open_sae(path)


@pytest.mark.parametrize("subtracts", [True, False])
@pytest.mark.parametrize(
    ("architecture", "by_norm"),
    [("standard", False), ("gated", False), ("jumprelu", False), ("topk", False), ("topk", True),
     ("batchtopk", True)],
)  # fmt: skip
def test_a_whitening_beside_the_weights_is_folded_in(tmp_path, architecture, by_norm, subtracts):
    config = {"rescale_acts_by_decoder_norm": True} if by_norm else {}
    path = save(
        tmp_path, architecture,
        normalize_activations="covariance_whitening", apply_b_dec_to_input=subtracts, **config,
    )  # fmt: skip
    white = whitening()
    beside(path, tensors=white)
    x = tokens()
    z = ((x - white["mean"]) @ white["matrix"]).astype(np.float32)
    w = weights(architecture)
    f, rebuilt = by_formula(architecture, w, z, subtracts=subtracts, by_norm=by_norm)
    agree(open_sae(path), x, f, rebuilt @ white["inverse_matrix"] + white["mean"])


def test_what_is_folded_in_counts_in_the_digest(tmp_path):
    path = save(tmp_path, "standard", normalize_activations="expected_average_only_in")
    without = sae_sha256(path)
    beside(path, SCALE)
    first = sae_sha256(path)
    beside(path, 2 * SCALE)
    assert len({without, first, sae_sha256(path)}) == 3


def test_a_whitening_that_is_not_there_is_refused(tmp_path):
    path = save(tmp_path, "standard", normalize_activations="covariance_whitening")
    with pytest.raises(ScanFailed, match=r"expected activation_whitening\.safetensors beside"):
        open_sae(path)


def test_a_whitened_transcoder_is_refused(tmp_path):
    path = save(tmp_path, "transcoder", normalize_activations="covariance_whitening")
    beside(path, tensors=whitening())
    with pytest.raises(ScanFailed, match="an autoencoder of one stream"):
        open_sae(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"inverse_matrix": np.eye(D)}, "inverse_matrix does not undo matrix"),
        ({"matrix": np.eye(D + 1)}, r"matrix: expected a shape of \(12, 12\), came \(13, 13\)"),
        ({"mean": np.full(D, np.nan)}, "mean holds values that are not finite"),
        ({"more": np.zeros(F)}, "no tensor .*more"),
    ],
)
def test_a_whitening_that_does_not_fit_is_refused(tmp_path, change, complaint):
    path = save(tmp_path, "standard", normalize_activations="covariance_whitening")
    beside(path, tensors=whitening() | change)
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(path)
