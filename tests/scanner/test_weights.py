"""Weights are digested while read, and nothing that can run code is opened."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import digests
from assessments.scanner.contract import ScanFailed
from assessments.scanner.weights import load_model, load_tensors


@pytest.mark.parametrize("name", ["w.bin", "w.pt", "w.pkl", "w.PTH", "w.ckpt", "w.npz", "w.zip"])
def test_other_containers_are_refused_unread(tmp_path, name):
    (tmp_path / name).write_bytes(b"never opened")
    with pytest.raises(ScanFailed, match="refused because") as refusal:
        load_tensors(tmp_path / name)
    assert refusal.value.permanent


def test_a_folder_with_only_a_pickle_is_refused_with_its_reason(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(ScanFailed, match="a pickle can run code"):
        load_model(tmp_path)


def test_a_changed_byte_is_noticed(tmp_path, model_folder):
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    expected = digests.folder_sha256(copy)
    weights = copy / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(ScanFailed, match="expected model sha256"):
        load_model(copy, expected_sha256=expected)


def test_the_digest_is_what_sha256sum_prints(model_folder):
    loaded = load_model(model_folder, expected_sha256=digests.folder_sha256(model_folder))
    assert loaded.files == digests.folder_files(model_folder)
    assert loaded.files["config.json"] == digests.file_sha256(model_folder / "config.json")


def test_remote_code_is_refused(tmp_path, model_folder):
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(ScanFailed, match="remote code"):
        load_model(copy)


def test_missing_tensors_are_named(tmp_path, model_folder):
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(ScanFailed, match=r"missing \['model.layers.3"):
        load_model(copy)


def test_a_model_cut_off_at_a_block_equals_the_whole_one_there(model_folder):
    ids = torch.arange(2, 22)[None]
    whole = load_model(model_folder)
    short = load_model(model_folder, blocks=2)
    assert (whole.n_blocks, short.model.config.num_hidden_layers) == (3, 2)
    with torch.no_grad():
        expected = whole.model(ids, output_hidden_states=True).hidden_states[2]
        before_norm = []
        short.model.model.layers[1].register_forward_hook(
            lambda _m, _a, out: before_norm.append(out)
        )
        short.model(ids)
    assert torch.equal(before_norm[0], expected)
