"""The door at which recipients leave receipts that come later.

    POST /api/callbacks/receipts
    Idempotency-Key: the key the filing was sent with
    the signed receipt, at most 1 MiB

The key tells which filing is meant and is looked up by its digest; the signature is the proof.
Nobody signs in here, so everything that comes is bounded, and an answer tells a stranger nothing.
"""

from __future__ import annotations

import logging
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from django.core.cache import cache
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from compliance.filing.proof import MAX_RECEIPT
from compliance.filing.receipt import ReceiptRefused
from compliance.machines import TransitionRefused
from compliance.services import receipt as receipts

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)
WINDOW_SECONDS: Final = 60
MOST_CALLS: Final = 1_200
"""From one address in a window."""
MOST_REFUSED: Final = 30
"""From one address in a window; then it waits for the next."""
_TOKEN: Final = re.compile(r"[!-~]{8,200}\Z")


@csrf_exempt  # no cookie counts here: whoever posts proves itself by a signature
@require_POST
def receipt(request: HttpRequest) -> HttpResponse:
    """Take a receipt, once."""
    caller = sha256(request.META.get("REMOTE_ADDR", "").encode()).hexdigest()[:32]
    if _count(f"callbacks:{caller}") > MOST_CALLS or _counted(_refusals(caller)) >= MOST_REFUSED:
        return _answer(429, "Too many calls; come back later.", **{"Retry-After": WINDOW_SECONDS})
    token = request.headers.get("Idempotency-Key", "")
    raw = request.read(MAX_RECEIPT + 1)
    if len(raw) > MAX_RECEIPT:
        return _refused(caller, 413, f"A receipt has at most {MAX_RECEIPT} bytes.")
    if not _TOKEN.match(token):
        return _refused(caller, 400, "Send the filing's key as Idempotency-Key.")
    return _taken(caller, token, raw)


def _taken(caller: str, token: str, raw: bytes) -> HttpResponse:
    try:
        filing, is_new = receipts.called_back(token, raw)
    except receipts.UnknownToken:
        return _refused(caller, 404, "There is no such filing.")
    except ReceiptRefused:
        # Why stands in the record; a stranger who has a key learns nothing from it.
        return _refused(caller, 422, "This is no receipt for that filing.")
    except TransitionRefused:
        return _refused(caller, 409, "This filing takes no receipt now.")
    return _answer(201 if is_new else 200, f"Taken for filing {filing.uuid}.")


def _refused(caller: str, status: int, detail: str) -> HttpResponse:
    _count(_refusals(caller))
    log.warning("a receipt was refused with %d at the callback door", status)
    return _answer(status, detail)


def _answer(status: int, detail: str, **headers: object) -> HttpResponse:
    found = JsonResponse({"status": status, "detail": detail}, status=status)
    for name, value in headers.items():
        found[name] = str(value)
    return found


def _refusals(caller: str) -> str:
    return f"callbacks-refused:{caller}"


def _count(name: str) -> int:
    """One more in this window; how many there are."""
    cache.add(name, 0, WINDOW_SECONDS)
    try:
        return int(cache.incr(name))
    except ValueError:  # the window closed between the two
        return 1


def _counted(name: str) -> int:
    return int(cache.get(name, 0))
