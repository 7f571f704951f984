"""The SAELens layout is written and read back; what would be read nearly is refused."""

import dataclasses
import json
import shutil

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import open_sae, sae_sha256, saelens
from assessments.scanner.sae import Architecture


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


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"architecture": "gated"}, "expected tensors"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations='layer_norm' is not read"),
        ({"rescale_acts_by_decoder_norm": True}, "rescale_acts_by_decoder_norm=True is not read"),
        ({"d_sae": 65}, "expected tensors"),
    ],
)
def test_what_cannot_be_read_exactly_is_refused(tmp_path, sae_folder, change, complaint):
    copy = shutil.copytree(sae_folder, tmp_path / "copy")
    config = json.loads((copy / "cfg.json").read_text())
    (copy / "cfg.json").write_text(json.dumps(config | change))
    with pytest.raises(ScanFailed, match=complaint):
        saelens.load(copy)


def test_values_that_are_not_finite_are_refused(tmp_path, sae_folder):
    copy = shutil.copytree(sae_folder, tmp_path / "copy")
    tensors = load_file(copy / saelens.WEIGHTS)
    tensors["b_enc"][3] = float("nan")
    save_file(tensors, copy / saelens.WEIGHTS)
    with pytest.raises(ScanFailed, match="b_enc holds values that are not finite"):
        saelens.load(copy).held()


def test_another_digest_is_refused(sae_folder):
    with pytest.raises(ScanFailed, match="expected SAE sha256 00"):
        open_sae(sae_folder, expected_sha256="00")
