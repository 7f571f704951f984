"""People, roles, tokens: who may do what, and what enters the record."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from compliance import clock
from compliance.actors import require, system
from compliance.audit import log
from compliance.models import ApiToken, RoleHeld
from compliance.permissions import ROLES, TOKEN_SCOPES, NotAllowed, Permission, Role
from compliance.services import account, subject
from tests import factories

pytestmark = pytest.mark.django_db
MAKER = system("tests")
P = Permission


def with_roles(*roles):
    return account.actor_for(
        account.make(f"{len(roles)}-{roles[0]}@example.org", "Somebody", roles, by=MAKER)
    )


@pytest.mark.parametrize("role", Role)
def test_a_role_allows_exactly_its_row_of_the_table(role):
    somebody = with_roles(role)
    allowed = {permission for permission in P if somebody.may(permission)}
    assert allowed == ROLES[role]


# What the product promises of each role, as it may not be lost in an edit of the table.
@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (Role.GOVERNANCE_LEAD, {P.INVENTORY_WRITE, P.GATE_DECIDE, P.REPORT_APPROVE, P.WAIVER_APPROVE}, {P.REPORT_FILE, P.SCAN_REQUEST}),
        (Role.SAFETY_ENGINEER, {P.SCAN_REQUEST, P.WATCHLIST_WRITE, P.RULE_WRITE}, {P.GATE_DECIDE, P.ACCOUNT_MANAGE}),
        (Role.RESPONDER, {P.INCIDENT_WORK, P.ROLLBACK_REQUEST}, {P.RULE_WRITE, P.REPORT_FILE}),
        (Role.FILING_OFFICER, {P.INCIDENT_CLASSIFY, P.REPORT_DRAFT, P.REPORT_FILE}, {P.EVIDENCE_ATTACH, P.REPORT_APPROVE}),
        (Role.RED_TEAMER, set(), set(P)),
        (Role.AUDITOR, {P.AUDIT_READ, P.AUDIT_EXPORT}, {P.INVENTORY_WRITE, P.EVIDENCE_ATTACH, P.INCIDENT_WORK}),
        (Role.COUNSEL, {P.HOLD_PLACE}, {P.GATE_DECIDE}),
        (Role.EXECUTIVE, {P.INVENTORY_READ}, {P.INVENTORY_WRITE, P.INCIDENT_WORK, P.EVENT_READ}),
    ],
)  # fmt: skip
def test_what_the_roles_promise(role, may, may_not):
    somebody = with_roles(role)
    assert all(somebody.may(permission) for permission in may)
    assert not any(somebody.may(permission) for permission in may_not)


def test_roles_add_up():
    both = with_roles(Role.RESPONDER, Role.FILING_OFFICER)
    assert both.permissions == ROLES[Role.RESPONDER] | ROLES[Role.FILING_OFFICER]


def test_nobody_holds_what_only_the_installation_may():
    assert not any(P.SYSTEM in held for held in ROLES.values())
    assert P.SYSTEM not in TOKEN_SCOPES


def test_a_restricted_subject_is_open_to_its_grants_alone(ada, dee):
    closed = subject.make("incident", "Leak", restricted=True)
    assert not account.actor_for(ada).may(P.INCIDENT_READ, closed)
    subject.grant(closed, dee, P.INCIDENT_READ, by=account.actor_for(ada))
    assert account.actor_for(dee).may(P.INCIDENT_READ, closed)
    assert not account.actor_for(dee).may(P.INCIDENT_WORK, closed)


def test_a_refusal_names_who_and_what(dee):
    with pytest.raises(NotAllowed, match=r"Dee may not do this: .*“scan:read”"):
        require(account.actor_for(dee), P.SCAN_READ)


def test_making_an_account_needs_the_permission(bo):
    with pytest.raises(NotAllowed, match="account:manage"):
        account.make("eve@example.org", "Eve", [Role.AUDITOR], by=account.actor_for(bo))


def test_an_address_is_one_person_whatever_its_case(ada):
    with pytest.raises(IntegrityError):
        account.make("ADA@example.org", "Another", [], by=MAKER)


def test_roles_are_replaced_by_another_and_the_change_is_recorded(ada, bo):
    account.set_roles(bo, [Role.AUDITOR], by=account.actor_for(ada))
    assert account.actor_for(bo).permissions == ROLES[Role.AUDITOR]
    line = log.entries(objects=[bo.uuid])[-1]
    assert line.action == "account.role"
    assert line.facts == {"was": ["responder", "safety_engineer"], "now": ["auditor"]}


def test_nobody_changes_their_own_roles(ada):
    with pytest.raises(NotAllowed, match="their own roles"):
        account.set_roles(ada, list(Role), by=account.actor_for(ada))
    assert RoleHeld.objects.filter(person=ada).count() == 1


def test_nobody_changes_their_own_roles_by_another_account(ada):
    other = account.make("ada+second@example.org", "Ada", [Role.AUDITOR], by=MAKER)
    with pytest.raises(NotAllowed, match="both share a mailbox"):
        account.set_roles(other, list(Role), by=account.actor_for(ada))
    assert [held.role for held in other.roles.all()] == [Role.AUDITOR]


def refused(machine, path="/api/v1/deadlines"):
    account.refused_token(path=path, why="It lacks the scope.", by=machine)


def test_a_token_writes_one_refusal_a_minute_whatever_addresses_it_asks(
    django_capture_on_commit_callbacks,
):
    token, _text = account.make_token("pipeline", [P.GATE_ASK], by=MAKER)
    other, _text = account.make_token("other", [P.GATE_ASK], by=MAKER)
    for machine in (token, token, other):
        for number in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                refused(account.actor_for_token(machine), f"/api/v1/{number}")
    for machine in (token, other):
        (line,) = log.entries(objects=[machine.uuid], actions=["token.refuse"])
        assert line.facts["path"] == "/api/v1/0"


def test_a_refusal_that_was_rolled_back_does_not_silence_the_next(
    django_capture_on_commit_callbacks,
):
    token, _text = account.make_token("pipeline", [P.GATE_ASK], by=MAKER)
    machine = account.actor_for_token(token)
    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(RuntimeError),
        transaction.atomic(),
    ):
        refused(machine)
        raise RuntimeError
    assert not log.entries(objects=[token.uuid], actions=["token.refuse"])
    with django_capture_on_commit_callbacks(execute=True):
        refused(machine)
    assert len(log.entries(objects=[token.uuid], actions=["token.refuse"])) == 1


def test_a_closed_account_keeps_no_permission(ada):
    ada.is_active = False
    assert account.actor_for(ada).permissions == frozenset()


def test_the_name_is_sealed_and_the_leaf_knows_a_pseudonym(ada):
    line = log.entries(objects=[ada.uuid])[0]
    assert line.words["name"] == "Ada"
    assert "Ada" not in str(line.facts)
    assert account.actor_for(ada).id == ada.uuid


def test_only_the_digest_of_a_token_is_kept(ada):
    token, text = account.make_token("pipeline", [P.GATE_ASK], by=account.actor_for(ada))
    stored = ApiToken.objects.values().get()
    assert text not in str(stored)
    assert account.token_by_text(text) == token
    assert account.token_by_text(text + "x") is None


def test_a_token_may_what_its_scopes_say_and_is_no_person():
    token, _text = account.make_token("pipeline", [P.GATE_ASK], by=MAKER)
    machine = account.actor_for_token(token)
    assert machine.permissions == {P.GATE_ASK}
    assert not machine.is_person


def test_a_token_cannot_hold_what_needs_a_person():
    with pytest.raises(ValueError, match="cannot hold gate:decide"):
        account.make_token("pipeline", [P.GATE_DECIDE], by=MAKER)


def test_a_token_for_telemetry_is_bound():
    with pytest.raises(ValueError, match="bound to one deployment"):
        account.make_token("agent", [P.EVENT_INGEST], by=MAKER)
    bound, _text = account.make_token(
        "agent", [P.EVENT_INGEST], deployment=factories.make_deployment(), by=MAKER
    )
    assert bound.deployment is not None


def test_a_token_ends_by_time_and_by_hand():
    token, text = account.make_token("pipeline", [P.GATE_ASK], lives=timedelta(days=1), by=MAKER)
    assert account.token_by_text(text, at=clock.now() + timedelta(days=2)) is None
    account.revoke_token(token, by=MAKER)
    account.revoke_token(token, by=MAKER)
    assert account.token_by_text(text) is None
    revoked = [line for line in log.entries(objects=[token.uuid]) if line.action == "token.revoke"]
    assert len(revoked) == 1


def test_use_is_noted_at_most_once_a_minute():
    token, text = account.make_token("pipeline", [P.GATE_ASK], by=MAKER)
    first = clock.now()
    account.token_by_text(text, at=first)
    account.token_by_text(text, at=first + timedelta(seconds=30))
    token.refresh_from_db()
    assert token.last_used_at == first
    account.token_by_text(text, at=first + timedelta(seconds=61))
    token.refresh_from_db()
    assert token.last_used_at == first + timedelta(seconds=61)


def test_everybody_sets_their_own_zone_and_nobody_elses(ada, dee):
    account.prefer(dee, zone="UTC", theme="dark", by=account.actor_for(dee))
    dee.refresh_from_db()
    assert (dee.zone, dee.theme) == ("UTC", "dark")
    with pytest.raises(NotAllowed):
        account.prefer(dee, zone="UTC", by=account.actor_for(ada))


@pytest.mark.parametrize("wrong", [{"zone": "Mars/Olympus"}, {"theme": "pink"}])
def test_a_zone_or_theme_that_is_none_is_refused(dee, wrong):
    with pytest.raises(ValueError, match="expected one"):
        account.prefer(dee, **wrong, by=account.actor_for(dee))


def test_setting_what_is_set_already_is_no_event(dee):
    before = len(log.entries(objects=[dee.uuid]))
    account.prefer(dee, zone=dee.zone, by=account.actor_for(dee))
    assert len(log.entries(objects=[dee.uuid])) == before
