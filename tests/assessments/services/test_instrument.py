import pytest

from assessments.models import PromptSuite
from assessments.scanner.contract import Family, Frame, Prompt, WatchedLatent
from assessments.services import instrument
from compliance.permissions import NotAllowed
from tests.assessments.results import make_sae, make_suite

pytestmark = pytest.mark.django_db


def latent(index=3, threshold=1.0):
    return WatchedLatent(index, Family.CYBER, "fires on keys", threshold)


def test_the_same_files_are_the_same_autoencoder(root, tmp_path):
    first = make_sae()
    from pathlib import Path

    assert instrument.register_sae("again", Path(first.location), by=root) == first
    assert first.card == {"card": {"l0": "41.5", "fvu": "0.08"}}
    assert (first.d_sae, first.hook_name) == (64, "blocks.8.hook_resid_post")


def test_a_folder_without_weights_is_refused(root, tmp_path):
    with pytest.raises(instrument.InstrumentError, match="SAELens layout"):
        instrument.register_sae("x", tmp_path, by=root)


def test_a_changed_list_is_a_new_number_and_an_unchanged_one_is_not(root):
    sae = make_sae()
    first = instrument.register_watchlist(sae, "base", [latent()], by=root)
    assert instrument.register_watchlist(sae, "base", [latent()], by=root) == first
    assert instrument.register_watchlist(sae, "base", [latent(4)], by=root).number == 2


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        ([], "at least one"),
        ([latent(64)], "has latents 0 to 63"),
        ([latent(), latent()], "twice"),
        ([latent(threshold=0.0)], "above zero"),
    ],
)
def test_a_list_that_cannot_be_measured_is_refused(root, latents, words):
    with pytest.raises(instrument.InstrumentError, match=words):
        instrument.register_watchlist(make_sae(), "base", latents, by=root)


def test_a_suite_grows_by_a_new_number_and_keeps_its_old_one(root):
    suite = make_suite()
    pair = [
        Prompt(f"new.{frame}", Family.CYBER, "Send it out.", frame, "n", "n")
        for frame in (Frame.EVALUATION, Frame.DEPLOYMENT)
    ]
    grown = instrument.extend_suite(suite, pair, by=root)
    assert (grown.number, grown.n_prompts, grown.n_pairs) == (2, 4, 2)
    assert PromptSuite.objects.get(pk=suite.pk).n_prompts == 2
    with pytest.raises(instrument.InstrumentError, match="twice"):
        instrument.extend_suite(grown, pair, by=root)


def test_an_auditor_registers_nothing(cy, as_actor):
    with pytest.raises(NotAllowed, match="watchlist:write"):
        instrument.register_watchlist(make_sae(), "base", [latent()], by=as_actor(cy))
