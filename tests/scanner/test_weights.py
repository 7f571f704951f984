"""Weights are digested while read, and nothing that can run code is opened."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import digests
from assessments.scanner.contract import ScanFailed
from assessments.scanner.store import Store
from assessments.scanner.weights import load_model, load_tensors
from tests.scanner.conftest import tiny_tokenizer


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
        short.model.layers[1].register_forward_hook(lambda _m, _a, out: before_norm.append(out))
        short.model(ids)
    assert torch.equal(before_norm[0], expected)


def test_nothing_behind_the_read_point_is_read_from_disk(model_folder, monkeypatch):
    read = []
    plain = Store.read
    monkeypatch.setattr(Store, "read", lambda self, name: read.append(name) or plain(self, name))
    load_model(model_folder, blocks=1)
    assert any("layers.0." in name for name in read)
    assert not any("layers.1." in name or "layers.2." in name or "head" in name for name in read)


def test_a_file_that_is_written_to_meanwhile_is_refused(tmp_path, model_folder, monkeypatch):
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    plain = Store.read

    def meddled(self, name):
        (copy / "model.safetensors").touch()
        return plain(self, name)

    monkeypatch.setattr(Store, "read", meddled)
    with pytest.raises(ScanFailed, match="was changed while it was read"):
        load_model(copy)


def saved(tmp_path, config):
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    return model


def families():
    from transformers import (
        Gemma2Config,
        Gemma3Config,
        Gemma3TextConfig,
        GPT2Config,
        GPTNeoXConfig,
        MistralConfig,
        Qwen3Config,
    )

    sizes = {
        "vocab_size": 258, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
    }  # fmt: skip
    few = {
        key: value for key, value in sizes.items() if key not in {"head_dim", "num_key_value_heads"}
    }
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "image_size": 28, "patch_size": 14}  # fmt: skip
    return {
        "gpt2": GPT2Config(vocab_size=258, n_embd=32, n_layer=3, n_head=4, n_positions=128, bos_token_id=0, eos_token_id=1),
        "neox": GPTNeoXConfig(**few),
        "mistral": MistralConfig(**sizes),
        "qwen3": Qwen3Config(**sizes),
        "gemma2": Gemma2Config(**sizes),
        "gemma3": Gemma3TextConfig(**sizes),
        "gemma3-nested": Gemma3Config(text_config=sizes, vision_config=vision, mm_tokens_per_image=4),
    }  # fmt: skip


@pytest.mark.parametrize("family", families())
def test_every_family_is_loaded_whole_and_cut_off(tmp_path, family):
    from assessments.scanner.lots import Lot
    from assessments.scanner.reading import Reader
    from assessments.scanner.readpoints import after

    model = saved(tmp_path, families()[family])
    ids = tuple(range(2, 26))
    whole, short = load_model(tmp_path), load_model(tmp_path, blocks=2)
    assert whole.n_blocks == short.n_blocks == 3
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits
        assert torch.allclose(
            whole.model(input_ids=torch.tensor([ids])).logits, expected, atol=1e-5
        )
    streams = [
        next(Reader(each, after(1)).read({0: ids}, [Lot((0,), n_prefix, 0)]))[1][0][1]
        for each, n_prefix in ((model, 0), (short.model, 0), (short.model, 16))
    ]
    assert torch.allclose(streams[1], streams[0], atol=1e-5)
    assert torch.allclose(streams[2], streams[0][16:], atol=1e-4)
    n_parameters = [sum(each.numel() for each in m.parameters()) for m in (model, short.model)]
    assert n_parameters[1] < n_parameters[0]
