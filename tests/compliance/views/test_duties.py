"""The board of clocks, one clock, who answers for it: pages of duties."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compliance.audit import log
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance
from compliance.permissions import NotAllowed
from compliance.regimes import load
from compliance.services import charge, subject, timekeeping
from compliance.views import shown

pytestmark = pytest.mark.django_db


def clocks(n, *, place=None, state="running", start=0, **columns):
    """So many clocks, due a minute apart, in one insert."""
    place = place or subject.make("incident", "INC-2026-0001")
    regime = load.get(columns.get("regime", "eu-gdpr-33"))
    due = now() + timedelta(hours=5)
    filled = {
        "regime": regime.key,
        "regime_version": regime.version,
        "regime_sha256": regime.digest,
        "regime_title": regime.title,
        "stage": str(regime.stages[0].id),
        "zone": "Europe/Berlin",
        "started_at": due - timedelta(hours=72),
        "computed_at": now(),
        **columns,
    }
    rows = [
        ClockInstance(
            subject=place,
            about_kind="incident",
            about_uuid=uuid4(),
            state=state,
            target_due=due + timedelta(minutes=start + number),
            strict=due + timedelta(minutes=start + number),
            inputs_sha256=f"{start + number:064x}",
            **filled,
        )
        for number in range(n)
    ]
    return ClockInstance.objects.bulk_create(rows, batch_size=2_000)


def board(client, **asked):
    answer = client.get(reverse("compliance:duties"), asked)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_the_board_shows_a_page_and_says_how_many_there_are(rae, client_as):
    clocks(120)
    clocks(3, state="facts_needed", start=500)
    html = board(client_as(rae))
    assert "1–50 of 120" in html
    assert html.count("data-clock-due") == 50 + 3
    assert 'Facts needed <span class="tab-count">3</span>' in html
    assert "101–120 of 120" in board(client_as(rae), page="3")


def test_the_soonest_comes_first_and_the_recipients_wall_stands_beside(rae, client_as):
    rae.zone = "America/New_York"
    rae.save(update_fields=["zone"])
    [later] = clocks(1, place=subject.make("incident", "INC-later"), start=60)
    [sooner] = clocks(1, place=subject.make("incident", "INC-sooner"))
    html = board(client_as(rae))
    table = html[html.index("<tbody>") :]
    assert table.index("INC-sooner") < table.index("INC-later")
    [first, second] = re.findall(r'<h2 class="clock-title">.*?</h2>', html)
    assert "INC-sooner: " in first
    assert "INC-later: " in second
    assert "America/New_York" in html
    assert re.search(r"\d\d:\d\d CES?T \(Europe/Berlin\)", table)
    assert str(later.uuid) in table
    assert str(sooner.uuid) in table


def test_filters_narrow_by_regime_owner_and_time_left(rae, bo, client_as, as_actor):
    [mine] = clocks(1, place=subject.make("incident", "INC-mine"))
    clocks(1, place=subject.make("incident", "INC-dora"), regime="eu-dora-19", start=60 * 24 * 9)
    charge.assign(mine, owner=rae, deputy=bo, by=as_actor(rae))
    client = client_as(rae)
    assert "INC-dora" not in board(client, regime="eu-gdpr-33")
    assert "INC-dora" not in board(client, whose="mine")
    assert "INC-mine" in board(client, whose="mine")
    assert "INC-mine" in board(client_as(bo), whose="mine")
    assert "INC-mine" not in board(client, whose="nobody")
    assert "INC-dora" not in board(client, within="week")
    assert "INC-mine" in board(client, within="day")
    assert "INC-mine" not in board(client, within="4h")
    assert "Rae, deputy Bo" in board(client)
    assert "INC-mine" in board(client, whose="'; drop", within="x", show="y", page="z")


def test_what_is_not_in_force_never_counts_down_and_says_why(rae, client_as):
    clocks(1, state="not_in_force", regime="us-il-sb315")
    html = board(client_as(rae), show="future")
    assert "data-clock-due" not in html
    status = load.get("us-il-sb315").status
    word = "enacted, not yet effective" if status == "enacted_not_effective" else "not in force"
    assert word in html


def test_hostile_titles_stay_text(rae, client_as):
    clocks(1, place=subject.make("incident", "<script>alert(1)</script>"))
    assert (
        "<script>alert(1)" not in client_as(rae).get(reverse("compliance:duties")).content.decode()
    )


def test_outsiders_see_no_board_and_no_clock(dee, rae, client_as):
    [clock] = clocks(1, place=subject.make("incident", "Hidden", restricted=True))
    assert client_as(dee).get(reverse("compliance:duties")).status_code == 403
    address = reverse("compliance:clock", args=[clock.uuid])
    assert client_as(rae).get(address).status_code == 404
    assert "Hidden" not in board(client_as(rae))
    assigned = client_as(rae).post(reverse("compliance:assign_clock", args=[clock.uuid]), {})
    assert assigned.status_code == 404


def test_twenty_thousand_clocks_cost_the_queries_of_fifty(rae, client_as):
    client = client_as(rae)
    clocks(60)
    board(client)

    def counted():
        timekeeping.forget()  # due again after ten seconds, whatever the number of clocks
        with CaptureQueriesContext(connection) as captured:
            board(client)
        return [query["sql"] for query in captured.captured_queries]

    few = counted()
    clocks(20_000, start=60)
    many = counted()
    assert len(many) == len(few)
    [page] = [
        sql
        for sql in many
        if "LIMIT 50" in sql and '"clockinstance"' in sql.replace("compliance_", "")
    ]
    plan = plan_of(page)
    if connection.vendor == "sqlite":
        assert "clock_board" in plan
        assert "TEMP B-TREE FOR ORDER BY" not in plan


def plan_of(sql):
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(row) for row in cursor.fetchall())


def test_a_person_is_put_in_charge_and_the_log_knows(rae, bo, client_as):
    [clock] = clocks(1)
    address = reverse("compliance:assign_clock", args=[clock.uuid])
    answer = client_as(rae).post(address, {"owner": bo.uuid, "deputy": rae.uuid}, follow=True)
    assert "Assigned." in answer.content.decode()
    clock.refresh_from_db()
    assert (clock.owner, clock.deputy) == (bo, rae)
    [line] = [each for each in log.entries(objects=[clock.uuid]) if each.action == "clock.assign"]
    assert "put somebody in charge" in line.sentence
    again = client_as(rae).post(address, {"owner": bo.uuid, "deputy": bo.uuid}, follow=True)
    assert "somebody else" in again.content.decode()
    clock.refresh_from_db()
    assert clock.deputy == rae


def test_who_may_not_manage_duties_assigns_nobody(bo, rae, as_actor, client_as):
    [clock] = clocks(1)
    with pytest.raises(NotAllowed):
        charge.assign(clock, owner=bo, by=as_actor(bo))
    answer = client_as(bo).post(
        reverse("compliance:assign_clock", args=[clock.uuid]), {"owner": bo.uuid}
    )
    assert answer.status_code == 403
    html = client_as(bo).get(reverse("compliance:clock", args=[clock.uuid])).content.decode()
    assert "Who answers for it" not in html


def test_a_replaced_clock_is_assigned_to_nobody(rae, as_actor):
    old, new = clocks(2)
    ClockInstance.objects.filter(pk=old.pk).update(replaced_by=new)
    with pytest.raises(TransitionRefused):
        charge.assign(old, owner=rae, by=as_actor(rae))


def test_a_clock_names_its_version_and_links_to_that_very_one(rae, client_as):
    [clock] = clocks(1, regime_version="1.0.0", legal_latest=now() + timedelta(days=9))
    html = client_as(rae).get(reverse("compliance:clock", args=[clock.uuid])).content.decode()
    assert reverse("compliance:regime_version", args=["eu-gdpr-33", "1.0.0"]) in html
    assert "eu-gdpr-33@1.0.0" in html
    assert "Latest arguable date, confirm with counsel" in html


def test_facts_needed_shows_the_earliest_date_and_counts_nothing(rae, client_as):
    earliest = now() + timedelta(hours=30)
    [clock] = clocks(1, state="facts_needed", earliest_if_confirmed=earliest)
    html = client_as(rae).get(reverse("compliance:clock", args=[clock.uuid])).content.decode()
    assert "Earliest, if confirmed now" in html
    assert earliest.isoformat(timespec="seconds")[:13] in html.replace("+00:00", "")
    assert "data-clock-due" not in html


def test_a_place_whose_short_name_says_it_all_is_named_once():
    at = datetime(2026, 12, 10, 3, 44, tzinfo=UTC)
    assert shown.in_zone(at, "UTC") == "10 December 2026, 03:44 UTC"
    assert shown.in_zone(at, "Europe/Berlin") == "10 December 2026, 04:44 CET (Europe/Berlin)"
