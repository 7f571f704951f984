from pathlib import Path

import pytest

from assessments.models import Sae
from assessments.scanner.contract import CheckStatus, ScanFailed, SelfCheck
from assessments.services import job, sae, scan
from assessments.services.sae import SaeError
from compliance.audit import log
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from tests.assessments.results import (
    CHECKED,
    claim_sae,
    examined,
    make_sae,
    make_suite,
    make_watchlist,
    register_sae,
    request_scan,
    sae_files,
)
from tests.factories import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def root_folder(tmp_path, settings):
    settings.STRATA_SAE_ROOT = tmp_path / "saes"
    settings.STRATA_SAE_ROOT.mkdir()
    return settings.STRATA_SAE_ROOT


def actions(thing):
    return [line.action for line in log.entries(objects=[thing.uuid])]


def test_it_waits_until_a_worker_has_opened_it():
    waiting = register_sae()
    assert (waiting.state, waiting.sha256, waiting.d_sae) == ("waiting", "", 0)
    claimed = claim_sae(waiting)
    assert sae.claim(waiting.pk) is None, "another worker finds nothing"
    ready = sae.accept(claimed, examined(claimed.path), sae.published_card(claimed.path))
    assert (ready.state, ready.d_sae, ready.layout) == ("ready", 64, "saelens")
    assert len(ready.sha256) == 64
    assert ready.card == {"card": {"l0": "41.5", "fvu": "0.08"}}
    assert set(actions(ready)) == {"sae.register", "sae.accept"}


def test_the_same_place_twice_waits_once(root):
    waiting = register_sae()
    folder = waiting.location
    assert register_sae("again", Path(folder)) == waiting
    assert Sae.objects.count() == 1


def test_the_same_files_are_the_same_autoencoder(root):
    first = make_sae()
    again = claim_sae(register_sae("again", Path(first.location)))
    refused = sae.accept(again, examined(again.path), {})
    assert (refused.state, refused.same_as, refused.sha256) == ("refused", first, "")
    assert "registered already, as SAE" in refused.problem


def test_two_workers_that_find_the_same_files_at_once_leave_one(monkeypatch):
    folder = sae_files()
    one, two = (
        claim_sae(register_sae("one", folder)),
        claim_sae(register_sae("two", folder, layout="saelens")),
    )
    found = examined(folder)
    monkeypatch.setattr(type(Sae.objects.all()), "first", lambda _: None)  # Neither sees the other.
    sae.accept(one, found, {})
    monkeypatch.undo()
    assert sae.accept(two, found, {}).same_as_id == one.pk


def test_what_cannot_be_opened_is_refused_in_words_and_may_be_looked_at_again(root):
    waiting = register_sae()
    refused = sae.refuse(claim_sae(waiting), ScanFailed("cfg.json: no d_in\x00", permanent=True))
    assert (refused.state, refused.problem) == ("refused", "cfg.json: no d_in")
    again = sae.recheck(Sae.objects.get(pk=waiting.pk), by=root)
    assert (again.state, again.problem, again.attempts) == ("waiting", "", 0)


def test_what_may_pass_is_tried_three_times():
    waiting = register_sae()
    for state in ("waiting", "waiting", "refused"):
        Sae.objects.update(next_try_at=None)
        row = sae.refuse(claim_sae(waiting), ScanFailed("the disk was away", permanent=False))
        assert row.state == state


def test_a_worker_that_lost_its_lease_writes_nothing():
    claimed = claim_sae(register_sae())
    Sae.objects.update(fence=99)
    assert not sae.beat(claimed)
    with pytest.raises(TransitionRefused, match="moved it first"):
        sae.accept(claimed, examined(claimed.path), {})


def test_one_that_says_nothing_of_its_model_is_refused_with_its_figures():
    useless = SelfCheck(
        **{**vars(CHECKED), "status": CheckStatus.UNUSABLE, "sentence": "No latent fires."}
    )
    claimed = claim_sae(register_sae())
    row = sae.accept(claimed, examined(claimed.path, self_check=useless), {})
    assert (row.state, row.problem, row.sha256) == ("refused", "No latent fires.", "")
    assert row.self_check["status"] == "unusable"


def test_cards_that_are_no_objects_or_nonsense_are_left_out(tmp_path):
    (tmp_path / "card.json").write_text('{"a": NaN, "b": "x\\u0000y", "c": [1.5]}')
    (tmp_path / "quality.json").write_text("[" * 100_000)
    assert sae.published_card(tmp_path) == {"card": {"a": "NaN", "b": "xy", "c": ["1.5"]}}


@pytest.mark.parametrize("asked", ["../out", "a/../../out", "/etc", "", "  ", ".", "x\0y"])
def test_paths_that_leave_the_root_are_refused(root_folder, asked):
    (root_folder.parent / "out").mkdir()
    with pytest.raises(SaeError, match="below"):
        sae.place(asked)


def test_a_link_out_of_the_root_is_refused_and_named(root_folder, tmp_path):
    (tmp_path / "secret.safetensors").write_bytes(b"x")
    sae_files(root_folder / "mine")
    (root_folder / "mine" / "more.safetensors").symlink_to(tmp_path / "secret.safetensors")
    with pytest.raises(SaeError, match=r"mine/more\.safetensors is a link"):
        sae.expect_inside(sae.place("mine"))
    (root_folder / "door").symlink_to(tmp_path)
    with pytest.raises(SaeError, match="leads out"):
        sae.place("door")
    (root_folder / "round").symlink_to(root_folder / "round")
    with pytest.raises(SaeError, match="below"):
        sae.place("round")


def test_links_within_the_root_are_followed_as_caches_have_them(root_folder):
    sae_files(root_folder / "blobs")
    (root_folder / "layer_8").mkdir()
    (root_folder / "layer_8" / "params.npz").symlink_to(root_folder / "blobs" / "cfg.json")
    found = sae.place("layer_8")
    sae.expect_inside(found)
    assert found == root_folder / "layer_8"
    assert sae.place(str(root_folder / "layer_8")) == found
    with pytest.raises(SaeError, match="There is nothing at"):
        sae.place("layer_9")


def test_files_elsewhere_are_the_business_of_whoever_has_the_command_line(root_folder, tmp_path):
    folder = sae_files(tmp_path / "elsewhere")
    (folder / "link").symlink_to(root_folder)
    sae.expect_inside(folder)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"not_evidence": "a batch-top-k autoencoder"}, "is no evidence: a batch-top-k"),
        ({"hook_name": "", "unreadable": "no read point"}, "cannot be scanned with"),
    ],
)
def test_a_scan_is_not_asked_with_what_cannot_answer(root, found, words):
    chosen = make_sae(**found)
    with pytest.raises(scan.ScanError, match=words):
        scan.request(
            make_version(),
            sae=chosen,
            watchlist=make_watchlist(chosen),
            suite=make_suite(),
            by=root,
        )


@pytest.mark.parametrize(
    ("state", "words"), [("waiting", "not been checked yet"), ("refused", "was refused: no reason")]
)
def test_a_scan_is_not_asked_with_one_that_is_not_ready(root, state, words):
    chosen = make_sae()
    watchlist = make_watchlist(chosen)
    chosen.state = state
    with pytest.raises(scan.ScanError, match=words):
        scan.request(make_version(), sae=chosen, watchlist=watchlist, suite=make_suite(), by=root)


def test_a_scan_of_another_version_compares_with_the_one_it_was_made_for():
    base, tuned = make_version(), make_version()
    claimed = claim_sae(register_sae(made_for=base))
    assert claimed.model_sha256 == base.weights_sha256
    made = sae.accept(claimed, examined(claimed.path, self_check=CHECKED), {})
    asked = request_scan(tuned)
    asked.sae = made
    assert (job.of(asked).base_fvu, job.of(asked).sae_format) == (0.1, "saelens")
    asked.version = base
    assert job.of(asked).base_fvu is None


def test_only_who_may_write_lists_registers(as_actor, cy):
    with pytest.raises(NotAllowed, match="watchlist:write"):
        sae.register("x", sae_files(), by=as_actor(cy))
