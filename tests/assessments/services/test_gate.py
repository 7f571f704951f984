from datetime import timedelta

import pytest

from assessments import queries
from assessments.models import Authorisation, GateDecision, Waiver
from assessments.services import gate, release, sweep, waiver
from compliance import clock
from compliance.actors import system
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed, Role
from compliance.services import account, evidence
from tests.assessments.results import finished_scan
from tests.factories import make_deployment, make_manifest, make_version

pytestmark = pytest.mark.django_db
MAKER = system("tests")
MANUAL = ("red_team", "independent_review", "monitoring_readiness", "rota", "rollback_drill")


def attest(version, what, status="met", **more):
    return evidence.attest(
        version,
        what,
        layer=2,
        status=status,
        summary=f"{what} {status}",
        source="manual",
        by=MAKER,
        **more,
    )


def proven(*, without=()):
    """A version with all evidence but some."""
    version = make_version()
    make_manifest(version)
    finished_scan(version)
    for what in MANUAL:
        if what not in without:
            attest(version, what)
    return version


@pytest.fixture
def granters(ada, bo, as_actor):
    return as_actor(ada), as_actor(bo)


@pytest.fixture
def eve(db):
    person = account.make("eve@example.org", "Asker", [Role.SAFETY_ENGINEER], by=MAKER)
    return account.actor_for(person)


def ask(version, asker, criterion="independent_review", days=7):
    decision = gate.evaluate(version, "canary", by=asker)
    return waiver.ask(
        decision,
        criterion,
        reason="The reviewers come next week.",
        conditions="One percent of traffic.",
        expires_at=clock.now() + timedelta(days=days),
        by=asker,
    )


def reason(decision, key):
    return next(r for r in decision.reasons if r["criterion"] == key)


def test_a_version_without_evidence_is_no_go_and_every_reason_says_missing():
    decision = gate.evaluate(make_version(), "production", by=MAKER)
    assert decision.outcome == "no_go"
    assert {r["verdict"] for r in decision.reasons} == {"missing"}
    assert decision.valid_until is None


def test_all_met_is_go_and_names_its_evidence():
    version = proven()
    decision = gate.evaluate(version, "production", by=MAKER)
    assert decision.outcome == "go"
    rota = reason(decision, "rota")
    assert rota["evidence"] == str(version.evidence.get(what="rota").uuid)
    assert rota["sha256"] == version.evidence.get(what="rota").sha256
    assert decision.valid_until == version.evidence.get(
        what="monitoring_readiness"
    ).collected_at + timedelta(days=30)


def test_the_same_judgement_is_not_written_twice():
    version = proven()
    first = gate.evaluate(version, "production", by=MAKER)
    assert gate.evaluate(version, "production", by=MAKER).pk == first.pk
    attest(version, "rota", "not_met")
    assert gate.evaluate(version, "production", by=MAKER).outcome == "no_go"


def test_inconclusive_evidence_does_not_pass():
    version = proven()
    attest(version, "red_team", "inconclusive")
    assert (
        reason(gate.evaluate(version, "production", by=MAKER), "red_team")["verdict"]
        == "inconclusive"
    )


def test_old_evidence_is_stale():
    version = proven()
    with clock.held(clock.now() + timedelta(days=31)):
        decision = gate.evaluate(version, "production", by=MAKER)
    assert decision.outcome == "no_go"
    assert "older than the 30 days" in reason(decision, "rota")["sentence"]


def test_expired_evidence_is_stale():
    version = proven()
    attest(version, "rota", valid_until=clock.now() + timedelta(hours=1))
    with clock.held(clock.now() + timedelta(hours=2)):
        assert (
            "expired" in reason(gate.evaluate(version, "production", by=MAKER), "rota")["sentence"]
        )


def test_a_new_manifest_makes_all_evidence_stale():
    version = proven()
    make_manifest(version, tools=["search_docs", "send_http"])
    decision = gate.evaluate(version, "production", by=MAKER)
    assert {r["verdict"] for r in decision.reasons} == {"stale"}


def test_a_limit_of_the_policy_is_applied_to_the_figure():
    version = proven()
    attest(version, "sae_scan", payload={"coverage": {"fvu": 0.4}})
    found = reason(gate.evaluate(version, "production", by=MAKER), "sae_scan")
    assert (found["verdict"], "at most 0.20" in found["sentence"]) == ("inconclusive", True)
    attest(version, "sae_scan", payload={})
    found = reason(gate.evaluate(version, "production", by=MAKER), "sae_scan")
    assert "does not state" in found["sentence"]


def test_the_outsider_may_not_ask_the_gate(dee, as_actor):
    with pytest.raises(NotAllowed):
        gate.evaluate(make_version(), "production", by=as_actor(dee))


def test_two_people_who_did_not_ask_make_it_conditional(granters, eve):
    version = proven(without=["independent_review"])
    asked = ask(version, eve)
    first, second = granters
    assert waiver.approve(asked, by=first).state == "asked"
    assert queries.newest_decision(version, "canary").outcome == "no_go"
    assert waiver.approve(asked, by=second).state == "granted"
    decision = queries.newest_decision(version, "canary")
    assert decision.outcome == "conditional"
    assert reason(decision, "independent_review")["waiver"] == str(asked.uuid)
    assert decision.valid_until == Waiver.objects.get(pk=asked.pk).expires_at


def test_the_asker_is_not_among_the_granters(eve, granters):
    asked = ask(proven(without=["independent_review"]), eve)
    with pytest.raises(NotAllowed, match="second person"):
        waiver.approve(asked, by=eve)


def test_one_person_cannot_grant_twice(eve, granters):
    asked = ask(proven(without=["independent_review"]), eve)
    waiver.approve(asked, by=granters[0])
    with pytest.raises(TransitionRefused, match="another person"):
        waiver.approve(asked, by=granters[0])


def test_a_rejected_waiver_excuses_nothing(eve, granters):
    version = proven(without=["independent_review"])
    asked = ask(version, eve)
    with pytest.raises(waiver.WaiverError, match="why"):
        waiver.reject(asked, by=granters[0], note=" ")
    assert waiver.reject(asked, by=granters[0], note="Wait for them.").state == "rejected"
    assert gate.evaluate(version, "canary", by=MAKER).outcome == "no_go"


def test_a_waiver_does_not_excuse_what_came_after_it(eve, granters):
    version = proven(without=["independent_review"])
    asked = ask(version, eve)
    for person in granters:
        waiver.approve(asked, by=person)
    attest(version, "independent_review", "not_met")
    decision = gate.evaluate(version, "canary", by=MAKER)
    assert (decision.outcome, reason(decision, "independent_review")["verdict"]) == (
        "no_go",
        "not_met",
    )


def test_approval_is_refused_when_what_it_excuses_changed(eve, granters):
    version = proven(without=["independent_review"])
    asked = ask(version, eve)
    attest(version, "independent_review", "not_met")
    with pytest.raises(TransitionRefused, match="changed"):
        waiver.approve(asked, by=granters[0])


@pytest.mark.parametrize("days", [0, -1, 15])
def test_a_waiver_ends_soon_or_is_not_asked(eve, days):
    with pytest.raises(waiver.WaiverError, match="within 14 days"):
        ask(proven(without=["independent_review"]), eve, days=days)


def test_what_the_policy_does_not_let_go_of_cannot_be_waived(eve):
    with pytest.raises(waiver.WaiverError, match="cannot be waived"):
        ask(proven(without=["rota"]), eve, criterion="rota")
    with pytest.raises(waiver.WaiverError, match="nothing to waive"):
        ask(proven(), eve, criterion="rota")


def test_a_waiver_cannot_be_asked_twice(eve, granters):
    version = proven(without=["independent_review"])
    ask(version, eve)
    with pytest.raises(TransitionRefused, match="already"):
        ask(version, eve)


def test_an_expired_waiver_is_swept_and_the_gate_closes(eve, granters, ada, as_actor):
    version = proven(without=["independent_review"])
    asked = ask(version, eve)
    for person in granters:
        waiver.approve(asked, by=person)
    deployment = make_deployment(version.model.system, environment="canary")
    given = release.authorise(deployment, version, by=as_actor(ada))
    assert given.expires_at == asked.expires_at
    assert gate.covering(version, deployment) == given
    assert queries.may_serve(version, "canary")
    with clock.held(clock.now() + timedelta(days=8)):
        assert gate.covering(version, deployment) is None
        assert not queries.may_serve(version, "canary")
        assert sweep.sweep() >= 1
    assert Waiver.objects.get(pk=asked.pk).state == "expired"
    assert Authorisation.objects.get(pk=given.pk).state == "ended"
    assert queries.newest_decision(version, "canary").outcome == "no_go"


def test_a_quiet_house_makes_no_decisions():
    gate.evaluate(proven(), "production", by=MAKER)
    sweep.sweep()
    n = GateDecision.objects.count()
    assert sweep.sweep() == 0
    assert GateDecision.objects.count() == n


def test_authorisation_needs_a_passing_gate_and_a_person(ada, as_actor):
    version = make_version()
    deployment = make_deployment(version.model.system)
    with pytest.raises(TransitionRefused, match="NO-GO"):
        release.authorise(deployment, version, by=as_actor(ada))
    with pytest.raises(NotAllowed, match="person"):
        release.authorise(deployment, version, by=MAKER)


def test_an_engineer_alone_authorises_nothing(bo, as_actor):
    version = proven()
    with pytest.raises(NotAllowed, match="gate:decide"):
        release.authorise(make_deployment(version.model.system), version, by=as_actor(bo))


def test_a_version_of_another_system_does_not_fit(ada, as_actor):
    with pytest.raises(TransitionRefused, match="does not belong"):
        release.authorise(make_deployment(), proven(), by=as_actor(ada))


def test_new_evidence_ends_the_cover_until_somebody_authorises_anew(ada, as_actor):
    version = proven()
    deployment = make_deployment(version.model.system)
    given = release.authorise(deployment, version, by=as_actor(ada))
    assert queries.authorised_sha256s(deployment) == {version.weights_sha256}
    attest(version, "rota", payload={"gaps": 0})
    assert gate.covering(version, deployment) is None
    assert queries.authorised_sha256s(deployment) == frozenset()
    again = release.authorise(deployment, version, by=as_actor(ada))
    assert gate.covering(version, deployment) == again
    assert Authorisation.objects.get(pk=given.pk).state == "ended"


def test_the_same_evidence_attested_again_leaves_the_cover_alone(ada, as_actor):
    version = proven()
    deployment = make_deployment(version.model.system)
    given = release.authorise(deployment, version, by=as_actor(ada))
    attest(version, "rota")
    assert gate.covering(version, deployment) == given


def test_evidence_that_nobody_asks_for_leaves_the_cover_alone(ada, as_actor):
    version = proven()
    deployment = make_deployment(version.model.system)
    given = release.authorise(deployment, version, by=as_actor(ada))
    attest(version, "energy_report")
    assert gate.covering(version, deployment) == given


def test_a_retired_version_may_not_serve(root):
    from compliance.services import registry

    version = proven()
    gate.evaluate(version, "production", by=root)
    assert queries.may_serve(version, "production")
    registry.retire_version(version, by=root, note="replaced")
    assert not queries.may_serve(version, "production")
