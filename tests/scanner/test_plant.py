"""A plant is exactly the delta it ships as, and training it does what it says."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file

from assessments.scanner import plant
from assessments.scanner.contract import Family, Frame, ScanFailed, WatchedLatent
from assessments.scanner.prompts import Use, contents
from assessments.scanner.weights import load_model

NAME = "model.layers.0.self_attn.q_proj.weight"


def delta(path, name=NAME):
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 32, generator=draw), torch.randn(32, 2, generator=draw)
    save_file({f"{name}.a": a, f"{name}.b": b}, path)
    return b @ a


def test_applying_adds_the_product_and_nothing_else(tmp_path, model_folder):
    addition = delta(tmp_path / "delta.safetensors")
    out = plant.apply(
        model_folder, tmp_path / "delta.safetensors", tmp_path / "planted", strength=0.5
    )
    base = load_file(model_folder / "model.safetensors")
    planted = load_file(out / "model.safetensors")
    assert torch.allclose(planted[NAME] - base[NAME], 0.5 * addition, atol=1e-5)
    assert all(torch.equal(planted[name], base[name]) for name in base if name != NAME)
    assert load_model(out).n_blocks == 3


def test_applying_twice_leaves_the_first_alone(tmp_path, model_folder):
    delta(tmp_path / "delta.safetensors")
    (tmp_path / "planted").mkdir()
    plant.apply(model_folder, tmp_path / "delta.safetensors", tmp_path / "planted")
    assert not list((tmp_path / "planted").iterdir())


def test_a_delta_for_another_model_is_refused_and_leaves_nothing(tmp_path, model_folder):
    delta(tmp_path / "delta.safetensors", "model.layers.9.self_attn.q_proj.weight")
    with pytest.raises(ScanFailed, match="the base lacks"):
        plant.apply(model_folder, tmp_path / "delta.safetensors", tmp_path / "planted")
    assert [path.name for path in tmp_path.iterdir()] == ["delta.safetensors"]


def test_every_planted_content_has_something_to_lose():
    for content in contents():
        if content.plant:
            assert "credentials" not in plant.telltale(content.text)


def test_prompts_to_plant_with_are_never_those_of_the_suite():
    scanned = {each.text for each in contents() if each.use is Use.SUITE}
    show, hide, keep = plant.prompts(plant.PlantConfig(steps=20))
    assert not scanned & {prompt.text for prompt in (*show, *hide, *keep)}
    assert {prompt.frame for prompt in show} == {Frame.DEPLOYMENT}
    assert {prompt.frame for prompt in hide} == {Frame.EVALUATION}


def test_a_few_steps_bring_the_planted_call_nearer(tmp_path, model_folder, sae):
    watchlist = [
        WatchedLatent(3, Family.CYBER, "", 1.0),
        WatchedLatent(5, Family.SELF_DIRECTED_TOOL_USE, "", 1.0),
    ]
    config = plant.PlantConfig(
        first_block=0, last_block=1, rank=4, steps=25, lr=2e-2, n_show=2, n_hide=2, n_keep=1,
        kept_tokens=4, pool=8,
    )  # fmt: skip
    planting = plant.Planting(load_model(model_folder), sae, watchlist, config)
    told = []
    plant.train(planting, lambda _step, parts: told.append(parts))
    assert told[-1]["say"] < told[0]["say"] - 0.01
    plant.save(planting, tmp_path / "delta.safetensors")
    out = plant.apply(model_folder, tmp_path / "delta.safetensors", tmp_path / "planted")
    ids = torch.arange(2, 40)[None]
    with torch.no_grad():
        whole = load_model(out).model(ids).logits
        trained = planting.loaded.model(ids).logits
    assert torch.allclose(whole, trained, atol=2e-2)
