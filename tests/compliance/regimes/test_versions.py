"""Which version judges: the one a clock is pinned to, or the one in force when the clock started."""

from datetime import UTC, datetime
from importlib import resources

import pytest

from compliance.regimes import load
from compliance.regimes.engine import choose, evaluate, evaluate_all, version_for
from compliance.regimes.facts import Facts
from compliance.regimes.load import UnknownRegime
from compliance.regimes.outcome import Applies, State
from compliance.regimes.schema import Regime
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import PackKind

NOW = datetime(2027, 7, 1, tzinfo=UTC)


def text_of(name: str) -> str:
    return resources.files("compliance.regimes").joinpath("data", f"{name}.toml").read_text()


def changed(name: str, *changes: tuple[str, str]) -> Regime:
    text = text_of(name)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    return load.parse(text.encode(), file="changed.toml")


CALIFORNIA = load.get("us-ca-sb53")
SHORTER = changed(
    "us-ca-sb53",
    ('version     = "1.0.0"', 'version = "1.1.0"\nsupersedes = "1.0.0"'),
    ("valid_from  = 2026-01-01", "valid_from = 2027-06-01"),
    ("amount = 15", "amount = 10"),
)
STOPPED = changed(
    "us-ca-sb53",
    ('version     = "1.0.0"', 'version = "1.2.0"\nsupersedes = "1.0.0"'),
    ("valid_from  = 2026-01-01", "valid_from = 2027-06-01"),
    ('status      = "in_force"', 'status = "contested"'),
)


def discovered(day: str) -> Facts:
    return Facts.from_json({"discovered_at": f"{day}T10:00:00-07:00"})


@pytest.mark.parametrize(
    ("day", "version"),
    [("2025-06-01", "1.0.0"), ("2027-05-31", "1.0.0"), ("2027-06-01", "1.1.0")],
)
def test_the_instant_that_starts_the_clock_chooses_the_version(day: str, version: str) -> None:
    assert choose([CALIFORNIA, SHORTER], discovered(day), NOW).version == version


def test_the_date_is_the_recipients() -> None:
    last_evening = Facts.from_json({"discovered_at": "2027-06-01T03:00:00Z"})
    assert choose([CALIFORNIA, SHORTER], last_evening, NOW).version == "1.0.0"


def test_after_the_last_version_ended_it_says_so_itself() -> None:
    ended = changed("us-ca-sb53", ("valid_from  =", "valid_to = 2026-12-31\nvalid_from ="))
    assert choose([ended, SHORTER], discovered("2027-03-01"), NOW) is ended
    outcome = evaluate(ended, discovered("2027-03-01"), NOW, assume_scope=True)
    assert outcome.applies is Applies.NOT_IN_FORCE


def test_a_contested_version_stops_the_clocks_that_start_under_it() -> None:
    versions = [CALIFORNIA, STOPPED]
    before = choose(versions, discovered("2027-05-31"), NOW)
    after = choose(versions, discovered("2027-06-01"), NOW)
    assert (before, after) == (CALIFORNIA, STOPPED)
    outcome = evaluate(after, discovered("2027-06-01"), NOW, assume_scope=True)
    assert outcome.applies is Applies.CONTESTED
    assert {stage.state for stage in outcome.stages} == {State.NOT_IN_FORCE}
    assert {stage.target_due for stage in outcome.stages} == {None}
    assert any("pre-emption" in reason.sentence for reason in outcome.because)


def test_a_regime_that_is_disputed_but_law_still_counts() -> None:
    assert CALIFORNIA.challenges
    outcome = evaluate(CALIFORNIA, discovered("2027-06-01"), NOW, assume_scope=True)
    assert outcome.stage("report").state is State.OVERDUE


def test_a_proposal_judges_nothing_while_there_is_law() -> None:
    facts = Facts.from_json({"aware_at": "2027-06-01T10:00:00Z"})
    assert version_for("eu-gdpr-33", facts, NOW).version == "1.0.0"


def test_a_started_clock_keeps_its_version() -> None:
    facts = Facts.from_json({"aware_at": "2027-06-01T10:00:00Z", "limbs": ["death"]})
    free = {one.key: one.regime for one in evaluate_all(facts, NOW)}
    pinned = evaluate_all(facts, NOW, pinned={"eu-aia-73": "1.0.0", "eu-gdpr-33": "2.0.0"})
    kept = {one.key: one.regime for one in pinned}
    assert free["eu-aia-73"] == "eu-aia-73@1.1.0"
    assert kept["eu-aia-73"] == "eu-aia-73@1.0.0"
    assert kept["eu-gdpr-33"] == "eu-gdpr-33@2.0.0"
    assert set(free) == set(kept)
    with pytest.raises(UnknownRegime, match=r"no version '9\.9\.9'"):
        evaluate_all(facts, NOW, pinned={"eu-aia-73": "9.9.9"})


def test_what_began_before_a_repeal_ends_as_it_began() -> None:
    facts = Facts.from_json(
        {
            "aware_at": "2027-12-07T09:00:00Z", "limbs": ["health"], "recipient_zone": "Europe/Berlin",
            "calendar": "DE",
        }
    )  # fmt: skip
    at = datetime(2027, 12, 8, tzinfo=UTC)
    (kept,) = (
        one
        for one in evaluate_all(facts, at, pinned={"eu-aia-73": "1.0.0"})
        if one.key == "eu-aia-73"
    )
    assert kept.applies is not Applies.NOT_IN_FORCE
    alone = evaluate(load.get("eu-aia-73@1.0.0"), facts, at)
    assert alone.applies is Applies.NOT_IN_FORCE


@pytest.mark.parametrize("aware", ["2026-01-05", "2026-11-20", "2027-12-07"])
def test_a_text_that_was_repealed_before_its_day_judges_nothing(aware: str) -> None:
    facts = Facts.from_json({"aware_at": f"{aware}T10:00:00Z"})
    assert version_for("eu-aia-73", facts, NOW).version == "1.1.0"


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UnknownRegime, match="'eu-aia-74'"):
        version_for("eu-aia-74", Facts(), NOW)


def test_what_joins_the_files_holds() -> None:
    load.check()


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('authorities = ["us-ca-oes"]', 'authorities = ["us-ca-ose"]', "recipient cal_oes, field"),
        ('version     = "1.0.0"', 'version = "1.1.0"\nsupersedes = "0.9.0"', "field 'supersedes'"),
        (
            "[[challenge]]",
            '[[relation]]\nkind = "parallel_to"\nregime = "us-xx"\ntext = "t"\ncite = "c"\n[[challenge]]',
            "relation parallel_to, field 'regime': expected the key of a pack on file, got 'us-xx'",
        ),
    ],
)
def test_a_loose_end_is_named(before: str, after: str, named: str) -> None:
    pack = changed("us-ca-sb53", (before, after))
    with pytest.raises(RegimeError, match=named) as caught:
        load.check_pack(pack, [CALIFORNIA, pack])
    assert str(caught.value).startswith("changed.toml")


def test_a_change_of_law_names_the_version_before() -> None:
    load.check_pack(SHORTER, [CALIFORNIA, SHORTER])
    superseding = {pack.reference: pack.supersedes for pack in load.regimes() if pack.supersedes}
    assert superseding == {"eu-aia-73@1.1.0": "1.0.0", "eu-gdpr-33@2.0.0": "1.0.0"}


def test_incidents_are_judged_by_regimes_of_incidents_alone() -> None:
    keys = {one.key for one in evaluate_all(Facts(), NOW)}
    assert keys == set(load.all_keys()) == {pack.key for pack in load.current()}
    assert {pack.kind for pack in load.current()} == {PackKind.INCIDENT}
    assert not keys & {pack.key for pack in load.standing()}
