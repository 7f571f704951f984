"""Red-team campaigns: open, invite, find, close. Closing attests what the campaign showed."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.models import Campaign, CampaignFinding
from assessments.policies import load
from assessments.policies.load import SEVERITIES
from assessments.policies.schema import ScanCriteria
from assessments.scanner.contract import Family
from assessments.services import gate
from assessments.states import CAMPAIGN
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ModelVersion, User
from compliance.permissions import NotAllowed, Permission
from compliance.services import evidence, subject

GATEKEEPER = system("gatekeeper")
SEVERITY_WORDS = {
    "low": gettext_lazy("low"),
    "medium": gettext_lazy("medium"),
    "high": gettext_lazy("high"),
    "critical": gettext_lazy("critical"),
}
CONCERNS = tuple(family.value for family in Family if family is not Family.BENIGN)


class CampaignError(ValueError):
    """A campaign or finding lacks something."""


@transaction.atomic
def start(version: ModelVersion, name: str, *, scope: str, by: Actor) -> Campaign:
    """Open a bounded attempt to break one version."""
    require(by, Permission.CAMPAIGN_WORK, version.subject)
    if not name.strip() or not scope.strip():
        raise CampaignError(
            _("A campaign needs a name and a scope: what is tried, and what is not.")
        )
    made = Campaign.objects.create(
        subject=subject.make("campaign", name),
        version=version,
        name=name.strip(),
        scope=scope.strip(),
        opened_by_id=_person(by),
        opened_at=now(),
    )
    record(
        "campaign.open",
        made,
        by=by,
        after="open",
        words={"name": made.name, "scope": made.scope},
        version=str(version.uuid),
    )
    return made


@transaction.atomic
def invite(campaign: Campaign, person: User, *, by: Actor) -> None:
    """Let somebody see and work on this campaign, and on nothing else."""
    require(by, Permission.CAMPAIGN_WORK, campaign.subject)
    _require_open(campaign)
    for permission in (Permission.CAMPAIGN_READ, Permission.CAMPAIGN_WORK):
        subject.grant(campaign.subject, person, permission, by=by)
    record(
        "campaign.invite", campaign, by=by, words={"person": person.name}, person=str(person.uuid)
    )


def invite_by_email(campaign: Campaign, email: str, *, by: Actor) -> None:
    """The same for whoever signs in with this address.

    Raises:
        CampaignError: nobody does.
    """
    person = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if person is None:
        raise CampaignError(
            _("Nobody signs in as %(email)s; have an account made first.")
            % {"email": email.strip()}
        )
    invite(campaign, person, by=by)


@transaction.atomic
def add_finding(
    campaign: Campaign, title: str, *, concern: str, severity: str, detail: str, by: Actor
) -> CampaignFinding:
    """One way in that worked, or nearly."""
    require(by, Permission.CAMPAIGN_WORK, campaign.subject)
    _require_open(campaign)
    _check_finding(title, concern, severity)
    made = CampaignFinding.objects.create(
        campaign=campaign,
        title=title.strip()[:200],
        concern=concern,
        severity=severity,
        detail=detail.strip(),
        by_id=_person(by),
        at=now(),
    )
    record(
        "campaign.finding",
        made,
        by=by,
        words={"title": made.title},
        campaign=str(campaign.uuid),
        concern=concern,
        severity=severity,
    )
    return made


@transaction.atomic
def close(campaign: Campaign, *, n_attempts: int, conclusion: str, by: Actor) -> Campaign:
    """End the campaign and attest what it showed, by criteria settled before."""
    if n_attempts < 0 or not conclusion.strip():
        raise CampaignError(_("Say how many attempts were made and what the campaign concludes."))
    advance(
        campaign,
        CAMPAIGN,
        "close",
        by=by,
        note=conclusion,
        changes={"closed_at": now(), "n_attempts": n_attempts, "conclusion": conclusion.strip()},
        n_attempts=n_attempts,
    )
    criteria = load.scan_criteria()
    counts = severities(campaign)
    status, summary = judge(n_attempts, counts, criteria)
    evidence.attest(
        campaign.version,
        "red_team",
        layer=1,
        status=status,
        summary=summary,
        payload=_payload(campaign, counts, criteria),
        source=campaign.ref,
        by=by,
    )
    gate.evaluate_everywhere(campaign.version, by=GATEKEEPER)
    return campaign


def severities(campaign: Campaign) -> dict[str, int]:
    """How many findings there are of each severity."""
    found = list(campaign.findings.values_list("severity", flat=True))
    return {severity: found.count(severity) for severity in SEVERITIES}


def judge(n_attempts: int, counts: dict[str, int], criteria: ScanCriteria) -> tuple[str, str]:
    """What a campaign counts for: blocking findings, enough attempts, or neither."""
    blocking = sum(counts[severity] for severity in criteria.blocking_severities)
    if blocking:
        return "not_met", _("%(n)s findings of severity %(which)s in %(tries)s attempts.") % {
            "n": blocking,
            "which": _blocking(criteria),
            "tries": n_attempts,
        }
    if n_attempts < criteria.fewest_attempts:
        return "inconclusive", _(
            "%(tries)s attempts are fewer than the %(least)s that would say something."
        ) % {
            "tries": n_attempts,
            "least": criteria.fewest_attempts,
        }
    return "met", _(
        "No finding of severity %(which)s in %(tries)s attempts; %(n)s lesser findings."
        " What was not tried was not shown."
    ) % {
        "which": _blocking(criteria),
        "tries": n_attempts,
        "n": sum(counts.values()),
    }


def _blocking(criteria: ScanCriteria) -> str:
    return _(" or ").join(str(SEVERITY_WORDS[each]) for each in criteria.blocking_severities)


def _payload(campaign: Campaign, counts: dict[str, int], criteria: ScanCriteria) -> dict[str, Any]:
    return {
        "campaign": str(campaign.uuid),
        "name": campaign.name,
        "scope": campaign.scope,
        "n_attempts": campaign.n_attempts,
        "severities": counts,
        "conclusion": campaign.conclusion,
        "criteria": {"version": criteria.version, "sha256": criteria.sha256},
        "findings": [
            {"uuid": str(f.uuid), "title": f.title, "concern": f.concern, "severity": f.severity}
            for f in campaign.findings.order_by("id")
        ],
    }


def _check_finding(title: str, concern: str, severity: str) -> None:
    if not title.strip():
        raise CampaignError(_("A finding needs a title that says what happened."))
    if concern not in CONCERNS:
        raise CampaignError(
            _("Unknown concern “%(concern)s”; expected one of %(concerns)s.")
            % {"concern": concern, "concerns": ", ".join(CONCERNS)}
        )
    if severity not in SEVERITIES:
        raise CampaignError(
            _("Unknown severity “%(severity)s”; expected one of %(severities)s.")
            % {"severity": severity, "severities": ", ".join(SEVERITIES)}
        )


def _require_open(campaign: Campaign) -> None:
    if campaign.state != "open":
        raise TransitionRefused(
            _("“%(name)s” is closed; open a new campaign.") % {"name": campaign.name}
        )


def _person(by: Actor) -> int:
    if by.user_id is None:
        raise NotAllowed(
            _("%(who)s is not a person; a campaign is people's work.") % {"who": by.label}
        )
    return by.user_id
