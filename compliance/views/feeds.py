"""Calendar addresses: one's own, made and revoked here; and the calendar that stands behind one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.forms.calendar import FeedForm
from compliance.services import feed
from compliance.views.form_page import Crumb, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods
from compliance.views.people import settings_crumb

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from compliance.actors import Actor


@require_safe
def feeds(request: HttpRequest) -> HttpResponse:
    """One's own addresses, and a form for another."""
    _require_reading(actor(request))
    return _page(request, FeedForm())


@form_methods
def new(request: HttpRequest) -> HttpResponse:
    """Make an address; it is on the answer to this request and nowhere else."""
    who = actor(request)
    _require_reading(who)
    form = FeedForm(sent(request))
    if not form.is_valid():
        return _page(request, form)
    _made, text = feed.make(form.cleaned_data["label"], by=who)
    address = f"{settings.SITE_URL}{reverse('compliance:feed', args=[text])}"
    return _page(request, FeedForm(), address)


def _require_reading(who: Actor) -> None:
    """Whoever may read none of what a calendar shows needs no address."""
    if not any(who.may(each) for each in feed.READING):
        require(who, feed.READING[0])


def _page(request: HttpRequest, form: FeedForm, address: str = "") -> HttpResponse:
    context = {
        "form": form,
        "feeds": queries.feeds_for(actor(request)),
        "address": address,
        "crumbs": [settings_crumb(), Crumb(_("Calendar addresses"))],
        "nav_current": "compliance:settings",
    }
    status = 201 if address else 422 if form.errors else 200
    answer = page(request, "compliance/feeds.html", context, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def revoke(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """From now on it answers nothing."""
    who = actor(request)
    feed.revoke(fetch(queries.feeds_for(who), uuid=uuid), by=who)
    messages.success(request, _now("Revoked. Calendars that use it no longer hear anything."))
    return redirect("compliance:feeds")


@require_safe
def calendar(request: HttpRequest, text: str) -> HttpResponse:
    """The calendar itself. The address is the credential; without a right one there is nothing."""
    del request
    found = feed.find(text)
    if found is None:
        raise Http404
    answer = HttpResponse(feed.render(found), content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = 'inline; filename="strata.ics"'
    answer["Cache-Control"] = "private, no-store"
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["X-Robots-Tag"] = "noindex"
    return answer
