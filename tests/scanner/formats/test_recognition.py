"""Each folder looks like one layout alone, and files of other kinds are pointed to `convert`."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner import unpickling
from assessments.scanner.formats import LAYOUTS, layout_of, open_sae
from tests.scanner.formats.formulas import expect_refused

ONE = {"W_E": np.ones((2, 2), np.float32)}
FORMER = {"encoder.weight": np.ones((2, 2), np.float32)}


def converted(layout):
    return {"converted.json": {"schema": "strata.converted/1", "layout": layout},
            "weights.safetensors": ONE}  # fmt: skip


FOLDERS = {
    "gemma_scope": {"params.npz": ONE},
    "gemma_scope_2": {"config.json": {}, "params.safetensors": ONE},
    "goodfire": converted("goodfire"),
    "qwen_scope": converted("qwen_scope"),
    "llama_scope": {"hyperparams.json": {}, "checkpoints/final.safetensors": ONE},
    "llamascopium": {"config.json": {}, "sae_weights.safetensors": ONE},
    "circuit_tracer": {"config.yaml": {}, "layer_0.safetensors": ONE},
}


def lay(folder, files):
    for name, kept in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".npz"):
            np.savez(path, **kept)
        elif name.endswith(".safetensors"):
            save_file(kept, path)
        else:
            path.write_text(json.dumps(kept))
    return folder


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_looks_like_its_own_layout_alone(tmp_path, name):
    folder = lay(tmp_path, FOLDERS[name])
    assert [each.NAME for each in LAYOUTS if each.recognises(folder)] == [name]
    assert all(each.is_file() for each in layout_of(folder).files(folder))


def test_tensor_names_tell_the_two_of_openmoss_apart(tmp_path):
    folder = lay(tmp_path, {"config.json": {}, "sae_weights.safetensors": FORMER})
    assert layout_of(folder).NAME == "llama_scope"


@pytest.mark.parametrize(
    "name", ["crosscoder/params_layer_3.safetensors", "set/layer_11.safetensors"]
)
def test_the_file_of_a_layer_is_an_autoencoder(tmp_path, name):
    folder = lay(tmp_path, {name: ONE}) / name.split("/")[0]
    lay(folder, {"config.json": {}, "config.yaml": {}})
    fitting = [each.NAME for each in LAYOUTS if each.recognises(tmp_path / name)]
    assert fitting == ["gemma_scope_2" if "params" in name else "circuit_tracer"]


def test_pickled_files_are_pointed_to_convert(tmp_path):
    (tmp_path / "layer0.sae.pt").write_bytes(b"\x80\x02.")
    expect_refused(tmp_path, "brought over by 'python -m assessments.scanner convert'")
    expect_refused(tmp_path / "layer0.sae.pt", "brought over by")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_layout_that_is_named_but_not_there_is_said(tmp_path, name):
    expect_refused(tmp_path, "could not be read|came a folder with 0|came layers", name=name)


@pytest.mark.parametrize("name", ["gemma_scope", "gemma_scope_2", "llama_scope", "llamascopium"])
def test_a_file_that_is_cut_is_refused_by_name(tmp_path, name):
    folder = lay(tmp_path, FOLDERS[name])
    weights = layout_of(folder).files(folder)[-1]
    weights.write_bytes(weights.read_bytes()[:-5])
    expect_refused(folder, f"{weights.name}: not a well-formed", name=name)


@pytest.mark.parametrize(
    ("source", "tensors", "name", "place", "read"),
    [
        ("Llama-3.1-8B-Instruct-SAE-l19.pth",
         {"encoder_linear.weight": (9, 4), "encoder_linear.bias": (9,),
          "decoder_linear.weight": (4, 9), "decoder_linear.bias": (4,)},
         "goodfire", "out", "blocks.19.hook_resid_post"),
        ("DeepSeek-R1-SAE-l37.pt", {"W": (4, 70), "b_enc": (70,), "b_dec": (4,)},
         "goodfire", "logic", "blocks.37.hook_resid_post"),
        ("layer7.sae.pt", {"W_enc": (60, 4), "W_dec": (4, 60), "b_enc": (60,), "b_dec": (4,)},
         "qwen_scope", "SAE-Res-Qwen3-8B-Base-W64K-L0_50", "blocks.7.hook_resid_post"),
    ],
)  # fmt: skip
def test_what_convert_leaves_is_recognised_and_read(tmp_path, source, tensors, name, place, read):
    torch.save({each: torch.ones(shape) for each, shape in tensors.items()}, tmp_path / source)
    unpickling.convert(tmp_path / source, tmp_path / place, network_waived=True)
    sae = open_sae(tmp_path / place)
    assert (sae.format, sae.hook_name, sae.d_in) == (name, read, 4)
