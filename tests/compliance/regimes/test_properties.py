"""What must hold for every regime, instant, zone and limb."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compliance.regimes import load
from compliance.regimes.calendars import calendar
from compliance.regimes.cases import elapsed
from compliance.regimes.counting import (
    UNITS,
    Kind,
    Period,
    Place,
    Unit,
    add_months,
    count,
    day_end,
    figures,
)
from compliance.regimes.engine import evaluate
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import RegimeOutcome, StageOutcome, State
from compliance.regimes.schema import Regime
from compliance.regimes.vocabulary import Instant, Limb

ZONES = st.sampled_from(sorted(zone for zone in available_timezones() if "/" in zone))
CALENDARS = st.sampled_from(["DE", "BE", "FR", "US-CA", "US-NY", "EU-COMMISSION"])
INSTANTS = st.datetimes(
    min_value=datetime(2028, 9, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2032, 12, 31),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.just(UTC),
)
KINDS = st.sampled_from([kind for kind in Kind if kind is not Kind.BUSINESS_DAYS])
CURRENT = st.sampled_from(load.current())
LIMBS = st.lists(st.sampled_from(list(Limb)), min_size=1, unique=True)
LONGEST = timedelta(days=70)


@st.composite
def periods(draw: st.DrawFn, kind: Kind) -> Period:
    unit = draw(st.sampled_from(sorted(UNITS[kind])))
    return Period(draw(st.integers(1, 100 if unit is Unit.HOUR else 15)), unit)


def facts_at(moment: datetime, limbs: list[Limb], zone: str, name: str) -> Facts:
    return Facts(
        instants={instant: moment for instant in Instant if instant is not Instant.RESOLVED},
        limbs=tuple(limbs),
        recipient_zone=zone,
        calendar=name,
    )


def judged(
    regime: Regime, moment: datetime, limbs: list[Limb], zone: str, name: str
) -> RegimeOutcome:
    facts = facts_at(moment, limbs, zone, name)
    return evaluate(regime, facts, moment + timedelta(hours=1), assume_scope=True)


def dated(outcome: RegimeOutcome) -> list[StageOutcome]:
    return [stage for stage in outcome.stages if stage.target_due is not None]


@given(regime=CURRENT, moment=INSTANTS, limbs=LIMBS, zone=ZONES, name=CALENDARS)
def test_the_target_is_strict_for_hours_and_nominal_for_days(
    regime: Regime, moment: datetime, limbs: list[Limb], zone: str, name: str
) -> None:
    for stage in dated(judged(regime, moment, limbs, zone, name)):
        assert stage.legal_latest is not None
        assert stage.strict is not None
        assert stage.target_due == (stage.strict if stage.nominal is None else stage.nominal)
        assert stage.strict <= stage.legal_latest
        assert stage.target_due is not None
        assert moment < stage.target_due <= stage.legal_latest
        assert stage.target_due - moment < LONGEST


@given(
    regime=CURRENT,
    moment=INSTANTS,
    later=st.timedeltas(timedelta(0), timedelta(days=40)),
    limbs=LIMBS,
    zone=ZONES,
    name=CALENDARS,
)
def test_a_later_trigger_never_brings_an_earlier_deadline(
    regime: Regime,
    moment: datetime,
    later: timedelta,
    limbs: list[Limb],
    zone: str,
    name: str,
) -> None:
    first = dated(judged(regime, moment, limbs, zone, name))
    second = dated(judged(regime, moment + later, limbs, zone, name))
    assert [stage.id for stage in first] == [stage.id for stage in second]
    for early, late in zip(first, second, strict=True):
        pairs = [(early.strict, late.strict), (early.target_due, late.target_due)]
        if regime.key != "eu-dora-19":  # Its relief leaps: see the test below.
            pairs.append((early.legal_latest, late.legal_latest))
        for one, other in pairs:
            assert one is not None
            assert other is not None
            assert one <= other


def test_doras_relief_leaps_over_monday_morning_as_its_text_does() -> None:
    """A Saturday deadline may last until Monday noon; one on Monday at 01:00 has no relief."""
    place = Place(ZoneInfo("Europe/Berlin"), calendar("DE"))
    four = Period(4, Unit.HOUR)
    saturday = count(Kind.DORA, datetime(2026, 12, 5, 9, tzinfo=UTC), four, place)
    monday = count(Kind.DORA, datetime(2026, 12, 6, 20, tzinfo=UTC), four, place)
    assert saturday.legal_latest == datetime(2026, 12, 7, 11, tzinfo=UTC)
    assert monday.legal_latest == monday.strict == datetime(2026, 12, 7, 0, tzinfo=UTC)


@given(regime=CURRENT, moment=INSTANTS, limbs=LIMBS, more=LIMBS, zone=ZONES)
def test_more_harm_never_gives_more_time(
    regime: Regime, moment: datetime, limbs: list[Limb], more: list[Limb], zone: str
) -> None:
    fewer = dated(judged(regime, moment, limbs, zone, "DE"))
    both = {
        stage.id: stage.target_due
        for stage in dated(judged(regime, moment, sorted({*limbs, *more}), zone, "DE"))
    }
    for stage in fewer:
        due = both[stage.id]
        assert due is not None
        assert stage.target_due is not None
        assert due <= stage.target_due


@settings(max_examples=40)
@given(regime=CURRENT, moment=INSTANTS, limbs=LIMBS, zone=ZONES)
def test_the_servers_zone_changes_nothing(
    regime: Regime, moment: datetime, limbs: list[Limb], zone: str
) -> None:
    before = os.environ.get("TZ")
    answers = []
    try:
        for server in ("UTC", "Pacific/Kiritimati", "America/Anchorage"):
            os.environ["TZ"] = server
            time.tzset()
            answers.append(judged(regime, moment, limbs, zone, "DE").as_json())
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()
    assert answers[0] == answers[1] == answers[2]


@given(moment=INSTANTS, hours=st.integers(1, 200), zone=ZONES, name=CALENDARS)
def test_hours_are_elapsed_hours_in_every_zone(
    moment: datetime, hours: int, zone: str, name: str
) -> None:
    place = Place(ZoneInfo(zone), calendar(name))
    for kind in (Kind.ELAPSED, Kind.EU_1182_HOURS, Kind.DORA):
        counted = count(kind, moment, Period(hours, Unit.HOUR), place)
        assert counted.strict == moment + timedelta(hours=hours)
        assert counted.nominal is None


@given(moment=INSTANTS, days=st.integers(1, 60), zone=ZONES)
@example(moment=datetime(2028, 3, 25, 22, 30, tzinfo=UTC), days=2, zone="Europe/Berlin")
def test_days_end_where_the_local_date_changes(moment: datetime, days: int, zone: str) -> None:
    here = ZoneInfo(zone)
    place = Place(here, calendar("DE"))
    counted = count(Kind.CALENDAR_NO_ROLL, moment, Period(days, Unit.DAY), place)
    assert counted.nominal is not None
    last = moment.astimezone(here).date() + timedelta(days=days)
    before = (counted.nominal - timedelta(microseconds=1)).astimezone(here)
    assert before.date() == last
    assert counted.nominal.astimezone(here).date() == last + timedelta(days=1)
    assert counted.strict <= counted.nominal


@given(data=st.data(), kind=KINDS, moment=INSTANTS, zone=ZONES, name=CALENDARS)
def test_every_kind_of_law_keeps_its_order(
    data: st.DataObject, kind: Kind, moment: datetime, zone: str, name: str
) -> None:
    counted = count(kind, moment, data.draw(periods(kind)), Place(ZoneInfo(zone), calendar(name)))
    assert counted.trace
    assert moment <= counted.strict
    assert counted.strict <= counted.target_due <= counted.legal_latest


@given(moment=INSTANTS, days=st.integers(2, 20), zone=ZONES, name=CALENDARS)
def test_the_latest_reading_holds_two_working_days_and_ends_on_one(
    moment: datetime, days: int, zone: str, name: str
) -> None:
    here, holidays = ZoneInfo(zone), calendar(name)
    counted = count(Kind.EU_1182_DAYS, moment, Period(days, Unit.DAY), Place(here, holidays))
    first = moment.astimezone(here).date()
    end = (counted.legal_latest - timedelta(microseconds=1)).astimezone(here).date()
    inside = [first + timedelta(days=step) for step in range(1, (end - first).days + 1)]
    assert holidays.is_working(end)
    assert sum(holidays.is_working(day) for day in inside) >= 2


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2027, 3, 31), 1, date(2027, 4, 30)),
        (date(2027, 12, 31), 2, date(2028, 2, 29)),
        (date(2027, 12, 15), 1, date(2028, 1, 15)),
        (date(2027, 2, 28), 12, date(2028, 2, 28)),
    ],
)
def test_a_month_ends_on_its_date_or_the_last_there_is(start: date, months: int, end: date) -> None:
    assert add_months(start, months) == end


@given(day=st.dates(date(2024, 1, 1), date(2032, 12, 31)), n=st.integers(-130, 130))
def test_months_roll_to_the_same_date_or_the_last_there_is(day: date, n: int) -> None:
    end = add_months(day, n)
    assert (end.year - day.year) * 12 + end.month - day.month == n
    assert end.day == min(day.day, (add_months(end.replace(day=1), 1) - timedelta(days=1)).day)


@given(day=st.dates(date(2024, 1, 1), date(2032, 12, 31)), n=st.integers(0, 40))
def test_a_later_day_never_ends_in_an_earlier_month(day: date, n: int) -> None:
    assert add_months(day, n) <= add_months(day + timedelta(days=1), n)


SOON = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2028, 12, 31),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.just(UTC),
)


@given(data=st.data(), kind=KINDS, moment=SOON, zone=ZONES, name=CALENDARS)
def test_every_kind_of_law_keeps_its_order_in_the_years_at_hand(
    data: st.DataObject, kind: Kind, moment: datetime, zone: str, name: str
) -> None:
    place = Place(ZoneInfo(zone), calendar(name))
    period = data.draw(periods(kind))
    counted = count(kind, moment, period, place)
    later = count(kind, moment + timedelta(days=data.draw(st.integers(0, 20))), period, place)
    assert moment <= counted.strict <= counted.target_due <= counted.legal_latest
    assert counted.strict <= later.strict
    assert counted.target_due <= later.target_due
    assert counted.dates == figures(kind, moment, period, place)


@given(
    regime=CURRENT,
    moment=SOON,
    later=st.timedeltas(timedelta(0), timedelta(days=40)),
    limbs=LIMBS,
    zone=ZONES,
)
def test_what_is_in_force_in_the_years_at_hand_is_monotone_too(
    regime: Regime, moment: datetime, later: timedelta, limbs: list[Limb], zone: str
) -> None:
    first = {stage.id: stage for stage in judged(regime, moment, limbs, zone, "DE").stages}
    second = dated(judged(regime, moment + later, limbs, zone, "DE"))
    for late in second:
        early = first[late.id]
        if early.target_due is not None:
            assert late.target_due is not None
            assert early.target_due <= late.target_due


@given(
    moment=SOON,
    gaps=st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), min_size=1, max_size=5),
)
def test_each_report_of_a_recurring_stage_starts_the_next_four_weeks(
    moment: datetime, gaps: list[timedelta]
) -> None:
    sent = [moment + sum(gaps[: place + 1], timedelta(0)) for place in range(len(gaps))]
    facts = Facts(
        instants={Instant.MODEL_INVOLVEMENT_AWARE: moment},
        limbs=(Limb.DEATH,),
        submitted={"initial": (moment,), "intermediate": tuple(sent)},
    )
    pack = load.get("eu-gpai-55-cop9")
    stage = evaluate(pack, facts, sent[-1], assume_scope=True).stage("intermediate")
    brussels = ZoneInfo("Europe/Brussels")
    last = sent[-1].astimezone(brussels).date() + timedelta(weeks=4)
    assert stage.nominal == day_end(last, brussels)
    assert stage.state is State.RUNNING


@given(data=st.data(), moment=SOON, zone=ZONES)
def test_more_submissions_never_move_what_follows_the_first(
    data: st.DataObject, moment: datetime, zone: str
) -> None:
    keys = ["eu-nis2-23", "eu-cra-14-incident"]
    pack = load.get(data.draw(st.sampled_from(keys)))
    moment = max(moment, datetime(2026, 9, 15, tzinfo=UTC))
    further = data.draw(st.lists(st.timedeltas(timedelta(0), timedelta(days=60)), max_size=4))
    sent = (moment + timedelta(days=1), *(moment + timedelta(days=1) + one for one in further))
    finals = {
        evaluate(
            pack,
            Facts(
                instants={Instant.AWARE: moment},
                submitted={"notification": submitted},
                recipient_zone=zone,
            ),
            moment,
            assume_scope=True,
        )
        .stage("final")
        .target_due
        for submitted in (sent[:1], sent, sent[::-1])
    }
    assert len(finals) == 1
    assert None not in finals


def test_midnight_is_found_in_every_zone_across_every_change() -> None:
    days = [date(2026, 1, 1) + timedelta(days=step) for step in range(3 * 365 + 1)]
    wrong = [
        (zone, day)
        for zone in sorted(available_timezones())
        for day in _around_changes(days, ZoneInfo(zone))
        if not _splits(day, ZoneInfo(zone))
    ]
    assert wrong == []


def _around_changes(days: list[date], zone: ZoneInfo) -> set[date]:
    """The days next to a change of clocks, and the first of each month."""
    offsets = [datetime(day.year, day.month, day.day, 12, tzinfo=zone).utcoffset() for day in days]
    pairs = zip(days, offsets, offsets[1:], strict=False)
    changed = {day for day, before, after in pairs if before != after}
    near = {day + timedelta(days=step) for day in changed for step in (-1, 0, 1, 2)}
    return near | {day for day in days if day.day == 1}


def test_seventy_two_hours_are_259200_seconds_across_every_change() -> None:
    walked = elapsed()
    assert (walked.zones, walked.changes) == (8, 48)
    assert walked.counted > 30_000
    assert walked.wrong == ()


def _splits(day: date, zone: ZoneInfo) -> bool:
    """The exclusive end is the first instant of the next date, and nothing of this one is left."""
    end = day_end(day, zone)
    before = (end - timedelta(microseconds=1)).astimezone(zone).date()
    return before == day and end.astimezone(zone).date() == day + timedelta(days=1)
