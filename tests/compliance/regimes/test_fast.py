"""Dates without words: whatever the facts, they are those of the engine that explains itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.regimes import engine, load
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.outcome import State
from compliance.regimes.schema import Regime
from compliance.regimes.terms import PackKind
from compliance.regimes.vocabulary import ENTITIES, PREDICATES, Instant, Limb, Number

PACKS = [pack for pack in load.regimes() if pack.kind is PackKind.INCIDENT]
MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2030, 12, 31),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.just(UTC),
)
ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe", "UTC"]
AT = datetime(2028, 6, 1, tzinfo=UTC)


@st.composite
def facts(draw: st.DrawFn, pack: Regime) -> Facts:
    stages = [str(stage.id) for stage in pack.stages]
    names = st.sampled_from([*stages, *(f"{pack.key}:{stage}" for stage in stages)])
    moments = st.lists(MOMENTS, max_size=3).map(tuple)
    limbs = [limb for limb in Limb if draw(st.integers(0, 3)) == 0]
    return Facts(
        instants=draw(st.dictionaries(st.sampled_from(list(Instant)), MOMENTS, max_size=12)),
        submitted=draw(st.dictionaries(names, moments, max_size=3)),
        limbs=tuple(limbs),
        recipient_zone=draw(st.none() | st.sampled_from(ZONES)),
        calendar=draw(st.none() | st.sampled_from(["DE", "BE", "EU-COMMISSION"])),
        entity=draw(st.none() | st.sampled_from(sorted(ENTITIES))),
        predicates=draw(
            st.dictionaries(st.sampled_from(sorted(PREDICATES)), st.booleans(), max_size=6)
        ),
        numbers=draw(
            st.dictionaries(st.sampled_from(list(Number)), st.floats(0, 1e27), max_size=2)
        ),
    )


def explained(
    pack: Regime, given_facts: Facts, at: datetime, learnt_at: datetime | None, *, assume: bool
) -> list[tuple[object, ...]]:
    outcome = engine.evaluate(pack, given_facts, at, assume_scope=assume, learnt_at=learnt_at)
    return [
        (one.id, one.state, one.strict, one.nominal, one.legal_latest, one.target_due)
        for one in outcome.stages
    ]


@settings(max_examples=150)
@given(data=st.data(), at=MOMENTS)
def test_the_dates_are_those_of_the_engine(data: st.DataObject, at: datetime) -> None:
    assume = data.draw(st.booleans())
    pack = data.draw(st.sampled_from(PACKS))
    rows = data.draw(st.lists(facts(pack), min_size=1, max_size=4))
    learnt = [data.draw(st.none() | MOMENTS) for _ in rows]
    found = list(engine.dates(pack, rows, at, assume_scope=assume, learnt=learnt))
    assert [[tuple(one) for one in stages] for stages in found] == [
        explained(pack, row, at, moment, assume=assume)
        for row, moment in zip(rows, learnt, strict=True)
    ]


@settings(max_examples=60)
@given(data=st.data(), moment=MOMENTS)
def test_running_clocks_too(data: st.DataObject, moment: datetime) -> None:
    """As above, where every instant is known and scope is granted, so that most stages have dates."""
    pack = data.draw(st.sampled_from(load.current()))
    rows = [
        Facts(
            instants={name: moment + timedelta(hours=place) for place, name in enumerate(Instant)},
            submitted=data.draw(facts(pack)).submitted,
            limbs=tuple(limb.id for limb in pack.limbs[:1]),
            recipient_zone=zone,
            calendar="DE",
            entity="credit_institution",
        )
        for zone in ZONES
    ]
    found = engine.dates(pack, rows, moment + timedelta(days=9), assume_scope=True)
    for row, stages in zip(rows, found, strict=True):
        assert [tuple(one) for one in stages] == explained(
            pack, row, moment + timedelta(days=9), None, assume=True
        )


@given(data=st.data())
def test_facts_that_were_kept_come_back_the_same(data: st.DataObject) -> None:
    row = data.draw(facts(data.draw(st.sampled_from(PACKS))))
    assert Facts.kept(row.as_json()) == row == Facts.from_json(row.as_json())


def test_rows_are_read_as_they_come() -> None:
    def endless():
        while True:
            yield Facts.from_json({"aware_at": "2028-05-01T00:00:00Z"})

    found = engine.dates(load.get("house-72h"), endless(), AT, assume_scope=True)
    assert [next(found)[0].state for _ in range(3)] == [State.OVERDUE] * 3


def test_what_the_engine_refuses_is_refused() -> None:
    house = load.get("house-72h")
    with pytest.raises(FactsError, match="no stage 'final'"):
        list(engine.dates(house, [Facts(submitted={"final": (AT,)})], AT))
    with pytest.raises(FactsError, match="offset"):
        list(engine.dates(house, [Facts()], AT.replace(tzinfo=None)))
    with pytest.raises(FactsError, match="standing duties"):
        list(engine.dates(load.get("eu-aia-standing"), [Facts()], AT))
