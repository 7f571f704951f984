"""The API: one door, Bearer tokens, problem+json, OpenAPI 3.1 at /api/v1/openapi.json."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer

from assessments.api import router as assessments
from compliance.actors import Actor
from compliance.api import router as compliance
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from compliance.services import account
from compliance.views.http import actor
from compliance.views.idempotency import InFlight, KeyMissing, KeyReused
from incidents.api import router as incidents


class Bearer(HttpBearer):
    """`Authorization: Bearer strata_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        """The machine behind the token, set on the request for every call."""
        found = account.token_by_text(token)
        if found is None:
            return None
        request.actor = account.actor_for_token(found)  # type: ignore[attr-defined]
        return request.actor  # type: ignore[attr-defined, no-any-return]


api = NinjaAPI(
    title="Strata",
    version="1",
    description="Safety compliance and incident management for AI models.",
    auth=Bearer(),
    docs_url=None,
    urls_namespace="api-v1",
)
api.add_router("", compliance)
api.add_router("", assessments)
api.add_router("", incidents)


def problem(status: int, detail: str, *, extra: dict[str, Any] | None = None) -> HttpResponse:
    """RFC 9457: what went wrong, for machines and for the person who reads their log."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(extra or {}),
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


@api.exception_handler(AuthenticationError)
def unauthenticated(_: HttpRequest, __: Exception) -> HttpResponse:
    """401."""
    answer = problem(401, "Send a valid token: Authorization: Bearer strata_…")
    answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(NotAllowed)
def not_allowed(request: HttpRequest, error: Exception) -> HttpResponse:
    """403; whoever wanted to change something is on record."""
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        account.refused_token(path=request.path, why=str(error), by=actor(request))
    return problem(403, str(error))


@api.exception_handler(Http404)
def not_found(_: HttpRequest, __: Exception) -> HttpResponse:
    """404: not there, or not for this caller."""
    return problem(404, "There is no such thing, or it is not for this token.")


@api.exception_handler(TransitionRefused)
def refused(_: HttpRequest, error: Exception) -> HttpResponse:
    """409."""
    return problem(409, str(error))


@api.exception_handler(KeyReused)
def reused(_: HttpRequest, error: Exception) -> HttpResponse:
    """422: the same key for something else."""
    return problem(422, str(error))


@api.exception_handler(InFlight)
def in_flight(_: HttpRequest, error: InFlight) -> HttpResponse:
    """409: the first call with this key has not ended; Retry-After says when to ask again."""
    answer = problem(409, str(error))
    answer["Retry-After"] = str(error.retry_after_seconds)
    return answer


@api.exception_handler(KeyMissing)
def keyless(_: HttpRequest, error: Exception) -> HttpResponse:
    """400: a creating call without a key."""
    return problem(400, str(error))


@api.exception_handler(ValidationError)
def invalid(_: HttpRequest, error: ValidationError) -> HttpResponse:
    """422: which field, what was expected."""
    fields = [{"field": ".".join(map(str, e["loc"])), "problem": e["msg"]} for e in error.errors]
    return problem(422, "The request does not fit the schema.", extra={"errors": fields})


@api.exception_handler(DjangoValidationError)
def invalid_value(_: HttpRequest, error: DjangoValidationError) -> HttpResponse:
    """422."""
    return problem(422, " ".join(error.messages))


@api.exception_handler(ValueError)
def bad_value(_: HttpRequest, error: Exception) -> HttpResponse:
    """422: a service refused a value and said why."""
    return problem(422, str(error))


@api.exception_handler(HttpError)
def http_error(_: HttpRequest, error: HttpError) -> HttpResponse:
    """Whatever the framework itself refuses."""
    return problem(error.status_code, str(error))
