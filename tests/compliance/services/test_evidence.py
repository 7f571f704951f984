"""The hub: what is attested is never changed, and whether it still stands is computed."""

from datetime import timedelta

import pytest

from compliance import clock, queries
from compliance.actors import system
from compliance.audit import log
from compliance.permissions import NotAllowed, Permission
from compliance.services import account, evidence
from tests import factories

pytestmark = pytest.mark.django_db
MAKER = system("tests")


def attest(version, what="rota", **more):
    given = {
        "layer": 3,
        "status": "met",
        "summary": "Somebody is on call.",
        "source": "manual",
        "by": MAKER,
        **more,
    }
    return evidence.attest(version, what, **given)


def test_it_rests_on_the_weights_and_the_manifest_of_its_moment(version):
    manifest = factories.make_manifest(version)
    found = attest(version, basis={"suite": "ef" * 32})
    assert found.basis == {
        "version": version.weights_sha256,
        "manifest": manifest.sha256,
        "suite": "ef" * 32,
    }
    assert queries.freshness(found) == "fresh"


def test_a_new_manifest_makes_it_stale_and_the_old_content_again_makes_it_fresh(version):
    factories.make_manifest(version, tools=["a"])
    found = attest(version)
    factories.make_manifest(version, tools=["b"])
    assert queries.freshness(found) == "stale"
    factories.make_manifest(version, tools=["a"])
    assert queries.freshness(found) == "fresh"


def test_it_expires_at_its_instant(version):
    until = clock.now() + timedelta(days=1)
    found = attest(version, valid_until=until)
    assert queries.freshness(found, until - timedelta(seconds=1)) == "fresh"
    assert queries.freshness(found, until) == "expired"


def test_a_newer_one_of_its_kind_replaces_it_and_the_old_one_stays(version):
    first, second = attest(version), attest(version, status="not_met")
    other = attest(version, what="drill")
    assert queries.newest_evidence(version) == {"rota": second, "drill": other}
    assert version.evidence.filter(pk=first.pk).exists()


def test_the_digest_covers_what_it_says(version):
    one = attest(version, payload={"rate": 0.5})
    same = attest(version, payload={"rate": 0.5})
    other = attest(version, payload={"rate": 0.25})
    assert one.sha256 == same.sha256 != other.sha256
    assert one.payload == {"rate": "0.5"}


def test_an_unknown_status_is_refused(version):
    with pytest.raises(ValueError, match="safe"):
        attest(version, status="safe")


def test_attesting_needs_the_permission_and_names_the_person(version, ada, cy):
    with pytest.raises(NotAllowed, match="evidence:attach"):
        attest(version, by=account.actor_for(cy))
    found = attest(version, by=account.actor_for(ada))
    assert found.attested_by == ada
    line = log.entries(objects=[found.uuid])[0]
    assert line.facts["sha256"] == found.sha256
    assert line.words["summary"] == "Somebody is on call."


def test_it_is_seen_with_its_version_and_not_without(version, ada, dee):
    attest(version)
    assert queries.evidence_for(account.actor_for(ada)).count() == 1
    assert not queries.evidence_for(account.actor_for(dee)).exists()
    version.subject.restricted = True
    version.subject.save()
    assert not queries.evidence_for(account.actor_for(ada)).exists()
    ada.grants.create(subject=version.subject, permission=Permission.EVIDENCE_READ.value)
    assert queries.evidence_for(account.actor_for(ada)).count() == 1
