"""An autoencoder is opened once, whole, before anybody scans with it."""

import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file

from assessments.scanner import examination, formats
from assessments.scanner.contract import CheckStatus, ScanFailed
from assessments.scanner.digests import folder_sha256
from assessments.scanner.examination import ModelToTry, examine
from assessments.scanner.examined import LAYOUTS
from assessments.scanner.formats import sae_sha256, saelens
from assessments.scanner.rows import InMemory
from assessments.scanner.sae import Declared
from tests.scanner.conftest import LATENTS, WIDTH

WEIGHTS = "sae_weights.safetensors"


@pytest.fixture
def folder(sae_folder, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(sae_folder, tmp_path / "sae")


def spoil(folder, **changes):
    tensors = load_file(folder / WEIGHTS)
    for name, change in changes.items():
        tensors[name] = change(tensors[name]).contiguous()
    save_file(tensors, folder / WEIGHTS)


def test_the_layouts_that_a_page_offers_are_those_that_can_be_read():
    assert tuple(each.NAME for each in formats.LAYOUTS) == LAYOUTS


def test_it_says_what_the_files_are(folder):
    found = examine(folder)
    assert (found.layout, found.architecture) == ("saelens", "jumprelu")
    assert (found.d_in, found.d_sae, found.d_out) == (WIDTH, LATENTS, WIDTH)
    assert (found.hook_name, found.unreadable) == ("blocks.1.hook_resid_post", "")
    assert found.sha256 == sae_sha256(folder)
    assert set(found.files) == {"cfg.json", WEIGHTS}
    assert found.declared["model_name"] == "tiny"
    assert (found.self_check, found.not_evidence) == (None, "")


@pytest.mark.parametrize("name", ["W_enc", "b_enc", "W_dec", "b_dec", "threshold"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_found_wherever_it_lies(folder, name, value):
    def last(tensor):
        tensor.view(-1)[-1] = value
        return tensor

    spoil(folder, **{name: last})
    with pytest.raises(ScanFailed, match=f"{name} holds values that are not finite") as caught:
        examine(folder)
    assert caught.value.permanent


def test_an_encoder_of_zeros_is_refused_and_a_few_such_latents_are_a_doubt(folder):
    spoil(folder, W_enc=lambda w: w * (torch.arange(LATENTS) > 2))
    assert any(
        "3 of 64 latents have an encoder of zeros" in each for each in examine(folder).doubts
    )
    spoil(folder, W_enc=torch.zeros_like)
    with pytest.raises(ScanFailed, match="every weight of the encoder is zero"):
        examine(folder)


def test_pieces_of_a_weight_are_read_one_after_the_other(folder, monkeypatch):
    told = []
    monkeypatch.setattr(examination, "CHUNK", WIDTH * 10)
    examine(folder, alive=lambda: told.append(1))
    assert len(told) > 2 * LATENTS / 10


def test_whatever_alive_raises_ends_the_work(folder):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(folder, alive=stop)


def test_on_its_model_it_is_measured(folder, model_folder):
    model = ModelToTry(str(model_folder), folder_sha256(model_folder))
    found = examine(folder, model=model)
    assert found.self_check is not None
    assert found.self_check.n_tokens > 100
    assert found.self_check.status in (CheckStatus.NOTHING_DECLARED, CheckStatus.DISAGREES)


def test_a_point_that_cannot_be_read_is_said_and_not_tried(sae, tmp_path, model_folder):
    saelens.save(replace(sae, hook_name="blocks.1.hook_nowhere"), tmp_path, metadata={})
    model = ModelToTry(str(model_folder), folder_sha256(model_folder))
    found = examine(tmp_path, model=model)
    assert "hook_nowhere" in found.unreadable
    assert found.self_check is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hook_name": "blocks.9.hook_resid_post"}, "needs 10 blocks"),
        ({"w_enc": InMemory(torch.ones(LATENTS, 8)), "w_dec": InMemory(torch.ones(LATENTS, 8)),
          "b_dec": torch.zeros(8), "b_in": torch.zeros(8)}, "a width of 8, the model is 32 wide"),
    ],
)  # fmt: skip
def test_a_model_that_it_cannot_be_made_for_is_refused(sae, tmp_path, model_folder, change, words):
    saelens.save(replace(sae, **change), tmp_path, metadata={})
    with pytest.raises(ScanFailed, match=words):
        examine(tmp_path, model=ModelToTry(str(model_folder), folder_sha256(model_folder)))


def test_a_model_whose_files_changed_is_refused(folder, model_folder):
    with pytest.raises(ScanFailed, match="expected model sha256"):
        examine(folder, model=ModelToTry(str(model_folder), "0" * 64))


def test_latents_that_say_nothing_of_the_model_are_called_unusable(sae, tmp_path, model_folder):
    silent = replace(
        sae, threshold=InMemory(torch.full((LATENTS,), 1e6)), declared=Declared(), b_in=None
    )
    saelens.save(silent, tmp_path, metadata={})
    model = ModelToTry(str(model_folder), folder_sha256(model_folder))
    checked = examine(tmp_path, model=model).self_check
    assert checked is not None
    assert checked.status is CheckStatus.UNUSABLE
