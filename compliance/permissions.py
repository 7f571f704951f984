"""Every permission and every role, in one table each.

A permission reads "resource:action". Keep the list alphabetised; `make docs` prints it.
"""

from __future__ import annotations

from enum import StrEnum


class NotAllowed(Exception):
    """The actor lacks a permission, or is the one person who may not do this."""


class Permission(StrEnum):
    """What can be allowed or refused."""

    ACCOUNT_MANAGE = "account:manage"
    ALERT_TRIAGE = "alert:triage"
    AUDIT_EXPORT = "audit:export"
    AUDIT_READ = "audit:read"
    AUTHORITY_READ = "authority:read"
    AUTHORITY_WORK = "authority:work"
    CAMPAIGN_READ = "campaign:read"
    CAMPAIGN_WORK = "campaign:work"
    DECISION_READ = "decision:read"
    DEPLOYMENT_MANAGE = "deployment:manage"
    DOCUMENT_DRAFT = "document:draft"
    DOCUMENT_READ = "document:read"
    DUTY_MANAGE = "duty:manage"
    DUTY_READ = "duty:read"
    DUTY_WORK = "duty:work"
    EVENT_INGEST = "event:ingest"
    EVENT_READ = "event:read"
    EVIDENCE_ATTACH = "evidence:attach"
    EVIDENCE_READ = "evidence:read"
    GATE_ASK = "gate:ask"
    GATE_DECIDE = "gate:decide"
    HOLD_PLACE = "hold:place"
    HOLD_RELEASE = "hold:release"
    INCIDENT_CLASSIFY = "incident:classify"
    INCIDENT_OPEN = "incident:open"
    INCIDENT_READ = "incident:read"
    INCIDENT_WORK = "incident:work"
    INVENTORY_READ = "inventory:read"
    INVENTORY_WRITE = "inventory:write"
    RELEASE_APPROVE = "release:approve"
    RELEASE_ASK = "release:ask"
    REPORT_APPROVE = "report:approve"
    REPORT_DRAFT = "report:draft"
    REPORT_FILE = "report:file"
    REPORT_READ = "report:read"
    REVIEW_WRITE = "review:write"
    ROLLBACK_APPROVE = "rollback:approve"
    ROLLBACK_REQUEST = "rollback:request"
    ROTA_MANAGE = "rota:manage"
    RULE_READ = "rule:read"
    RULE_WRITE = "rule:write"
    SCAN_READ = "scan:read"
    SCAN_REQUEST = "scan:request"
    SYSTEM = "system:act"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - a word, not a secret
    WAIVER_APPROVE = "waiver:approve"
    WAIVER_REQUEST = "waiver:request"
    WATCHLIST_WRITE = "watchlist:write"


class Role(StrEnum):
    """What a person is in the organisation."""

    GOVERNANCE_LEAD = "governance_lead"
    SAFETY_ENGINEER = "safety_engineer"
    RESPONDER = "responder"
    FILING_OFFICER = "filing_officer"
    RED_TEAMER = "red_teamer"
    AUDITOR = "auditor"
    COUNSEL = "counsel"
    EXECUTIVE = "executive"


ALL_BUT_SYSTEM: frozenset[Permission] = frozenset(Permission) - {Permission.SYSTEM}

_P = Permission
READING: frozenset[Permission] = frozenset(
    {
        _P.AUTHORITY_READ,
        _P.CAMPAIGN_READ,
        _P.DECISION_READ,
        _P.DOCUMENT_READ,
        _P.DUTY_READ,
        _P.EVENT_READ,
        _P.EVIDENCE_READ,
        _P.INCIDENT_READ,
        _P.INVENTORY_READ,
        _P.REPORT_READ,
        _P.RULE_READ,
        _P.SCAN_READ,
    }
)

ROLES: dict[Role, frozenset[Permission]] = {
    Role.GOVERNANCE_LEAD: READING
    | {
        _P.ACCOUNT_MANAGE,
        _P.AUDIT_READ,
        _P.AUTHORITY_WORK,
        _P.DEPLOYMENT_MANAGE,
        _P.DOCUMENT_DRAFT,
        _P.DUTY_MANAGE,
        _P.DUTY_WORK,
        _P.EVIDENCE_ATTACH,
        _P.GATE_ASK,
        _P.GATE_DECIDE,
        _P.HOLD_RELEASE,
        _P.INCIDENT_CLASSIFY,
        _P.INCIDENT_OPEN,
        _P.INCIDENT_WORK,
        _P.INVENTORY_WRITE,
        _P.RELEASE_APPROVE,
        _P.REPORT_APPROVE,
        _P.REVIEW_WRITE,
        _P.ROLLBACK_APPROVE,
        _P.ROTA_MANAGE,
        _P.TOKEN_MANAGE,
        _P.WAIVER_APPROVE,
        _P.WAIVER_REQUEST,
    },
    Role.SAFETY_ENGINEER: READING
    | {
        _P.ALERT_TRIAGE,
        _P.CAMPAIGN_WORK,
        _P.DOCUMENT_DRAFT,
        _P.DUTY_WORK,
        _P.EVIDENCE_ATTACH,
        _P.GATE_ASK,
        _P.HOLD_PLACE,
        _P.INCIDENT_OPEN,
        _P.INCIDENT_WORK,
        _P.INVENTORY_WRITE,
        _P.REVIEW_WRITE,
        _P.ROLLBACK_REQUEST,
        _P.RULE_WRITE,
        _P.SCAN_REQUEST,
        _P.WAIVER_APPROVE,
        _P.WAIVER_REQUEST,
        _P.WATCHLIST_WRITE,
    },
    Role.RESPONDER: READING
    | {
        _P.ALERT_TRIAGE,
        _P.HOLD_PLACE,
        _P.INCIDENT_OPEN,
        _P.INCIDENT_WORK,
        _P.REVIEW_WRITE,
        _P.ROLLBACK_APPROVE,
        _P.ROLLBACK_REQUEST,
        _P.ROTA_MANAGE,
    },
    Role.FILING_OFFICER: READING
    | {
        _P.AUTHORITY_WORK,
        _P.DOCUMENT_DRAFT,
        _P.DUTY_MANAGE,
        _P.DUTY_WORK,
        _P.INCIDENT_CLASSIFY,
        _P.RELEASE_ASK,
        _P.REPORT_DRAFT,
        _P.REPORT_FILE,
    },
    # Sees only the campaigns on which a grant was given: no reading by role.
    Role.RED_TEAMER: frozenset(),
    Role.AUDITOR: READING | {_P.AUDIT_EXPORT, _P.AUDIT_READ},
    Role.COUNSEL: READING
    | {
        _P.AUTHORITY_WORK,
        _P.DUTY_WORK,
        _P.HOLD_PLACE,
        _P.RELEASE_APPROVE,
        _P.REPORT_APPROVE,
    },
    Role.EXECUTIVE: frozenset({_P.DECISION_READ, _P.INVENTORY_READ, _P.DOCUMENT_READ}),
}

TOKEN_SCOPES: frozenset[Permission] = frozenset(
    {
        _P.EVENT_INGEST,
        _P.GATE_ASK,
        _P.INCIDENT_OPEN,
        _P.SCAN_REQUEST,
        _P.WATCHLIST_WRITE,
        *READING,
    }
)


def permissions_of(roles: list[str]) -> frozenset[Permission]:
    """The union of what these roles allow."""
    held: frozenset[Permission] = frozenset()
    for role in roles:
        held |= ROLES[Role(role)]
    return held
