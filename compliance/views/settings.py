"""One's own settings, and what this installation runs on."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings as house
from django.contrib import messages
from django.db import connection
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import Actor
from compliance.audit import sequencer
from compliance.clock import now
from compliance.forms.accounts import ThemeForm, ZoneForm
from compliance.permissions import Permission
from compliance.services import account, feed
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, page
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

# Who is shown what the installation runs on: whoever must notice that it stands still.
READERS = (Permission.ACCOUNT_MANAGE, Permission.AUDIT_READ, Permission.INCIDENT_WORK)
ALIVE = timedelta(seconds=30)
FORGOTTEN = timedelta(hours=1)  # a process that ended on purpose does not stay on the list


class Place(NamedTuple):
    """One way on from the settings."""

    label: Promise
    hint: Promise
    url: str


class Process(NamedTuple):
    """One process that said that it lives."""

    what: str
    name: str
    at: datetime
    badge: Badge


@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    """Where one's own settings are, and how this installation stands."""
    who = actor(request)
    may_see = any(who.may(permission) for permission in READERS)
    running = processes() if may_see else []
    context = {
        "ways": ways(who),
        "installation": installation() if may_see else None,
        "processes": running,
        "is_kept": any(one.what == "keeper" and one.badge.tone == "ok" for one in running),
        "egress": sorted(house.STRATA_EGRESS),
    }
    return page(request, "compliance/settings.html", context)


def ways(who: Actor) -> list[Place]:
    """What this reader may open, allauth's own pages among them."""
    own = [
        Place(_("Profile"), _("Time zone and theme."), shown.url("compliance:profile")),
        Place(
            _("Password"),
            _("Change it; every other session ends."),
            shown.url("account_change_password"),
        ),
        Place(
            _("Second factor and passkeys"),
            _("Authenticator app, passkeys, recovery codes."),
            shown.url("mfa_index"),
        ),
        Place(
            _("Where I am signed in"),
            _("Sessions on other devices, and how to end them."),
            shown.url("usersessions_list"),
        ),
    ]
    if any(who.may(permission) for permission in feed.READING):
        own.append(
            Place(
                _("Calendar addresses"),
                _("What is due, in the calendar that you already use."),
                shown.url("compliance:feeds"),
            )
        )
    if who.may(Permission.ACCOUNT_MANAGE):
        own.append(Place(_("People"), _("Accounts and roles."), shown.url("compliance:people")))
    if who.may(Permission.TOKEN_MANAGE):
        own.append(
            Place(
                _("API tokens"),
                _("Keys for machines, each with its scopes."),
                shown.url("compliance:tokens"),
            )
        )
    return [place for place in own if place.url]


def installation() -> list[tuple[Promise, list[shown.Fact]]]:
    """Each part of the installation with what is known of it now; no credentials."""
    return [
        (_("Database"), _database()),
        (_("Broker"), _broker()),
        (_("The record"), _record()),
        (_("Storage"), _storage()),
    ]


def _database() -> list[shown.Fact]:
    version = ".".join(map(str, connection.get_database_version()))
    return [
        shown.Fact(_("Engine"), f"{connection.display_name} {version}", "code"),
        shown.Fact(_("Name"), str(connection.settings_dict["NAME"]), "code"),
        shown.Fact(
            _("Mode"),
            _now("embedded: one machine, keys made on first use")
            if house.EMBEDDED
            else _now("server"),
        ),
    ]


def _broker() -> list[shown.Fact]:
    address = urlsplit(house.CELERY_BROKER_URL)
    where = (
        _now("files on this machine")
        if address.scheme == "filesystem"
        else f"{address.hostname}:{address.port or 6379}"
    )
    return [
        shown.Fact(_("Kind"), address.scheme, "code"),
        shown.Fact(_("Where"), where, "code" if address.hostname else "text"),
    ]


def _record() -> list[shown.Fact]:
    head = sequencer.newest()
    signed = [
        shown.Fact(_("Entries under the newest signed head"), head.size if head else 0),
        *([shown.Fact(_("Signed"), head.at, "time")] if head else []),
        *([shown.Fact(_("Root"), bytes(head.root).hex(), "digest")] if head else []),
    ]
    return [
        shown.Fact(_("Origin"), house.STRATA_LOG_ORIGIN, "code"),
        *signed,
        shown.Fact(_("Verification key"), sequencer.verification_key(), "digest"),
    ]


def _storage() -> list[shown.Fact]:
    kept = queries.storage()
    free = shutil.disk_usage(house.STRATA_FILES if house.STRATA_FILES.exists() else house.VAR).free
    return [
        shown.Fact(_("Folder"), str(house.STRATA_FILES), "code"),
        shown.Fact(_("Files kept"), kept["n"]),
        shown.Fact(_("Bytes kept"), kept["size"]),
        shown.Fact(_("Free"), _now("%.1f GB") % (free / 1e9)),
        shown.Fact(_("Messages that could not be delivered"), queries.notices_stuck()),
    ]


def processes() -> list[Process]:
    """Who said lately that they live, and who has fallen silent."""
    quiet_since = now() - ALIVE
    return [
        Process(
            beat.what,
            beat.name,
            beat.at,
            Badge(_("alive"), "ok") if beat.at >= quiet_since else Badge(_("silent"), "bad"),
        )
        for beat in queries.workers().filter(at__gte=now() - FORGOTTEN)
    ]


@require_safe
def profile(request: HttpRequest) -> HttpResponse:
    """One's own zone and theme."""
    me = request.user
    context = {
        "crumbs": [Crumb(_("Settings"), shown.url("compliance:settings")), Crumb(_("Profile"))],
        "zone_form": ZoneForm(initial={"zone": me.zone}),  # type: ignore[union-attr]  # signed in
        "theme_form": ThemeForm(initial={"theme": me.theme}),  # type: ignore[union-attr]  # signed in
        "here": shown.url("compliance:profile"),
    }
    return page(request, "compliance/profile.html", context)


@require_POST
def zone(request: HttpRequest) -> HttpResponse:
    """Set in which zone I read times."""
    form = ZoneForm(request.POST)
    if form.is_valid():
        account.prefer(request.user, zone=form.cleaned_data["zone"], by=actor(request))  # type: ignore[arg-type]
        messages.success(request, _now("Times are shown in %s.") % form.cleaned_data["zone"])
    else:
        messages.error(request, _now("Unknown zone; nothing was changed."))
    return redirect("compliance:profile")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Set light, dark or as the device, and go back to the page it was chosen on."""
    form = ThemeForm(request.POST)
    if form.is_valid():
        account.prefer(request.user, theme=form.cleaned_data["theme"], by=actor(request))  # type: ignore[arg-type]
    return redirect(_safe_next(request))


def _safe_next(request: HttpRequest) -> str:
    """The page the form was on, if it is one of ours."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else "/"
