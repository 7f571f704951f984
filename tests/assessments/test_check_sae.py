"""The door again: a real autoencoder is opened by the task that a scan worker runs."""

import shutil
from datetime import timedelta

import pytest

from tests.factories import MAKER, make_system
from tests.scanner.conftest import model_folder, sae, sae_folder

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.django_db]

from assessments import worker
from assessments.models import Sae
from assessments.scanner.formats import sae_sha256
from assessments.services import sae as saes
from compliance import clock
from compliance.audit import log
from compliance.services import registry, sweep

__all__ = ["model_folder", "sae", "sae_folder"]


@pytest.fixture
def folder(sae_folder, tmp_path, settings):
    settings.STRATA_SAE_ROOT = tmp_path / "saes"
    return shutil.copytree(sae_folder, tmp_path / "saes" / "tiny")


@pytest.fixture
def version(model_folder):
    model = registry.register_model(make_system(), "Tiny", by=MAKER)
    return registry.register_version(model, "1.0.0", model_folder, by=MAKER)


def checked(folder, **more):
    made = saes.register("Tiny", folder, by=MAKER, **more)
    worker.check_sae(made.pk)
    made.refresh_from_db()
    return made


def test_a_worker_opens_it_and_says_what_it_is(folder):
    made = checked(folder)
    assert (made.state, made.problem) == ("ready", "")
    assert made.sha256 == sae_sha256(folder)
    assert (made.layout, made.architecture, made.d_sae) == ("saelens", "jumprelu", 64)
    assert made.hook_name == "blocks.1.hook_resid_post"
    assert (made.lease_until, made.checked_at is not None) == (None, True)


def test_on_its_version_it_is_measured_and_the_figures_are_kept(folder, version):
    made = checked(folder, made_for=version)
    assert made.state == "ready"
    assert made.self_check["n_tokens"] > 100
    line = next(each for each in log.entries(objects=[made.uuid]) if each.action == "sae.accept")
    assert line.facts["self_check"] == made.self_check["status"]


def test_a_second_bell_finds_nothing_to_do(folder):
    made = checked(folder)
    worker.check_sae(made.pk)
    assert Sae.objects.get(pk=made.pk).attempts == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "cfg.json").write_text("{"), "cfg.json"),
        (lambda f: (f / "sae_weights.safetensors").write_bytes(b"\x80\x04pickle"), "sae_weights"),
        (lambda f: (f / "sae_weights.safetensors").unlink(), "no known layout|there is nothing"),
        (shutil.rmtree, "there is nothing"),
    ],
)
def test_broken_files_are_refused_in_words(folder, spoil, words):
    spoil(folder)
    made = checked(folder)
    assert made.state == "refused"
    assert made.problem
    assert any(each in made.problem for each in words.split("|"))


def test_a_layout_that_does_not_fit_is_refused(folder):
    made = checked(folder, layout="sparsify")
    assert made.state == "refused"
    assert "the layout sparsify expects" in made.problem


def test_a_link_that_came_after_registering_is_refused_by_the_worker(folder, tmp_path):
    made = saes.register("Tiny", folder, by=MAKER)
    (folder / "sae_weights.safetensors").rename(tmp_path / "elsewhere")
    (folder / "sae_weights.safetensors").symlink_to(tmp_path / "elsewhere")
    worker.check_sae(made.pk)
    made.refresh_from_db()
    assert made.state == "refused"
    assert "is a link that leads out of" in made.problem


def test_a_worker_that_dies_is_found_and_the_row_waits_again(folder):
    made = saes.register("Tiny", folder, by=MAKER)
    assert saes.claim(made.pk) is not None
    with clock.held(clock.now() + timedelta(hours=1)):
        sweep.take_back_lapsed()
        made.refresh_from_db()
        assert made.state == "waiting"
        worker.check_sae(made.pk)
    made.refresh_from_db()
    assert made.state == "ready"


def test_what_breaks_unforeseen_is_tried_again_and_given_up_in_the_end(folder, monkeypatch):
    monkeypatch.setattr(worker.examination, "examine", lambda *_, **__: 1 / 0)
    made = saes.register("Tiny", folder, by=MAKER)
    for hours in (0, 1, 2):
        with clock.held(clock.now() + timedelta(hours=hours)):
            worker.check_sae(made.pk)
    made.refresh_from_db()
    assert (made.state, made.problem) == ("refused", "ZeroDivisionError: division by zero")
