"""An authority that is asked over HTTP, as RFC 3161 has it: a query is posted, a reply comes back."""

from dataclasses import dataclass, field
from typing import Final

import rfc3161_client as rfc3161

from compliance.egress import Answer, Egress, EgressFailed, EgressRefused
from compliance.hostile import one_line
from compliance.phrase import Phrase
from compliance.timestamps import token
from compliance.timestamps.base import Stamp, TimeStampError
from compliance.timestamps.token import Trust

QUERY: Final = "application/timestamp-query"
REPLY: Final = "application/timestamp-reply"


@dataclass(frozen=True)
class HttpAuthority:
    """One authority's address, and whose signature is taken for its word."""

    url: str
    trusted: Trust
    egress: Egress = field(repr=False)

    def stamp(self, content: bytes) -> Stamp:
        """Ask over the SHA-256 with a fresh nonce, for the signer's certificate too; check what comes."""
        question = (
            rfc3161.TimestampRequestBuilder()
            .data(content)
            .hash_algorithm(rfc3161.HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=True)
            .build()
        )
        answer = self._asked(question.as_bytes())
        return token.check(answer.body, content, self.trusted, nonce=question.nonce)

    def _asked(self, question: bytes) -> Answer:
        try:
            answer = self.egress.post(self.url, question, {"Content-Type": QUERY, "Accept": REPLY})
        except EgressRefused as error:
            raise _unreached(error, permanent=True) from error
        except EgressFailed as error:
            raise _unreached(error, permanent=False) from error
        if not answer.is_success:
            raise _turned_away(answer)
        if (came := _media_type(answer)) != REPLY:
            raise TimeStampError(
                Phrase(
                    "Expected %(expected)s from the authority; came %(came)s.",
                    expected=REPLY,
                    came=one_line(came, 80) or Phrase("nothing"),
                ),
                permanent=False,
            )
        return answer


def _unreached(error: Exception, *, permanent: bool) -> TimeStampError:
    why = Phrase("The authority was not reached: %(why)s", why=one_line(str(error)))
    return TimeStampError(why, permanent=permanent, is_unreached=True)


def _turned_away(answer: Answer) -> TimeStampError:
    return TimeStampError(
        Phrase("The authority answered with status %(status)s.", status=answer.status),
        permanent=not (answer.is_not_now or answer.is_broken),
        is_unreached=answer.is_not_now or answer.is_broken,
        retry_after_seconds=answer.retry_after_seconds,
    )


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()
