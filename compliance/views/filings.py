"""Filings on their report's page: what became of them, and what people do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.clock import now
from compliance.filestore import FileStoreError
from compliance.filing.base import FilingError
from compliance.forms.reports import ReceiptForm
from compliance.machines import TransitionRefused
from compliance.permissions import Permission
from compliance.services import circuit, filing_watch, receipt, submission, time_stamp, wording
from compliance.services.ways import checklist, circuit_name
from compliance.states import FILING, TIME_STAMP
from compliance.views import shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.filing.checklist import Checklist
    from compliance.models import Filing, FilingAttempt, TimeStamp

OUTCOMES: dict[str, Promise] = {
    "started": _("begun"),
    "receipt": _("receipt"),
    "rejected": _("rejected"),
    "by hand": _("by hand"),
    "delivered": _("handed to the carrier"),
    "pending": _("taken in, receipt to come"),
    "unknown": _("unknown"),
    "failed": _("failed"),
}
WAYS: dict[str, Promise] = {
    "http": _("Sent to the recipient's interface"),
    "sftp": _("Laid into the recipient's folder"),
    "email": _("Sent by e-mail"),
    "manual": _("Handed over by a person"),
    "null": _("Kept here; sent nowhere"),
}
NEXT: dict[str, Promise] = {
    "queued": _("Nothing to do: it is tried again by itself, to the deadline and after."),
    "sending": _("Nothing to do: it is being sent."),
    "awaiting": _(
        "The recipient has it. Its receipt is asked for where it can be; one that comes another"
        " way is entered here."
    ),
    "unknown": _(
        "It may have been filed. The recipient is asked by itself, with the same key; it is never"
        " sent blindly again."
    ),
    "needs_human": _(
        "A person decides: ask the recipient and enter the receipt or the rejection, or send it"
        " again with the same key."
    ),
    "rejected": _(
        "The report is being drafted again: change what was named, and have it approved anew."
    ),
}
BY_HAND_NEXT = _("File it by hand after the list below, and bring back the receipt.")
TO_CHECK_NEXT = _("The receipt counts when a second person has looked at it.")


def filing_shown(each: Filing, who: Actor) -> dict[str, Any]:
    """One filing as the report's page shows it."""
    to_check = receipt.awaits_check(each)
    why_not = receipt.why_not_second(each, who) if to_check else ""
    return {
        "filing": each,
        "way": WAYS.get(each.way, each.way),
        "state": shown.badge(FILING, each.state),
        "tries": [_try(attempt) for attempt in each.tries.order_by("number")],
        "verbs": FILING.verbs(each, who),
        "turn_down_id": f"turn-down-{each.pk}",
        "reject_id": f"reject-{each.pk}",
        "next": _next(each, to_check=to_check),
        "marks": [filing_watch.MARKS[mark] for mark in filing_watch.marks_of(each, now())],
        "paused_until": _paused_until(each),
        "checklist": _checklist(each),
        "to_check": to_check,
        "may_check": to_check and not why_not,
        "why_not_check": why_not,
        "entered_by": each.entered_by.name if each.entered_by else "",
        "checked_by": each.checked_by.name if each.checked_by else "",
        **_time_stamps(each, who),
    }


def _time_stamps(each: Filing, who: Actor) -> dict[str, Any]:
    """What an outside authority saw of it; where nobody was asked, why not."""
    stamps = each.time_stamps.select_related("stamped", "token").order_by("pk")
    return {
        "stamps": [_stamp(stamp, each, who) for stamp in stamps],
        "has_token": any(stamp.token_id for stamp in stamps),
        "asks_for_stamps": time_stamp.is_configured(),
    }


def _stamp(stamp: TimeStamp, each: Filing, who: Actor) -> dict[str, Any]:
    is_receipt = stamp.what == stamp.What.RECEIPT
    return {
        "stamp": stamp,
        "what": stamp.get_what_display(),
        # To the second, which may decide.
        "at": _to_the_second(stamp.stamped_at, who),
        "is_put_aside": is_receipt and stamp.stamped_id != each.receipt_id,
        "state": shown.badge(TIME_STAMP, stamp.state),
        "is_coming": stamp.state == "asking" or _is_next(stamp),
        "verbs": TIME_STAMP.verbs(stamp, who),
    }


def _is_next(stamp: TimeStamp) -> bool:
    """Whether it waits for a worker alone, so that looking again soon will show something."""
    return stamp.state == "queued" and not stamp.attempts and stamp.next_try_at is None


def _try(attempt: FilingAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": attempt.started_at,
        "outcome": OUTCOMES.get(attempt.outcome, attempt.outcome),
        "status": attempt.status or "",
        "detail": attempt.detail,
        "tls_sha256": attempt.tls_sha256,
    }


def _next(each: Filing, *, to_check: bool) -> Promise | str:
    if to_check:
        return TO_CHECK_NEXT
    if each.way == "manual" and each.state == "needs_human":
        return BY_HAND_NEXT
    return NEXT.get(each.state, "")


def _paused_until(each: Filing) -> Any:
    """Until when the way is left alone after failures; none where it is in use."""
    is_moving = each.state in {"queued", "unknown"}
    return circuit.free_at(circuit_name(each)) if is_moving else None


def _checklist(each: Filing) -> Checklist | None:
    """What to do by hand, filled from the package; only while somebody needs it."""
    if each.state not in {"queued", "needs_human"}:
        return None
    try:
        return checklist(each, submission.package(each))
    except (FileStoreError, TransitionRefused, FilingError):
        return None


def _filing_of(who: Actor, uuid: UUID) -> Filing:
    return fetch(queries.filings_for(who), uuid=uuid)


def _back(found: Filing) -> HttpResponse:
    return redirect("compliance:report", uuid=found.report.uuid)


@require_safe
def filing(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A filing is read on its report's page."""
    return _back(_filing_of(actor(request), uuid))


def _to_the_second(at: datetime | None, who: Actor) -> str:
    return wording.moment(at, who.zone, has_seconds=True) if at else ""


@require_safe
def stamped(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A time-stamp is read where its filing is."""
    return _back(fetch(queries.time_stamps_for(actor(request)), uuid=uuid).filing)


@require_POST
def ask_again(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What stood in the way of a time-stamp was changed."""
    who = actor(request)
    found = fetch(queries.time_stamps_for(who), uuid=uuid)
    time_stamp.ask_again(found, by=who)
    return _back(found.filing)


@require_POST
def resend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask again with the same key."""
    who = actor(request)
    found = _filing_of(who, uuid)
    submission.resend(found, by=who)
    return _back(found)


@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Enter the recipient's proof of what was filed by hand."""
    who = actor(request)
    found = _filing_of(who, uuid)
    require(who, Permission.REPORT_FILE, found.subject)
    form = ReceiptForm(sent(request), request.FILES or None)
    if form.is_valid():
        try:
            _enter(found, form, who)
        except FilingError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _now("Entered. It counts when a second person has seen it."))
            return _back(found)
    crumbs = [
        Crumb(_("Duties"), shown.url("compliance:duties")),
        Crumb(_("Reports"), shown.url("compliance:reports")),
        Crumb(found.report.title, found.report.path),
    ]
    return form_page(
        request,
        form,
        title=_("Enter the receipt"),
        verb=_("Enter the receipt"),
        back=found.report.path,
        lead=found.report.title,
        crumbs=crumbs,
    )


def _enter(found: Filing, form: ReceiptForm, who: Actor) -> None:
    said = form.cleaned_data
    submission.enter(
        found,
        reference=said["reference"],
        received_at=said["received_at"],
        proof=said["proof"].read(),
        by=who,
    )


@require_POST
def check(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second person saw the proof."""
    who = actor(request)
    found = _filing_of(who, uuid)
    receipt.check(found, by=who)
    messages.success(request, _now("Checked. The filing has its receipt."))
    return _back(found)


@require_POST
def turn_down(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second person does not take it for a receipt."""
    who = actor(request)
    found = _filing_of(who, uuid)
    receipt.turn_down(found, by=who, note=str(request.POST.get("reason", "")).strip()[:2000])
    return _back(found)


@require_POST
def reject(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A person learnt that the recipient rejects it."""
    who = actor(request)
    found = _filing_of(who, uuid)
    submission.turned_away(found, by=who, note=str(request.POST.get("reason", "")).strip()[:2000])
    return _back(found)
