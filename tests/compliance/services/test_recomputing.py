"""Every clock judged again: what is as it was is left alone, what differs is computed in full."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance import clock
from compliance.clock import now
from compliance.models import ClockInstance, Filing, Report
from compliance.services import deadline, recomputing, report
from tests.compliance.papers import facts_known, make_incident, serious

pytestmark = pytest.mark.django_db

FACTS = {
    "provider": True,
    "annex_iii": True,
    "gpai_systemic_risk_provider": True,
    "eu_market": True,
    "limbs": ["health", "cyber_breach"],
}
AWARE = datetime.fromisoformat("2028-02-01T10:00:00+00:00")


@pytest.fixture
def incidents(root):
    """A few incidents under several regimes, one of them with several authorities."""
    with clock.held(AWARE) as time:
        found = [make_incident(f"INC-{n}") for n in range(4)]
        for n, each in enumerate(found):
            aware = AWARE - timedelta(hours=7 * n)
            known = {**FACTS, "model_involvement_aware_at": aware.isoformat()}
            states = ("DE", "PT") if n == 2 else ()
            facts = serious(aware, **known)
            deadline.compute(each.subject, each, facts, states=states, by=root)
        yield found, time


def test_what_is_as_it_was_writes_nothing(incidents, root) -> None:
    n_rows = ClockInstance.objects.count()
    done = recomputing.everything(reason="to be sure", by=root)
    assert done == recomputing.Done(judged=n_rows, changed=0)
    assert ClockInstance.objects.count() == n_rows


def test_time_alone_makes_no_difference(incidents, root) -> None:
    _found, time = incidents
    time.pass_by(timedelta(days=90))
    assert recomputing.everything(reason="to be sure", by=root).changed == 0


def test_what_differs_is_replaced_and_the_rest_stays(incidents, root) -> None:
    found, _time = incidents
    rows = deadline.standing_for(found[1].uuid).filter(regime="house-72h")
    [wrong] = rows
    right = wrong.target_due
    rows.update(target_due=right + timedelta(hours=1), inputs_sha256="?")
    done = recomputing.everything(reason="the calendar was corrected", by=root)
    assert done.changed == 1
    wrong.refresh_from_db()
    assert wrong.replaced_by.target_due == right
    assert wrong.replaced_by.reason == "the calendar was corrected"
    assert recomputing.everything(reason="again", by=root).changed == 0


def test_what_was_submitted_counts_here_too(incidents, rae, root) -> None:
    found, _time = incidents
    report.start_due(found[0], facts_known(), by=root, drafter=rae)
    begun = Report.objects.get(about_uuid=found[0].uuid, regime="eu-gpai-55-cop9", stage="initial")
    Filing.objects.create(
        report=begun,
        way="sandbox",
        way_config={},
        report_sha256="0" * 64,
        filed_by=rae,
        asked_at=now(),
        sent_at=now(),
        state="acknowledged",
    )
    assert recomputing.everything(reason="a receipt was missed", by=root).changed == 1
    [following] = deadline.standing_for(found[0].uuid).filter(
        regime="eu-gpai-55-cop9", stage="intermediate"
    )
    assert following.state == "running"
    assert recomputing.everything(reason="again", by=root).changed == 0


def test_parts_cover_every_row_once(incidents, root) -> None:
    n_rows = ClockInstance.objects.count()
    parts = [recomputing.everything(reason="x", by=root, part=n, parts=3) for n in range(3)]
    assert sum(part.judged for part in parts) == n_rows


def test_rows_are_read_together(incidents, root) -> None:
    with CaptureQueriesContext(connection) as queries:
        recomputing.everything(reason="x", by=root)
    assert len(queries) <= 4


def test_the_command_says_what_it_found(incidents, capsys) -> None:
    n_rows = ClockInstance.objects.count()
    call_command("recheck_clocks", reason="A holiday was corrected.")
    assert capsys.readouterr().out == f"{n_rows} clocks judged, 0 incidents changed\n"
    with pytest.raises(CommandError, match="from 1 to 2"):
        call_command("recheck_clocks", reason="x", part=3, parts=2)
