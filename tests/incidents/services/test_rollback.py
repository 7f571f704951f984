"""Rollback: asked, approved by another, executed once, believed only from two vantages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from compliance import clock
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from incidents.models import Page, Rollback
from incidents.services import hold, incident, rollback
from tests.incidents import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(burning, bo, rae, as_actor):
    """Evidence is held, and whether to inform first was decided."""
    hold.place(burning.incident, reason="Before the rollback.", by=as_actor(bo))
    incident.choose(
        burning.incident, choice="emergency", reason="Data leaves every minute.", by=as_actor(rae)
    )
    return burning


@pytest.fixture
def asked(ready, bo, as_actor) -> Rollback:
    return rollback.request(ready.incident, ready.good, reason="It leaks.", by=as_actor(bo))


@pytest.fixture
def executed(ready, asked, ada, as_actor) -> Rollback:
    rollback.approve(asked, by=as_actor(ada))
    rollback.execute(asked.pk)
    asked.refresh_from_db()
    return asked


def telemetry(stage, weights: str, number: int) -> None:
    """The deployment answers once more, naming its weights."""
    span = cast.span(number, now() + timedelta(seconds=2), gen_ai__operation__name="chat")
    cast.judge(stage.deployment, cast.body(span, weights=weights, key=stage.deployment.key))


def test_without_hold_and_decision_it_cannot_be_asked_for(burning, bo, as_actor):
    with pytest.raises(TransitionRefused) as refused:
        rollback.request(burning.incident, burning.good, reason="It leaks.", by=as_actor(bo))
    assert "Art. 73(6)" in str(refused.value)
    assert "hold" in str(refused.value)


def test_an_emergency_in_writing_stands_in_for_the_hold(burning, bo, rae, as_actor):
    incident.choose(burning.incident, choice="emergency", reason="Data leaves.", by=as_actor(rae))
    asked = rollback.request(burning.incident, burning.good, reason="It leaks.", by=as_actor(bo))
    assert asked.state == "requested"


def test_files_that_changed_since_registration_are_refused(ready, bo, as_actor):
    path = Path(ready.good.location) / "model.safetensors"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(TransitionRefused, match="hash to something else"):
        rollback.request(ready.incident, ready.good, reason="It leaks.", by=as_actor(bo))


def test_files_that_are_gone_are_refused(ready, bo, as_actor):
    (Path(ready.good.location) / "model.safetensors").unlink()
    with pytest.raises(TransitionRefused, match="missing"):
        rollback.request(ready.incident, ready.good, reason="It leaks.", by=as_actor(bo))


def test_a_version_that_the_gate_does_not_pass_is_refused(ready, bo, as_actor):
    other = cast.factories.make_version(ready.deployment.system)
    with pytest.raises(TransitionRefused, match="No standing decision"):
        rollback.request(ready.incident, other, reason="It leaks.", by=as_actor(bo))


def test_a_version_with_an_open_incident_of_its_own_is_refused(ready, bo, as_actor):
    cast.opened(cast.factories.make_deployment(ready.deployment.system), ready.good)
    with pytest.raises(TransitionRefused, match="open incident"):
        rollback.request(ready.incident, ready.good, reason="It leaks.", by=as_actor(bo))


def test_a_second_rollback_of_one_deployment_is_refused(ready, asked, bo, as_actor):
    with pytest.raises(TransitionRefused, match="under way"):
        rollback.request(ready.incident, ready.good, reason="Again.", by=as_actor(bo))


def test_a_person_cannot_approve_her_own_rollback(asked, bo, as_actor):
    with pytest.raises(NotAllowed):
        rollback.approve(asked, by=as_actor(bo))
    asked.refresh_from_db()
    assert asked.state == "requested"


def test_an_approval_binds_to_what_was_asked(asked, ada, as_actor):
    Rollback.objects.filter(pk=asked.pk).update(reason="Something else entirely.")
    asked.refresh_from_db()
    with pytest.raises(TransitionRefused, match="changed"):
        rollback.approve(asked, by=as_actor(ada))


def test_an_approval_does_not_wait_for_ever(asked, ada, as_actor):
    with clock.held(now() + timedelta(hours=2)), pytest.raises(TransitionRefused, match="expired"):
        rollback.approve(asked, by=as_actor(ada))


def test_a_rejected_rollback_switches_nothing(ready, asked, ada, as_actor):
    rollback.reject(asked, reason="Isolate it instead.", by=as_actor(ada))
    rollback.execute(asked.pk)
    assert ready.target.current.to == ready.bad.weights_sha256


def test_executed_twice_switches_once(ready, executed):
    rollback.execute(executed.pk)
    switches = [each for each in ready.target.history if each.key == str(executed.uuid)]
    assert len(switches) == 1
    assert ready.target.current.to == ready.good.weights_sha256


def test_the_targets_word_alone_is_not_enough(ready, executed):
    rollback.verify(executed.pk)
    executed.refresh_from_db()
    assert executed.state == "executed"
    assert executed.target_says == ready.good.weights_sha256
    assert executed.telemetry_says == ""


def test_both_vantages_together_verify(ready, executed):
    telemetry(ready, ready.good.weights_sha256, 50)
    rollback.verify(executed.pk)
    executed.refresh_from_db()
    ready.deployment.refresh_from_db()
    assert executed.state == "verified"
    assert ready.deployment.serves == ready.good


def test_silence_to_the_end_is_not_confirmed_and_later_telemetry_settles_it(ready, executed):
    for _ in range(rollback.INCONCLUSIVE_AFTER):
        rollback.verify(executed.pk)
    executed.refresh_from_db()
    assert executed.state == "inconclusive"
    telemetry(ready, ready.good.weights_sha256, 51)
    rollback.verify(executed.pk)
    executed.refresh_from_db()
    assert executed.state == "verified"


def test_telemetry_that_shows_the_old_version_fails_it_and_calls_people(ready, executed):
    telemetry(ready, ready.bad.weights_sha256, 52)
    for _ in range(rollback.INCONCLUSIVE_AFTER):
        rollback.verify(executed.pk)
    executed.refresh_from_db()
    assert executed.state == "failed"
    assert Page.objects.filter(cause=f"{executed.ref}:failed").exists()


def test_a_target_that_promises_and_does_not_switch_fails(ready, asked, ada, as_actor):
    ready.target.is_stuck = True
    rollback.approve(asked, by=as_actor(ada))
    rollback.execute(asked.pk)
    for _ in range(rollback.INCONCLUSIVE_AFTER):
        rollback.verify(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "failed"


def test_a_target_out_of_reach_is_tried_again_under_the_same_key(ready, asked, ada, as_actor):
    address = ready.deployment.target_config["url"]
    ready.deployment.target_config["url"] = "http://127.0.0.1:9"
    ready.deployment.save()
    rollback.approve(asked, by=as_actor(ada))
    rollback.execute(asked.pk)
    asked.refresh_from_db()
    assert asked.state in {"approved", "failed"}
    assert asked.problem
    assert address not in asked.problem


def test_an_incident_is_not_resolved_while_a_rollback_is_not_verified(
    ready, executed, bo, as_actor
):
    assert any("not verified" in point for point in incident.unsettled(ready.incident))
