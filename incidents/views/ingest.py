"""The door for telemetry: OTLP over HTTP, answered 200 only after the body is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from compliance.clock import now
from compliance.permissions import Permission
from compliance.services import account
from incidents.ingest import inbox, otlp
from incidents.ingest.spans import BadPayload

if TYPE_CHECKING:
    from compliance.models import Deployment

TRY_AGAIN_SECONDS = "5"


@csrf_exempt
@require_POST
def traces(request: HttpRequest) -> HttpResponse:
    """Take in one export request of one deployment.

    The token says which deployment sends, whatever the payload calls itself. A body is read
    before it is kept, so that the sender learns at once what was not taken in.
    """
    content_type = request.headers.get("Content-Type", "")
    try:
        deployment = _sender(request)
        body = _body(request)
        encoding = request.headers.get("Content-Encoding", "")
        decoded = otlp.decode(
            body, content_type=content_type, content_encoding=encoding, received_at=now()
        )
        inbox.accept(deployment, body, content_type=content_type, content_encoding=encoding)
    except BadPayload as error:
        return _refused(error, content_type)
    except inbox.InboxFull as error:
        status = 429 if error.is_sender else 503
        return _refused(BadPayload(str(error), status=status), content_type)
    except OperationalError:
        # The database is busy or away: nothing was kept, so nothing may be acknowledged.
        text = "The request could not be stored at this moment; send it again."
        return _refused(BadPayload(text, status=503), content_type)
    return HttpResponse(
        otlp.answer(decoded, content_type=content_type), content_type=otlp.answer_type(content_type)
    )


def _sender(request: HttpRequest) -> Deployment:
    scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
    token = account.token_by_text(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise BadPayload("Send a valid token: Authorization: Bearer strata_….", status=401)
    if not account.actor_for_token(token).may(Permission.EVENT_INGEST) or token.deployment is None:
        raise BadPayload(
            "This token may not send telemetry; make one for a deployment.", status=403
        )
    if token.deployment.state != "active":
        raise BadPayload("This deployment has ended; nothing is taken in for it.", status=403)
    return token.deployment


def _body(request: HttpRequest) -> bytes:
    limit = otlp.BOUNDS.body_bytes
    too_large = BadPayload(
        f"the body is larger than {limit} bytes; send smaller batches", status=413
    )
    if int(request.headers.get("Content-Length") or 0) > limit:
        raise too_large
    try:
        return request.body
    except RequestDataTooBig as error:
        raise too_large from error


def _refused(error: BadPayload, content_type: str) -> HttpResponse:
    answer = HttpResponse(
        otlp.refusal(error, content_type=content_type),
        content_type=otlp.answer_type(content_type),
        status=error.status,
    )
    if error.status in {429, 503}:
        answer["Retry-After"] = TRY_AGAIN_SECONDS
    if error.status == 401:  # noqa: PLR2004 - HTTP's own number
        answer["WWW-Authenticate"] = 'Bearer realm="strata"'
    return answer
