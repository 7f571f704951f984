"""List pages keep to a number of queries that stands in query_counts.json.

A page that needs fewer may keep its number; one that needs more fails, so that every change of the
number is seen by whoever reads the change. `STRATA_WRITE_QUERY_COUNTS=1` writes what is measured.
"""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assessments.services import campaign, gate
from compliance.clock import now
from compliance.permissions import Role
from compliance.services import account, dossier, registry, timekeeping
from incidents.services import incident, paging, rollback, rule
from tests import factories
from tests.assessments import results
from tests.furnished import furnish
from tests.incidents import cast
from tests.incidents.services.test_review import RULE

pytestmark = pytest.mark.django_db
BUDGETS = Path(__file__).with_name("query_counts.json")
LISTS = (
    "today",
    "assessments:campaigns",
    "assessments:instruments",
    "assessments:overview",
    "assessments:scans",
    "assessments:suites",
    "assessments:watchlists",
    "compliance:approvals",
    "compliance:authority_requests",
    "compliance:calendar",
    "compliance:calendar_month",
    "compliance:documents",
    "compliance:duties",
    "compliance:inventory",
    "compliance:people",
    "compliance:prove",
    "compliance:record",
    "compliance:regimes",
    "compliance:releases",
    "compliance:reports",
    "compliance:tokens",
    "incidents:alerts",
    "incidents:observe",
    "incidents:respond",
    "incidents:rota",
    "incidents:rules",
)


@pytest.fixture
def client(ada, bo, rae, cy, client_as):
    furnish(ada=ada, bo=bo, rae=rae, cy=cy)
    return client_as(ada)


@pytest.fixture
def who(ada, bo, rae, as_actor):
    return {"ada": as_actor(ada), "bo": as_actor(bo), "rae": as_actor(rae)}


def measured(client):
    """How many queries each list costs this reader; lists that are closed to them left out."""
    counts = {name: queries(client, name) for name in LISTS}
    return {name: n for name, n in counts.items() if n is not None}


def queries(client, name):
    # A look at the clocks serves all pages of ten seconds; it is due before the count, not within.
    timekeeping.forget()
    if client.get(reverse(name)).status_code == 403:
        return None
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(reverse(name))
    assert answer.status_code == 200, name
    return len(captured.captured_queries)


def test_every_list_page_keeps_to_its_budget(client):
    counts = measured(client)
    if os.environ.get("STRATA_WRITE_QUERY_COUNTS"):
        BUDGETS.write_text(json.dumps(counts, indent=2) + "\n")
    budgets = json.loads(BUDGETS.read_text())
    assert set(budgets) == set(LISTS)
    over = {name: (n, budgets[name]) for name, n in counts.items() if n > budgets[name]}
    assert over == {}, "page: (queries now, budget)"


def test_a_longer_list_costs_no_more_queries(client, bo, client_as, who):
    another_row_of_everything(who, 1)
    readers = {"ada": client, "bo": client_as(bo)}
    before = {key: measured(reader) for key, reader in readers.items()}
    for number in (2, 3, 4):
        another_row_of_everything(who, number)
    after = {key: measured(reader) for key, reader in readers.items()}
    grown = {
        (key, name): (before[key][name], after[key][name])
        for key in readers
        for name in before[key]
        if after[key][name] > before[key][name]
    }
    assert grown == {}, "reader, page: (queries with few rows, with more)"


def another_row_of_everything(who, number):
    deployment, version = cast.watched("canary")
    cast.authorise(deployment, version, who["ada"])
    registry.observe_serving(deployment, "f" * 64, said_by="target", by=cast.MAKER)
    results.finished_scan(version)
    factories.make_deployment(version.model.system)
    cast.judge(deployment, cast.body(cast.tool_call(1, "send_mail"), key=deployment.key))
    person = account.make(f"{number}@example.org", "One more", [Role.RESPONDER], by=cast.MAKER)
    account.make_token("One more", ["event:ingest"], deployment=deployment, by=who["ada"])
    paging.add_shift(
        person, rung=1, starts_at=now(), ends_at=now() + timedelta(hours=1), by=who["ada"]
    )
    campaign.start(version, f"Campaign {number}", scope="Keys.", by=who["bo"])
    dossier.annex_iv(version, by=who["ada"])
    rule.add(RULE.replace("version: 1,", f"version: {number + 1},"), by=who["bo"])
    something_went_wrong(who, deployment, version)


def something_went_wrong(who, deployment, good):
    bad = factories.make_version(deployment.system)
    gate.evaluate(bad, "canary", by=who["bo"])
    found = cast.opened(deployment, bad)
    incident.classify(
        found, facts={"aware_at": cast.minutes_ago(5).isoformat()}, limbs=["cyber_breach"],
        serious=True, reasons="Credentials left.", by=who["rae"],
    )  # fmt: skip
    incident.choose(found, choice="emergency", reason="It leaks.", by=who["rae"])
    rollback.request(found, good, reason="It leaks.", by=who["bo"])
