"""Every request gets an actor and an id; every refusal gets a page that says why."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from compliance.audit.context import caused_by
from compliance.ids import uuid7
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from compliance.services import account
from compliance.views.http import actor

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
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
            request.actor = account.actor_for(request.user)  # type: ignore[attr-defined]
            try:
                zone = ZoneInfo(request.user.zone)
            except (ZoneInfoNotFoundError, ValueError):
                zone = ZoneInfo("UTC")
            with timezone.override(zone):
                return self.get_response(request)


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
