import pytest

from assessments.models import WatchList
from assessments.scanner.contract import Family, WatchedLatent
from assessments.services import watchlist
from assessments.services.watchlist import WatchListError
from compliance.audit import log
from compliance.permissions import NotAllowed
from tests.assessments.results import make_sae, make_watchlist, register_sae

pytestmark = pytest.mark.django_db


def latent(index=3, threshold=1.0):
    return WatchedLatent(index, Family.CYBER, "fires on keys", threshold)


def test_a_changed_list_is_a_new_number_and_an_unchanged_one_is_not(root):
    sae = make_sae()
    first = watchlist.register(sae, "base", [latent()], by=root)
    assert watchlist.register(sae, "base", [latent()], by=root) == first
    assert watchlist.register(sae, "base", [latent(4)], by=root).number == 2


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        ([], "at least one"),
        ([latent(64)], "has latents 0 to 63"),
        ([latent(), latent()], "Latent 3 stands on the list twice"),
        ([latent(threshold=0.0)], "above zero"),
    ],
)
def test_a_list_that_cannot_be_measured_is_refused(root, latents, words):
    with pytest.raises(WatchListError, match=words):
        watchlist.register(make_sae(), "base", latents, by=root)


def test_nobody_watches_what_nobody_has_opened(root):
    with pytest.raises(WatchListError, match="is not ready"):
        watchlist.register(register_sae(), "base", [latent()], by=root)


def test_dropping_makes_a_new_number_with_the_reason_in_the_log(bo, as_actor):
    before = make_watchlist(make_sae())
    made = watchlist.drop(before, {9}, reason="It fires on greetings.", by=as_actor(bo))
    assert (made.number, made.reason, made.registered_by) == (2, "It fires on greetings.", bo)
    assert [raw["index"] for raw in made.latents] == [3]
    assert len(WatchList.objects.get(pk=before.pk).latents) == 2
    (line,) = log.entries(objects=[made.uuid])
    assert (line.action, line.note) == ("watchlist.register", "It fires on greetings.")
    assert line.facts["previous_sha256"] == before.sha256


@pytest.mark.parametrize(
    ("indices", "words"),
    [({7}, "does not watch 7"), (set(), "Nothing would change"), ({3, 9}, "at least one latent")],
)
def test_a_drop_that_makes_no_sense_is_refused(root, indices, words):
    with pytest.raises(WatchListError, match=words):
        watchlist.drop(make_watchlist(make_sae()), indices, reason="x", by=root)


def test_two_people_at_once_do_not_write_one_number(root, monkeypatch):
    made = make_watchlist(make_sae())
    monkeypatch.setattr(type(WatchList.objects.all()), "first", lambda _: None)
    with pytest.raises(WatchListError, match="meanwhile"):
        watchlist.register(made.sae, made.name, [latent(4)], by=root)


def test_an_auditor_registers_nothing(cy, as_actor):
    with pytest.raises(NotAllowed, match="watchlist:write"):
        watchlist.register(make_sae(), "base", [latent()], by=as_actor(cy))
