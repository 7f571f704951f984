"""Requests of authorities: dated, warned of, restricted by grant, answered with proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compliance import clock, queries
from compliance.audit import log
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Notice
from compliance.permissions import NotAllowed
from compliance.services import authority_request as asked
from compliance.services.duty import Proof

pytestmark = pytest.mark.django_db
START = datetime(2026, 12, 1, 9, tzinfo=UTC)
REPLY = Proof("reply.pdf", "application/pdf", b"%PDF-1.7")


@pytest.fixture
def held():
    with clock.held(START) as it:
        yield it


def letter(**more):
    said = {
        "title": "Logs", "authority": "An authority", "received_at": START,
        "due_at": START + timedelta(days=20), **more,
    }  # fmt: skip
    return asked.Letter(**said)


def test_only_who_works_on_them_records_one(held, bo, as_actor) -> None:
    with pytest.raises(NotAllowed, match="authority:work"):
        asked.take_in(letter(), by=as_actor(bo))


def test_whoever_is_in_charge_is_told_at_each_mark_once(held, rae, ada, as_actor) -> None:
    made = asked.take_in(letter(), owner=rae, deputy=ada, by=as_actor(rae))
    assert asked.sweep() == 0
    held.at = made.due_at - timedelta(hours=20)
    assert asked.sweep() == 1
    told = Notice.objects.filter(about_uuid=made.uuid)
    assert sorted(told.values_list("to", flat=True)) == ["ada@example.org", "rae@example.org"]
    assert all("Logs" not in each.title + each.body for each in told)
    assert asked.sweep() == 0
    held.at = made.due_at
    assert asked.sweep() == 1
    made.refresh_from_db()
    assert (made.state, made.next_mark_at) == ("overdue", None)
    assert made.warned == ["week", "day", "four_hours", "overdue"]


def test_nobody_in_charge_means_everybody_who_may(held, rae, ada, bo, as_actor) -> None:
    made = asked.take_in(letter(), by=as_actor(rae))
    held.at = made.due_at - timedelta(hours=2)
    asked.sweep()
    told = set(Notice.objects.values_list("to", flat=True))
    assert told == {"ada@example.org", "rae@example.org"}


def test_a_longer_period_takes_it_out_of_overdue(held, rae, as_actor) -> None:
    made = asked.take_in(letter(), owner=rae, by=as_actor(rae))
    held.at = made.due_at
    asked.sweep()
    made.refresh_from_db()
    with pytest.raises(ValueError, match="passed already"):
        asked.prolong(made, due_at=START, note="By phone.", by=as_actor(rae))
    longer = now() + timedelta(days=10)
    asked.prolong(made, due_at=longer, note="By letter of today.", by=as_actor(rae))
    made.refresh_from_db()
    assert (made.state, made.due_at, made.warned) == ("open", longer, [])
    line = log.entries(objects=[made.uuid], actions=["authority_request.prolong"])[0]
    assert line.facts["was_due"] != line.facts["due_at"]


def test_a_reply_needs_every_answer_and_says_whether_it_was_in_time(
    held, rae, as_actor, files
) -> None:
    made = asked.take_in(letter(), questions=("What?",), owner=rae, by=as_actor(rae))
    with pytest.raises(TransitionRefused, match="question 1"):
        asked.answer(made, reply=REPLY, answered_at=now(), by=as_actor(rae))
    asked.answer_question(made.questions.get(), "This.", by=as_actor(rae))
    held.at = made.due_at
    asked.answer(made, reply=REPLY, answered_at=now(), by=as_actor(rae))
    line = log.entries(objects=[made.uuid], actions=["authority_request.answer"])[0]
    assert line.facts["in_time"] is False
    assert line.facts["reply_sha256"] == made.reply.sha256
    with pytest.raises(TransitionRefused):
        asked.ask(made, "And that?", by=as_actor(rae))


def test_further_questions_reopen_it(held, rae, as_actor, files) -> None:
    made = asked.take_in(letter(), owner=rae, by=as_actor(rae))
    asked.answer(made, reply=REPLY, answered_at=now(), by=as_actor(rae))
    asked.reopen(made, due_at=now() + timedelta(days=5), note="A letter.", by=as_actor(rae))
    asked.ask(made, "And that?", by=as_actor(rae))
    made.refresh_from_db()
    assert (made.state, made.answered_at) == ("open", None)
    assert made.next_mark_at is not None


def test_restricted_means_grants_alone(held, rae, ada, cy, as_actor) -> None:
    made = asked.take_in(letter(), owner=ada, restricted=True, by=as_actor(rae))
    assert queries.authority_requests_for(as_actor(cy)).count() == 0
    assert queries.authority_requests_for(as_actor(ada)).get() == made
    with pytest.raises(NotAllowed):
        asked.let_in(made, cy, by=as_actor(cy))
    asked.let_in(made, cy, by=as_actor(ada))
    assert queries.authority_requests_for(as_actor(cy)).get() == made
    held.at = made.due_at
    asked.assign(made, owner=rae, by=as_actor(ada))
    asked.sweep()
    assert set(Notice.objects.values_list("to", flat=True)) == {"rae@example.org"}


def test_the_law_says_by_when(held) -> None:
    found = asked.suggest("corrective_action", received_at=START)
    assert found is not None
    assert found.due == datetime(2026, 12, 22, 23, tzinfo=UTC)
    assert asked.suggest("commission_answered", received_at=START) is None
    assert asked.suggest("", received_at=START) is None


def test_a_question_after_an_incident_has_the_hours_of_the_draft_guidance() -> None:
    found = asked.suggest("authority_answered", received_at=START)
    assert found is not None
    assert found.due == START + timedelta(hours=24)


def test_every_basis_is_a_duty_of_a_standing_pack() -> None:
    assert set(asked.bases()) == {
        "documents_handed_over", "commission_answered", "corrective_action", "authority_answered",
    }  # fmt: skip
