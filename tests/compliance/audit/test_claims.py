"""A claim is not written to the log, so the log's next word begins where the claim did."""

import json

import pytest

from assessments.states import SCAN
from compliance import lease
from compliance.actors import system
from compliance.audit.advance import advance
from compliance.audit.models import Entry
from compliance.machines import Machine, State
from compliance.models import Notice
from compliance.services import notice, subject
from compliance.states import NOTICE
from incidents.states import ROLLBACK

MAKER = system("tests")


@pytest.mark.django_db
def test_each_logged_change_begins_where_the_last_logged_one_ended():
    place = subject.make("incident", "Leak")
    row = notice.queue(place, channel="null", to="x", title="t", body="b", by=MAKER)
    for verb in ("retry", "deliver"):
        claimed = lease.claim(Notice, row.pk, waiting="queued", running="sending")
        advance(claimed, NOTICE, verb, by=MAKER, fence=claimed.fence, changes=lease.free())
    leaves = [json.loads(bytes(entry.leaf)) for entry in Entry.objects.order_by("pk")]
    moves = [
        (each["before"], each["after"]) for each in leaves if each["object"]["id"] == str(row.uuid)
    ]
    assert moves == [("", "queued"), ("queued", "queued"), ("queued", "delivered")]


@pytest.mark.parametrize(
    ("machine", "state", "logged"),
    [(SCAN, "running", "queued"), (ROLLBACK, "executing", "approved"), (SCAN, "done", "done")],
)
def test_a_state_under_a_lease_is_logged_as_the_one_it_was_claimed_from(machine, state, logged):
    assert machine.logged(state) == logged


def test_a_machine_refuses_a_claim_out_of_a_state_it_does_not_have():
    with pytest.raises(ValueError, match="ready"):
        Machine(
            "job",
            {"queued": State("queued"), "running": State("running", claimed_from="ready")},
            {},
        )
