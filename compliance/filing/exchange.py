"""What passed between us and a recipient in one attempt, small enough for the attempt's row."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from compliance.egress import Answer
from compliance.hostile import clean, one_line

MAX_HEADERS: Final = 40
MAX_NAME: Final = 80
MAX_VALUE: Final = 500
MAX_BODY: Final = 16 << 10
"""Of an answer's body this much is kept; its digest is of the whole."""
# They would let a reader of the row go on in our name.
_SECRET: Final = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authenticate"})


@dataclass(frozen=True)
class Exchange:
    """One attempt: under which key, what was sent, what came back and from whom."""

    key: str
    """The idempotency key."""
    sent_sha256: str = ""
    """Digest of the exact body that was sent, or empty when none was."""
    status: int = 0
    """Of HTTP or SMTP; 0 when there was no answer, or the protocol has none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; bounded, and without what could be used to log in."""
    body_sha256: str = ""
    body_size: int = 0
    body: bytes = field(default=b"", repr=False)
    """The first 16 KiB."""
    address: str = ""
    """The address we were connected to."""
    tls_sha256: str = ""
    """Digest of the certificate the other side showed; over SSH, of its host key."""

    @classmethod
    def of(cls, answer: Answer, key: str, sent_sha256: str = "") -> Self:
        """From an answer over HTTP."""
        return cls(
            key=key,
            sent_sha256=sent_sha256,
            status=answer.status,
            headers=_bounded(answer.headers),
            body_sha256=hashlib.sha256(answer.body).hexdigest(),
            body_size=len(answer.body),
            body=answer.body[:MAX_BODY],
            address=answer.address,
            tls_sha256=answer.tls_sha256,
        )

    def row(self) -> dict[str, Any]:
        """All of it as JSON; the body as text that is safe to look at."""
        return {
            **vars(self),
            "headers": dict(self.headers),
            "body": clean(self.body.decode(errors="replace"), MAX_BODY),
        }


def _bounded(headers: Mapping[str, str]) -> dict[str, str]:
    told = sorted((name, value) for name, value in headers.items() if name not in _SECRET)
    return {
        one_line(name, MAX_NAME): one_line(value, MAX_VALUE) for name, value in told[:MAX_HEADERS]
    }
