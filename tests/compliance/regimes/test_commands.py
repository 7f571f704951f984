"""The two commands are thin doors and need no database."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

FACTS = {
    "aware_at": "2027-12-11T08:00:00+01:00",
    "limbs": ["critical_infrastructure"],
    "recipient_zone": "Europe/Berlin",
    "calendar": "DE",
}
AT = "2027-12-11T12:00:00Z"


def run(facts: Path, *options: str, regime: str = "eu-aia-73") -> str:
    out = io.StringIO()
    call_command("deadlines", "--regime", regime, "--facts", str(facts), *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(FACTS))
    return path


def test_deadlines_answers_in_the_public_shape(facts: Path) -> None:
    answer = json.loads(run(facts, "--at", AT, "--json"))
    assert answer["regime"] == "eu-aia-73@1.1.0"
    initial = answer["stages"][0]
    assert initial["target_due"] == "2027-12-13T23:00:00Z"
    assert initial["legal_latest"] == "2027-12-14T23:00:00Z"
    assert initial["state"] == "running"
    assert any("1182/71 Art. 3(5)" in line for line in initial["trace"])


def test_deadlines_speaks_to_a_person(facts: Path) -> None:
    text = run(facts, "--at", AT)
    assert "target due: 2027-12-13T23:00:00Z" in text
    assert "latest arguable, confirm with counsel: 2027-12-14T23:00:00Z" in text
    assert "Confirm with counsel:" in text


def test_the_present_is_asked_of_the_clock(facts: Path) -> None:
    assert json.loads(run(facts, "--json"))["stages"][0]["target_due"] == "2027-12-13T23:00:00Z"


@pytest.mark.parametrize(
    ("given", "regime", "named"),
    [
        ('{"limbs": ["deth"]}', "eu-aia-73", "unknown limb 'deth'"),
        ("{}", "eu-aia-74", "unknown regime 'eu-aia-74'"),
        ("{}", "eu-aia-73@0.0.1", "no version '0.0.1'"),
        ("\xff", "eu-aia-73", "UTF-8"),
        (" " * 1_000_001, "eu-aia-73", "at most"),
    ],
)
def test_wrong_input_leaves_with_two(tmp_path: Path, given: str, regime: str, named: str) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(given.encode("latin-1"))
    with pytest.raises(CommandError, match=named) as caught:
        run(path, "--at", AT, regime=regime)
    assert caught.value.returncode == 2


def test_a_missing_file_leaves_with_two(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="readable JSON file") as caught:
        run(tmp_path / "absent.json")
    assert caught.value.returncode == 2


def test_facts_may_come_by_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(json.dumps(FACTS).encode())

    monkeypatch.setattr("sys.stdin", Input())
    assert "2027-12-13T23:00:00Z" in run(Path("-"), "--at", AT, "--json")


def test_lint_is_content_with_the_packs_as_they_are() -> None:
    out = io.StringIO()
    call_command("regimes", "lint", stdout=out)
    assert "no complaint" in out.getvalue()


def test_list_names_every_pack_with_its_digest() -> None:
    out = io.StringIO()
    call_command("regimes", "list", stdout=out)
    assert "eu-aia-73@1.1.0" in out.getvalue()
    assert len(out.getvalue().splitlines()) == 22


def test_cases_prints_what_was_expected_and_what_was_found() -> None:
    out = io.StringIO()
    call_command("regimes", "cases", stdout=out)
    lines = out.getvalue().splitlines()
    assert "DIFFERS" not in out.getvalue()
    printed = {line.split()[0] for line in lines}
    reference = (1, 2, 4, 6, 7, 8, 10, 12, 13, 16, 18, 19, 21, 22, 24, 25)
    assert printed >= {f"T{number}" for number in reference}
    assert printed >= {f"N{number}" for number in range(1, 13)}
    assert "48 changes of clocks" in lines[-2]
    assert " 0 other than 259200 s" in lines[-2]
    assert lines[-1].endswith(" 0 wrong.")


def test_every_version_is_reached_by_name(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"aware_at": "2027-12-11T08:00:00+01:00"}))
    for regime in ("eu-gdpr-33@2.0.0", "eu-aia-73@1.0.0"):
        answer = json.loads(run(path, "--at", AT, "--json", regime=regime))
        assert answer["regime"] == regime
        assert {stage["state"] for stage in answer["stages"]} == {"not_in_force"}


def test_a_time_without_offset_and_standing_duties_leave_with_two(facts: Path) -> None:
    for options, regime, named in (
        (["--at", "2027-12-11T12:00:00"], "eu-aia-73", "at: expected an offset"),
        ([], "eu-aia-standing", "eu-aia-standing: expected a regime of incidents"),
    ):
        with pytest.raises(CommandError, match=named) as caught:
            run(facts, *options, regime=regime)
        assert caught.value.returncode == 2
