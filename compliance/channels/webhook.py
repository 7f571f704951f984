"""Messages as signed HTTP calls, by the Standard Webhooks specification.

The receiver checks an HMAC over `id.timestamp.body`, keeps ids for longer than the tolerance, and
so refuses both forgeries and replays. While a secret is being replaced, each call is signed by
both.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from compliance import clock
from compliance.channels.base import ChannelError, Delivery, DeliveryState, Message
from compliance.egress import Answer, Egress, EgressFailed, EgressRefused
from compliance.hostile import clean, one_line

TOLERANCE: Final = timedelta(minutes=5)
"""How far a call's time may be from ours; ids must be remembered for twice as long."""
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)


class SignatureRefused(Exception):
    """A call that came in is not from whom it claims, or not of now."""


@dataclass(frozen=True)
class Secret:
    """A signing secret, written `whsec_` and base64."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a secret.

        Raises:
            ValueError: it is not of the specification's form.
        """
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("a webhook secret is 'whsec_' and base64") from error
        if not text.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
            raise ValueError(
                f"a webhook secret is 'whsec_' and {_SECRET_BYTES.start} to "
                f"{_SECRET_BYTES.stop - 1} bytes in base64; came {len(key)} bytes"
            )
        return cls(key)

    def sign(self, identifier: str, timestamp: str, body: bytes) -> str:
        """The signature of one call, with its version."""
        signed = f"{identifier}.{timestamp}.".encode() + body
        mac = hmac.new(self.key, signed, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(mac).decode()}"


@dataclass(frozen=True)
class WebhookChannel:
    """Calls one URL with a JSON body."""

    url: str
    secrets: Sequence[Secret]
    egress: Egress = field(repr=False)

    def send(self, message: Message) -> Delivery:
        """Post the message; its key is the call's id."""
        body = json.dumps(payload(message), ensure_ascii=False, separators=(",", ":")).encode()
        headers = signed_headers(self.secrets, str(message.key), clock.now(), body)
        answer = post(self.egress, self.url, body, headers)
        return Delivery(DeliveryState.SENT, clock.now(), str(message.key), f"HTTP {answer.status}")


def payload(message: Message) -> dict[str, object]:
    """What a webhook says: the message, cleaned."""
    return {
        "type": "strata.notice",
        "data": {
            "key": str(message.key),
            "to": one_line(message.to),
            "subject": one_line(message.subject),
            "body": clean(message.body),
            "url": message.url,
            "severity": one_line(message.severity, 40),
        },
    }


def signed_headers(
    secrets: Sequence[Secret], identifier: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The headers of a call that can be checked."""
    timestamp = str(int(at.timestamp()))
    return {
        "Content-Type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(s.sign(identifier, timestamp, body) for s in secrets),
    }


def verify(
    secrets: Sequence[Secret], headers: Mapping[str, str], body: bytes, *, at: datetime
) -> str:
    """The id of a call that came in, once its signature and time hold.

    Remember the id for longer than twice TOLERANCE and refuse it the second time; that is the
    caller's part. `headers` has its names in lower case, `body` is as it came.

    Raises:
        SignatureRefused: a header is missing, the time is off, or no signature is ours.
    """
    try:
        identifier, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        claimed = headers["webhook-signature"].split(" ")
        seconds = int(timestamp)
    except (KeyError, ValueError) as error:
        raise SignatureRefused(
            f"expected webhook-id, -timestamp and -signature: {error}"
        ) from error
    if abs(at.timestamp() - seconds) > TOLERANCE.total_seconds():
        raise SignatureRefused(
            f"the call is of {timestamp}, more than {TOLERANCE} from now; check both clocks"
        )
    ours = [secret.sign(identifier, timestamp, body).encode() for secret in secrets]
    if not any(hmac.compare_digest(a, b.encode()) for a in ours for b in claimed):
        raise SignatureRefused("no signature of the call was made with a secret we know")
    return identifier


def post(egress: Egress, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Post to a provider, and put every way of failing as a ChannelError."""
    try:
        answer = egress.post(url, body, headers)
    except EgressRefused as error:
        raise ChannelError(str(error), permanent=True) from error
    except EgressFailed as error:
        raise ChannelError(str(error), permanent=False) from error
    if not answer.is_success:
        raise ChannelError(
            f"expected 2xx from the channel; came {answer.status}",
            permanent=not (answer.is_not_now or answer.is_broken),
            retry_after_seconds=answer.retry_after_seconds,
        )
    return answer
