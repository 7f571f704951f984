from dataclasses import replace
from pathlib import Path

import pytest
from django.urls import reverse

from assessments.models import Sae
from assessments.scanner.contract import CandidateScore, CheckStatus
from assessments.services import sae as saes
from compliance.services import subject
from tests.assessments.results import (
    CHECKED,
    claim_sae,
    examined,
    make_sae,
    make_watchlist,
    refused_sae,
    register_sae,
    sae_files,
)
from tests.factories import make_version

pytestmark = pytest.mark.django_db


def at(name, *args):
    return reverse(f"assessments:{name}", args=args)


def words(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def folder(tmp_path, settings):
    settings.STRATA_SAE_ROOT = tmp_path / "saes"
    return sae_files(tmp_path / "saes" / "mine")


def asked(**more):
    return {"name": "Mine", "path": "mine", "layout": "", "made_for": "", **more}


def test_the_empty_list_offers_one_next_step(client_as, bo, cy):
    assert at("sae_new") in words(client_as(bo).get(at("instruments")))
    page = words(client_as(cy).get(at("instruments")))
    assert "No autoencoder is registered" in page
    assert at("sae_new") not in page


def test_a_person_registers_one_and_waits_for_the_worker(client_as, bo, folder):
    version = make_version()
    client = client_as(bo)
    assert str(folder.parent) in words(client.get(at("sae_new")))
    answer = client.post(at("sae_new"), asked(made_for=str(version.uuid), layout="saelens"))
    made = Sae.objects.get()
    assert answer.url == at("sae", made.uuid)
    assert (made.location, made.made_for, made.layout, made.registered_by) == (
        str(folder), version, "saelens", bo,
    )  # fmt: skip
    page = words(client.get(answer.url))
    assert "waiting to be checked" in page
    assert f'hx-get="{at("sae_progress", made.uuid)}"' in page
    assert "HX-Refresh" not in client.get(at("sae_progress", made.uuid))
    claimed = claim_sae(made)
    saes.accept(claimed, examined(folder), {})
    assert client.get(at("sae_progress", made.uuid))["HX-Refresh"] == "true"
    assert "It can be scanned with" in words(client.get(answer.url))


@pytest.mark.parametrize("path", ["../mine", "/etc", "missing", "", "a/../mine"])
def test_a_path_that_is_not_below_the_root_is_refused(client_as, bo, folder, path):
    answer = client_as(bo).post(at("sae_new"), asked(path=path))
    assert answer.status_code == 422
    assert not Sae.objects.exists()


def test_a_link_out_is_named(client_as, bo, folder, tmp_path):
    (folder / "secret").symlink_to(tmp_path)
    page = words(client_as(bo).post(at("sae_new"), asked()))
    assert "mine/secret is a link that leads out of" in page


def test_an_unknown_layout_or_version_is_refused(client_as, bo, folder):
    hidden = make_version()
    subject.Subject.objects.filter(pk=hidden.subject_id).update(restricted=True)
    client = client_as(bo)
    assert client.post(at("sae_new"), asked(layout="pickle")).status_code == 422
    assert client.post(at("sae_new"), asked(made_for=str(hidden.uuid))).status_code == 422


def test_who_may_not_write_lists_may_not_register(client_as, cy, dee, folder):
    for person in (cy, dee):
        assert client_as(person).get(at("sae_new")).status_code == 403
        assert client_as(person).post(at("sae_new"), asked()).status_code == 403


def test_a_refused_one_says_why_and_can_be_looked_at_again(client_as, bo, cy):
    refused = refused_sae("<script>alert(1)</script> W_enc holds values that are not finite")
    page = words(client_as(bo).get(at("sae", refused.uuid)))
    assert "W_enc holds values that are not finite" in page
    assert "<script>alert" not in page
    assert "Check again" not in words(client_as(cy).get(at("sae", refused.uuid)))
    assert client_as(cy).post(at("sae_recheck", refused.uuid)).status_code == 403
    client_as(bo).post(at("sae_recheck", refused.uuid))
    refused.refresh_from_db()
    assert refused.state == "waiting"


def test_the_same_files_again_lead_to_the_first(client_as, bo):
    first = make_sae()
    claimed = claim_sae(register_sae("again", Path(first.location)))
    again = saes.accept(claimed, examined(claimed.path), {})
    page = words(client_as(bo).get(at("sae", again.uuid)))
    assert at("sae", first.uuid) in page
    assert "Check again" not in page


def test_declared_stands_beside_measured_with_what_was_tried(client_as, bo):
    version = make_version()
    tried = CandidateScore(
        "blocks.9.hook_resid_post", "", "without_b_in", 44.0, 0.2, 1.0, is_alive=True
    )
    check = replace(
        CHECKED, status=CheckStatus.DISAGREES, l0=410.0, sentence="L0 is not within a factor.",
        candidates=(tried,),
    )  # fmt: skip
    claimed = claim_sae(register_sae(made_for=version))
    found = examined(claimed.path, self_check=check, doubts=("norm unknown",))
    made = saes.accept(claimed, found, saes.published_card(claimed.path))
    page = words(client_as(bo).get(at("sae", made.uuid)))
    for said in (
        "does not read as declared", "41.5", "410", "L0 is not within a factor.",
        "blocks.9.hook_resid_post", "without anything taken off the input", "norm unknown",
        str(version), "saelens", "card: fvu",
    ):  # fmt: skip
        assert said in page


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"not_evidence": "what a prompt shows depends on the prompts beside it"}, "No evidence"),
        (
            {"unreadable": "no point is called x", "hook_name": "x"},
            "nothing can be scanned with it",
        ),
    ],
)
def test_one_that_is_no_evidence_says_so_plainly_and_cannot_be_chosen(client_as, bo, found, said):
    made = make_sae(**found)
    watchlist = make_watchlist(made)
    client = client_as(bo)
    assert said in words(client.get(at("sae", made.uuid)))
    assert str(watchlist.uuid) not in words(client.get(at("scan_request")))
    assert "can be scanned with" not in words(client.get(at("instruments")))


def test_a_version_that_the_reader_may_not_see_is_not_named(client_as, bo):
    version = make_version()
    claimed = claim_sae(register_sae(made_for=version))
    made = saes.accept(claimed, examined(claimed.path), {})
    subject.Subject.objects.filter(pk=version.subject_id).update(restricted=True)
    assert str(version) not in words(client_as(bo).get(at("sae", made.uuid)))


def test_the_outsider_finds_none(client_as, dee):
    made = make_sae()
    client = client_as(dee)
    assert client.get(at("instruments")).status_code == 403
    for name in ("sae", "sae_progress"):
        assert client.get(at(name, made.uuid)).status_code == 404
    assert client.post(at("sae_recheck", made.uuid)).status_code == 404
