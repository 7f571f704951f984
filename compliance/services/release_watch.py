"""When nobody approves: the deputy chain, then the incomplete report, then a standing authorisation.

Before a clock's target, for a report that is still not approved:

- four hours before, whoever may stand in is called: owner, deputy, everybody who may approve;
- three hours before, where the regime allows an incomplete report, it is offered for release: a
  person states what is open as not known yet and submits it, a second person approves;
- one hour before, it goes out without a person, if and only if a written authorisation covers it.

Nothing here is scheduled by the latest arguable date.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.machines import TransitionRefused
from compliance.models import (
    ApprovalRequest,
    ClockInstance,
    Filing,
    ReleaseAuthorisation,
    Report,
    User,
)
from compliance.permissions import Permission
from compliance.phrase import said
from compliance.regimes.terms import UnknownPolicy
from compliance.services import (
    approval,
    deadline,
    document,
    release,
    reminder,
    report,
    report_translation,
    submission,
    wording,
)
from compliance.services.release import CLERK
from compliance.states import REPORT

log = logging.getLogger(__name__)
CALLED = timedelta(hours=4)
OFFERED = timedelta(hours=3)
UNATTENDED = timedelta(hours=1)
LOOKS_BACK = timedelta(days=1)
NOT_APPROVED = ("drafting", "review")
COUNTING = ("running", "overdue", "overdue_immediate")
GONE = ("superseded", "withdrawn", "not_reportable")


def sweep(at: datetime | None = None) -> int:
    """One round over the clocks whose target is near; how many there are."""
    moment = at or now()
    release.expire_due(moment)
    near = ClockInstance.objects.filter(
        replaced_by=None,
        state__in=COUNTING,
        target_due__gt=moment - LOOKS_BACK,
        target_due__lte=moment + CALLED,
    ).select_related("subject", "owner", "deputy")
    found = list(near.order_by("target_due"))
    for clock in found:
        _look(clock, moment)
    for waiting in _released_and_printed():
        try:
            dispatch(waiting)
        except TransitionRefused as refused:
            log.info("unattended filing: %s", refused)
    return len(found)


def report_of(clock: ClockInstance) -> Report | None:
    """The newest report of exactly this clock that is not out of the way."""
    rows = Report.objects.filter(
        about_uuid=clock.about_uuid,
        regime=clock.regime,
        stage=clock.stage,
        authority=clock.authority,
        sequence=clock.sequence,
    )
    found: Report | None = rows.exclude(state__in=GONE).order_by("-pk").first()
    return found


def _look(clock: ClockInstance, at: datetime) -> None:
    due = clock.target_due
    drafted = report_of(clock)
    if due is None or (drafted is not None and drafted.state not in NOT_APPROVED):
        return
    _call_deputies(clock, drafted)
    if drafted is None or at < due - OFFERED:
        return
    if release.takes_incomplete(drafted):
        offer(drafted, clock, by=CLERK)
    if at >= due - UNATTENDED:
        release_unattended(drafted, clock)


@transaction.atomic
def _call_deputies(clock: ClockInstance, drafted: Report | None) -> None:
    """Once for each clock: whoever may stand in for the approver who is not there."""
    if not deadline.warn(clock, "deputies", by=CLERK):
        return
    barred = report.editors(drafted) if drafted else frozenset()
    chain = [person for person in stand_ins(clock) if person.pk not in barred]
    reminder.tell(
        chain,
        drafted or clock,
        title=_("No approval, and less than four hours are left: %(what)s")
        % {"what": _what(clock)},
        body=_("Due %(due)s (%(zone)s). Whoever drafted it may not approve it; you may.")
        % _due(clock)
        if drafted
        else _("Due %(due)s (%(zone)s). No report is begun.") % _due(clock),
        severity="critical",
        by=CLERK,
    )


def stand_ins(clock: ClockInstance) -> list[User]:
    """The chain: who is in charge of the clock, then everybody who may approve, each once."""
    place = clock.subject if clock.subject.restricted else None
    named = [each for each in (clock.owner, clock.deputy) if each is not None and each.is_active]
    may = reminder.holders(Permission.REPORT_APPROVE, restricted=place)
    return list({person.pk: person for person in (*named, *may)}.values())


def _what(clock: ClockInstance) -> str:
    stage = said(deadline.stage_title(clock), translation)
    return f"{clock.subject.label}, {said(clock.regime_title, translation)}, {stage}"


def _due(clock: ClockInstance) -> dict[str, str]:
    due = wording.moment(clock.target_due, clock.zone) if clock.target_due else ""
    return {"due": due, "zone": clock.zone}


@transaction.atomic
def offer(drafted: Report, clock: ClockInstance, *, by: Actor) -> bool:
    """Offer the incomplete report for release, once; False where it was offered before.

    Raises:
        TransitionRefused: the regime takes no incomplete report for this stage.
    """
    if not release.takes_incomplete(drafted):
        raise TransitionRefused(_("The regime takes no incomplete report for this stage."))
    offered = Report.objects.filter(
        pk=drafted.pk, is_incomplete=False, state__in=NOT_APPROVED
    ).update(is_incomplete=True)
    if not offered:
        return False
    drafted.is_incomplete = True
    open_fields = len(report.missing(drafted))
    record(
        "report.offer",
        drafted,
        by=by,
        before=drafted.state,
        after=drafted.state,
        clock=clock.ref,
        target_due=stamp(clock.target_due) if clock.target_due else None,
        open_fields=open_fields,
    )
    people = {
        person.pk: person
        for permission in (Permission.REPORT_FILE, Permission.REPORT_APPROVE)
        for person in reminder.holders(
            permission, restricted=drafted.subject if drafted.subject.restricted else None
        )
    }
    reminder.tell(
        people.values(),
        drafted,
        title=_("Offered for release, incomplete: %(what)s") % {"what": _what(clock)},
        body=_(
            "Due %(due)s (%(zone)s). The regime takes an incomplete report; %(n)d fields are open."
        )
        % {**_due(clock), "n": open_fields},
        severity="critical",
        by=CLERK,
    )
    return True


@transaction.atomic
def accept(drafted: Report, *, by: Actor) -> ApprovalRequest:
    """A person takes the offer: what is open is stated as not known yet, and a second person is asked.

    Raises:
        TransitionRefused: it was not offered, or is not being drafted.
    """
    require(by, Permission.REPORT_DRAFT, drafted.subject)
    if not drafted.is_incomplete or drafted.state != "drafting":
        raise TransitionRefused(_("No incomplete report is offered for release here."))
    why = _("Not established when this incomplete report was due; it follows with the next one.")
    # What may not be stated as unknown stays open, and `submit` names it.
    answers = {
        each.id: {"status": "unknown", "why": why}
        for each in report.missing(drafted)
        if each.unknown_policy is UnknownPolicy.EXPLICIT_UNKNOWN
    }
    if answers:
        report.revise(drafted, answers, by=by)
    return report.submit(drafted, by=by)


@transaction.atomic
def release_unattended(drafted: Report, clock: ClockInstance) -> bool:
    """Approve in place of the second person, if a written authorisation covers exactly this report.

    Returns:
        Whether it was released. A worker prints it, and the next round sends it.
    """
    current = Report.objects.select_for_update().get(pk=drafted.pk)
    standing = release.covering(current)
    is_open = bool(report.missing(current))
    if standing is None or current.state not in NOT_APPROVED:
        return False
    if is_open and not release.takes_incomplete(current):
        return False
    if report_translation.waiting(current):
        return False
    sha256 = report.current_sha256(current)
    facts: dict[str, Any] = {
        "sha256": sha256,
        "authorisation": standing.ref,
        "authorisation_sha256": standing.sha256,
        "clock": clock.ref,
    }
    if current.state == "drafting":
        advance(current, REPORT, "submit", by=CLERK, **facts)
    approval.void(current, report.PURPOSE, by=CLERK)
    changes = {"approved_sha256": sha256, "is_incomplete": current.is_incomplete or is_open}
    advance(current, REPORT, "release", by=CLERK, changes=changes, **facts)
    document.request(
        current.subject,
        what="incident_report",
        title=current.title,
        content=report.content(current),
        about=current,
        by=document.PRINTER,
        is_simulation=current.is_simulation,
    )
    return True


def _released_and_printed() -> Iterator[Report]:
    """Approved reports with their paper, of regimes for which an authorisation stands."""
    regimes = ReleaseAuthorisation.objects.filter(state="given", expires_at__gt=now())
    rows = Report.objects.filter(
        state="approved",
        pdf__isnull=False,
        twin__isnull=False,
        regime__in=regimes.values("regime"),
    ).exclude(approved_sha256="")
    yield from rows.select_related("subject")


@transaction.atomic
def dispatch(ready: Report) -> Filing | None:
    """Send an approved and printed report that a standing authorisation covers; none where none does.

    It goes by the first configured way that takes it. By hand needs a person, who is told elsewhere.

    Raises:
        TransitionRefused: the report changed after it was approved.
    """
    current = Report.objects.select_for_update().get(pk=ready.pk)
    standing = release.covering(current)
    ways = submission.ways(current)
    way = next((each for each in ways if each.name != submission.BY_HAND), None)
    if standing is None or way is None or current.state != "approved":
        return None
    return submission.dispatch(
        current, way=way.kind, way_config=submission.frozen(way), authorisation=standing, by=CLERK
    )
