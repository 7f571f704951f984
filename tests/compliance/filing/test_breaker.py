import json
from datetime import UTC, datetime, timedelta

from compliance.filing import breaker
from compliance.filing.breaker import Breaker, Position

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def opened(at: datetime = NOON) -> Breaker:
    found = Breaker()
    for _ in range(5):
        found = breaker.failed(found, at)
    return found


def test_it_stays_closed_until_five_failures_in_a_row():
    found = Breaker()
    for _ in range(4):
        found = breaker.failed(found, NOON)
        assert breaker.ask(found, NOON) == (True, found)
    found = breaker.succeeded(found)
    assert (found.position, found.failures) == (Position.CLOSED, 0)
    assert opened().position is Position.OPEN


def test_open_it_lets_nothing_through_until_its_time_is_up():
    found = opened()
    assert breaker.free_at(found) == NOON + 30 * SECOND
    assert breaker.ask(found, NOON + 29 * SECOND) == (False, found)
    may, half = breaker.ask(found, NOON + 30 * SECOND)
    assert may
    assert half.position is Position.HALF_OPEN


def test_half_open_one_trial_goes_and_a_second_waits():
    _, half = breaker.ask(opened(), NOON + 30 * SECOND)
    assert breaker.ask(half, NOON + 31 * SECOND) == (False, half)
    may, _ = breaker.ask(half, NOON + 150 * SECOND)
    assert may, "a trial nobody heard of is given up"


def test_a_trial_that_succeeds_closes_it_and_one_that_fails_opens_it_for_longer():
    at = NOON
    found, spans = opened(), []
    for _ in range(8):
        spans.append((breaker.free_at(found) - at).total_seconds())
        at = breaker.free_at(found)
        _, half = breaker.ask(found, at)
        found = breaker.failed(half, at)
    assert spans == [30, 60, 120, 240, 480, 900, 900, 900]
    _, half = breaker.ask(found, breaker.free_at(found))
    closed = breaker.succeeded(half)
    assert (closed.position, closed.openings) == (Position.CLOSED, 0)
    assert breaker.free_at(closed) is None


def test_a_deadline_beats_it():
    found = opened()
    soon, later = NOON + 60 * SECOND, NOON + timedelta(hours=1)
    assert breaker.ask(found, NOON + SECOND, target=soon) == (True, found)
    assert breaker.ask(found, NOON + SECOND, target=later) == (False, found)
    assert breaker.failed(found, NOON + SECOND).until == found.until


def test_the_recipient_says_how_long_it_stays_open_at_least():
    found = Breaker(failures=4)
    assert breaker.free_at(breaker.failed(found, NOON, asked_seconds=300)) == NOON + 300 * SECOND
    capped = breaker.failed(found, NOON, asked_seconds=1e12)
    assert breaker.free_at(capped) == NOON + timedelta(minutes=15)


def test_every_change_has_a_version_of_its_own_and_reads_back():
    _, half = breaker.ask(opened(), NOON + timedelta(hours=1))
    for each in (Breaker(), opened(), half, breaker.succeeded(half)):
        assert Breaker.of(json.loads(json.dumps(each.row()))) == each
    assert Breaker.of({}) == Breaker()
    assert opened().version == 5
    assert breaker.succeeded(Breaker()) == Breaker()
