"""Every request gets an actor and an id; every refusal gets a page that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from compliance.audit.context import caused_by
from compliance.ids import uuid7
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from compliance.services import account
from compliance.views.http import actor

if TYPE_CHECKING:
    from compliance.models import ApiToken

Answer = Callable[[HttpRequest], HttpResponse]
# Doors that ask for their own credentials, or need none.
OPEN = ("/account/", "/static/", "/api/", "/v1/", "/feeds/", "/healthz")


class ActorMiddleware:
    """Sets `request.actor`, the request id and the reader's zone; strangers go to sign-in."""

    def __init__(self, get_response: Answer) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """One request."""
        with caused_by(str(uuid7())):
            if request.path.startswith(OPEN):
                if request.user.is_authenticated:
                    request.actor = account.actor_for(request.user)  # type: ignore[attr-defined]
                return self.get_response(request)
            if not request.user.is_authenticated and (token := _token(request)):
                return _no_door_for_programs(request, token)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
            request.actor = account.actor_for(request.user)  # type: ignore[attr-defined]
            try:
                zone = ZoneInfo(request.user.zone)
            except (ZoneInfoNotFoundError, ValueError):
                zone = ZoneInfo("UTC")
            with timezone.override(zone):
                return self.get_response(request)


def _token(request: HttpRequest) -> ApiToken | None:
    """The working token that a program shows, if it is one that came."""
    scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
    return account.token_by_text(text.strip()) if scheme.lower() == "bearer" else None


def _no_door_for_programs(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """403 in place of a sign-in page that no program can read; an attempt to act is on record."""
    why = _("Pages are for people; a program uses the API, and no token approves anything.")
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        account.refused_token(path=request.path, why=why, by=account.actor_for_token(token))
    return HttpResponse(why, status=403, content_type="text/plain; charset=utf-8")


class RefusalMiddleware:
    """Turns the two refusals of the services into pages, so that no view repeats `try`."""

    def __init__(self, get_response: Answer) -> None:
        """Django hands over the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """One request."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """403 with what was missing, or 409 with what would be possible."""
        if request.path.startswith(("/api/", "/v1/")):
            return None
        if isinstance(exception, NotAllowed):
            if request.method not in {"GET", "HEAD", "OPTIONS"} and request.user.is_authenticated:
                account.refused(
                    request.user, path=request.path, why=str(exception), by=actor(request)
                )
            return render(request, "403.html", {"reason": str(exception)}, status=403)
        if isinstance(exception, TransitionRefused):
            return render(request, "409.html", {"reason": str(exception)}, status=409)
        return None
