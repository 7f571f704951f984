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
    assert len(out.getvalue().splitlines()) == 16
