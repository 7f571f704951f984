"""Leased work: one winner, a fence on every write, and a claim that can be lost."""

from datetime import timedelta

import pytest

from compliance import clock, lease
from compliance.actors import system
from compliance.audit.advance import advance
from compliance.machines import TransitionRefused
from compliance.models import Notice
from compliance.services import notice, subject
from compliance.states import NOTICE

pytestmark = pytest.mark.django_db
MAKER = system("tests")


@pytest.fixture
def row(db):
    place = subject.make("incident", "Leak")
    return notice.queue(place, channel="null", to="x", title="t", body="b", by=MAKER)


def claim(row, **more):
    return lease.claim(Notice, row.pk, waiting="queued", running="sending", **more)


def finish(claimed):
    advance(claimed, NOTICE, "deliver", by=MAKER, fence=claimed.fence, changes=lease.free())


def test_of_two_workers_at_one_bell_one_wins(row):
    first, second = claim(row), claim(row)
    assert (first.state, first.fence, first.attempts) == ("sending", 1, 1)
    assert first.lease_owner == lease.me()
    assert second is None


def test_a_claim_lasts_as_long_as_it_says(row):
    at = clock.now()
    with clock.held(at):
        assert claim(row, seconds=300).lease_until == at + timedelta(seconds=300)


def test_what_is_not_due_is_not_claimed(row):
    Notice.objects.filter(pk=row.pk).update(next_try_at=clock.now() + timedelta(minutes=1))
    assert claim(row) is None
    with clock.held(clock.now() + timedelta(minutes=2)):
        assert claim(row) is not None


def test_a_beat_prolongs_and_carries_progress(row):
    claimed = claim(row)
    later = clock.now() + timedelta(seconds=50)
    with clock.held(later):
        assert lease.beat(claimed, problem="half done")
    row.refresh_from_db()
    assert (row.lease_until, row.problem) == (later + lease.LEASE, "half done")


def test_a_worker_that_lost_its_lease_writes_nothing(row):
    slow = claim(row)
    Notice.objects.filter(pk=row.pk).update(state="queued", **lease.free())
    quick = claim(row)
    assert quick.fence == slow.fence + 1
    assert not lease.beat(slow)
    with pytest.raises(TransitionRefused, match="somebody else moved it first"):
        finish(slow)
    finish(quick)
    row.refresh_from_db()
    assert (row.state, row.lease_until, row.lease_owner) == ("delivered", None, "")


def test_a_finished_row_beats_no_more(row):
    claimed = claim(row)
    finish(claimed)
    assert not lease.beat(claimed)


def test_waits_double_up_to_the_cap():
    at = clock.now()
    with clock.held(at):
        waits = [(lease.retry_at(n) - at).total_seconds() for n in (0, 1, 2, 3, 30)]
    assert waits == [5, 5, 10, 20, 900]
