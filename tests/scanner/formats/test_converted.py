"""What `convert` leaves behind is read back, and nothing that only looks like it."""

import json

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import unpickling
from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import converted, open_sae
from tests.scanner.formats import made


def test_what_was_no_tensor_is_read_beside_the_tensors(tmp_path):
    made.converted(
        tmp_path,
        "openai_v5",
        {"W": made.numbers()(3, 4)},
        values={"activation_state_dict.k": 32},
        config={"trainer": {"k": 5}},
        source_files={"8.pt": "ab" * 32},
    )
    assert converted.holds(tmp_path, "openai_v5")
    assert not converted.holds(tmp_path, "dictionary_learning")
    found = converted.read(tmp_path)
    assert found.store.shapes() == {"W": (3, 4)}
    assert found.values.whole("activation_state_dict.k") == 32
    assert found.config.section("trainer").whole("k") == 5
    assert found.source_files == ("8.pt",)
    assert converted.files(tmp_path) == (
        tmp_path / "converted.json",
        tmp_path / "weights.safetensors",
    )


def test_another_folder_is_not_one(tmp_path):
    assert not converted.holds(tmp_path, "openai_v5")
    (tmp_path / "converted.json").write_text("{}")
    assert not converted.holds(tmp_path, "openai_v5")  # Without weights, it is none.


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"schema": "strata.converted/2"}, r"expected schema 'strata.converted/1', came .*/2"),
        ({"schema": 1}, "schema: expected a text"),
        ({"layout": 7}, "layout: expected a text"),
        ({"schema": None}, "schema: expected a text .* came nothing"),
    ],
)
def test_a_record_of_another_kind_is_refused(tmp_path, record, complaint):
    made.converted(tmp_path, "openai_v5", {"W": made.numbers()(3, 4)}, **record)
    with pytest.raises(ScanFailed, match=complaint):
        converted.holds(tmp_path, "openai_v5")


@pytest.mark.parametrize("key", ["values", "config", "source_files"])
def test_parts_of_another_kind_are_refused(tmp_path, key):
    made.converted(tmp_path, "openai_v5", {"W": made.numbers()(3, 4)}, **{key: [1]})
    with pytest.raises(ScanFailed, match=f"{key}: expected an object"):
        converted.read(tmp_path)


def test_a_record_that_is_no_json_is_refused(tmp_path):
    made.converted(tmp_path, "openai_v5", {"W": made.numbers()(3, 4)})
    (tmp_path / "converted.json").write_text(json.dumps({"schema": "x"})[:-1])
    with pytest.raises(ScanFailed, match="expected JSON"):
        converted.holds(tmp_path, "openai_v5")


def test_what_convert_writes_is_what_is_read_here(tmp_path):
    state = {
        "pre_bias": torch.zeros(4),
        "encoder.weight": torch.eye(8, 4),
        "latent_bias": torch.zeros(8),
        "decoder.weight": torch.eye(4, 8),
        "activation": "TopK",
        "activation_state_dict": {"k": 3, "postact_fn": "ReLU"},
        "stats_last_nonzero": torch.zeros(8, dtype=torch.long),
    }
    torch.save(state, tmp_path / "8.pt")
    out = tmp_path / "resid_post_mlp_v5_32k" / "autoencoders"
    unpickling.convert(tmp_path / "8.pt", out, network_waived=True)
    sae = open_sae(out)
    assert (sae.format, sae.k, sae.hook_name) == ("openai_v5", 3, "resid_post_mlp.8")

    ae = {name: each for name, each in state.items() if isinstance(each, torch.Tensor)}
    del ae["pre_bias"], ae["latent_bias"], ae["stats_last_nonzero"]
    ae |= {
        "encoder.bias": torch.zeros(8),
        "b_dec": torch.zeros(4),
        "k": torch.tensor(3, dtype=torch.int),
        "threshold": torch.tensor(0.25),
    }
    torch.save(ae, tmp_path / "ae.pt")
    said = {
        "trainer": {"dict_class": "BatchTopKSAE", "k": 3, "submodule_name": "resid_post_layer_8"}
    }
    (tmp_path / "config.json").write_text(json.dumps(said))
    unpickling.convert(tmp_path / "ae.pt", tmp_path / "out", network_waived=True)
    sae = open_sae(tmp_path / "out")
    assert (sae.format, sae.hook_name) == ("dictionary_learning", "blocks.8.hook_resid_post")
    f = sae.encode(torch.tensor([[0.2, 0.3, -1.0, 4.0]]))
    assert f.tolist() == [[0, pytest.approx(0.3), 0, 4, 0, 0, 0, 0]]
