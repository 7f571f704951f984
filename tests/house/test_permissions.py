import re
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from compliance.actors import Actor, ActorKind, require, system
from compliance.permissions import (
    READING,
    ROLES,
    TOKEN_SCOPES,
    NotAllowed,
    Permission,
    Role,
    permissions_of,
)

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "compliance/permissions.py"
OPEN = SimpleNamespace(uuid=UUID(int=1), restricted=False)
RESTRICTED = SimpleNamespace(uuid=UUID(int=2), restricted=True)

each_role = pytest.mark.parametrize("role", list(Role))


def somebody(permissions=frozenset(), **more):
    return Actor(
        ActorKind.PERSON, UUID(int=9), "somebody", frozenset(permissions), user_id=9, **more
    )


def test_the_table_is_sorted_and_reads_resource_then_action():
    names = [p.name for p in Permission if p is not Permission.SYSTEM]
    assert names == sorted(names)
    assert all(re.fullmatch(r"[a-z]+:[a-z]+", p.value) for p in Permission)


def test_every_permission_is_asked_for_somewhere():
    sources = [
        path
        for app in ("compliance", "assessments", "incidents", "config")
        for path in (ROOT / app).rglob("*.py")
        if path != TABLE
    ]
    text = "\n".join(path.read_text() for path in sources)
    asked = set(re.findall(r"\b(?:Permission|P|_P)\.([A-Z_]+)\b", text))
    assert {p.name for p in Permission} - asked == set()


def test_every_permission_is_held_by_somebody():
    held = frozenset().union(*ROLES.values()) | TOKEN_SCOPES
    assert set(Permission) - held == {Permission.SYSTEM}


@each_role
def test_no_role_acts_as_the_system(role):
    assert Permission.SYSTEM not in ROLES[role]


def test_every_role_is_in_the_table():
    assert set(ROLES) == set(Role)


@each_role
@pytest.mark.parametrize("permission", list(Permission))
def test_the_table_decides(role, permission):
    actor = somebody(permissions_of([role]))
    assert actor.may(permission) is (permission in ROLES[role])
    if permission not in ROLES[role]:
        with pytest.raises(NotAllowed, match=permission):
            require(actor, permission)


@each_role
def test_a_role_opens_nothing_that_is_restricted(role):
    actor = somebody(permissions_of([role]))
    assert not any(actor.may(permission, RESTRICTED) for permission in Permission)


def test_a_grant_opens_one_thing_for_one_permission():
    actor = somebody(grants={RESTRICTED.uuid: frozenset({Permission.CAMPAIGN_READ})})
    assert actor.may(Permission.CAMPAIGN_READ, RESTRICTED)
    assert not actor.may(Permission.CAMPAIGN_WORK, RESTRICTED)
    assert not actor.may(Permission.CAMPAIGN_READ, OPEN)
    assert not actor.may(Permission.CAMPAIGN_READ)


def test_the_auditor_changes_nothing():
    assert ROLES[Role.AUDITOR] - READING == {Permission.AUDIT_EXPORT, Permission.AUDIT_READ}


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (Permission.ROLLBACK_REQUEST, Permission.ROLLBACK_APPROVE),
        (Permission.REPORT_DRAFT, Permission.REPORT_APPROVE),
        (Permission.WAIVER_REQUEST, Permission.WAIVER_APPROVE),
        (Permission.HOLD_PLACE, Permission.HOLD_RELEASE),
    ],
)
def test_for_every_pair_of_eyes_there_are_two_roles(ask, answer):
    askers = {role for role in Role if ask in ROLES[role]}
    answerers = {role for role in Role if answer in ROLES[role]}
    assert askers
    assert answerers
    assert len(askers | answerers) > 1


def test_a_token_reads_and_sends_and_decides_nothing():
    assert not TOKEN_SCOPES & {
        Permission.GATE_DECIDE, Permission.REPORT_APPROVE, Permission.REPORT_FILE,
        Permission.ROLLBACK_APPROVE, Permission.WAIVER_APPROVE, Permission.TOKEN_MANAGE,
    }  # fmt: skip


def test_the_system_may_act_everywhere():
    assert system("tests").may(Permission.SYSTEM, RESTRICTED)
