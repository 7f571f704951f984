"""The demo waives what the shipped watch-list cannot show, and nothing that nobody foresaw."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from assessments.scanner import calibration, prompts
from compliance.permissions import Role
from compliance.services import account
from config.demo import gating
from config.demo.stage import DemoFailed, Stage
from config.processes import House
from tests.assessments.results import COVERAGE, MAKER, finished_scan, make_result, make_summaries
from tests.assessments.services.test_gate import MANUAL, attest
from tests.factories import make_manifest, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(ada, bo):
    """The first version with all evidence supplied, scanned with the shipped list."""
    rae = account.make("rae@example.net", "Rae", [Role.GOVERNANCE_LEAD], by=MAKER)
    made = Stage(Path(), cast("House", None), people={"ada": ada, "bo": bo, "rae": rae})
    made.made["v1"] = version = make_version()
    make_manifest(version)
    shown = calibration.shown(prompts.load_watchlist())
    result = replace(make_result(coverage=replace(COVERAGE, recalls=shown)), summaries=every(shown))
    finished_scan(version, result)
    for what in MANUAL:
        attest(version, what)
    return made


def every(shown):
    """Each concern under both frames."""
    return tuple(replace(row, concern=each.concern) for each in shown for row in make_summaries())


def test_two_people_waive_the_one_reason_left_for_the_canary(stage, capsys):
    gating.waive(stage)
    decision = stage.made["v1"].decisions.filter(environment="canary").latest("id")
    verdicts = {each["criterion"]: each["verdict"] for each in decision.reasons}
    assert decision.outcome == "conditional"
    assert {key for key, verdict in verdicts.items() if verdict == "waived"} == set(gating.GROUNDS)
    (scan,) = [each for each in decision.reasons if each["criterion"] == "sae_scan"]
    assert scan["status"] == "inconclusive"
    for concern in ("deception", "cyber", "refusal"):
        assert concern in scan["sentence"]
    assert "cyber: 15 of 40 (23% to 54%)" in scan["sentence"]
    assert "asked by Bo, granted by Ada and Rae" in capsys.readouterr().out


def test_what_nobody_foresaw_is_not_waived(stage):
    attest(stage.made["v1"], "rota", "not_met")
    with pytest.raises(DemoFailed, match=r"differs: \{'rota'\}"):
        gating.waive(stage)
    assert not stage.made["v1"].waivers.exists()
