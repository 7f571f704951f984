"""A deployment target reached over HTTP: GET /serving, POST /switch."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from compliance import clock
from compliance.egress import Answer, Egress, EgressFailed, EgressRefused
from compliance.hostile import one_line
from incidents.targets.base import (
    OutcomeUnknown,
    Serving,
    SwitchOutcome,
    TargetError,
    check_digest,
    is_digest,
)


@dataclass(frozen=True)
class HttpTarget:
    """One target's address and our token there."""

    url: str
    """Without a final slash; /serving and /switch are added."""
    token: str = field(repr=False)
    egress: Egress = field(repr=False)

    def serving(self) -> Serving:
        """Ask; a question can always be put again."""
        try:
            answer = self.egress.get(f"{self.url}/serving", self._authorised())
        except EgressRefused as error:
            raise TargetError(str(error), permanent=True) from error
        except EgressFailed as error:
            raise TargetError(str(error), permanent=False) from error
        if not answer.is_success:
            raise _refused(answer)
        try:
            said = _object(answer)
            return Serving(_digest(said, "digest"), _instant(said, "since"), answer.body)
        except ValueError as error:
            raise TargetError(
                f"the target's answer does not say what it serves: {error}", permanent=False
            ) from error

    def switch(self, to: str, key: str) -> SwitchOutcome:
        """Tell it once; under the same key it may be told again."""
        body = json.dumps({"to": check_digest(to)}).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            **self._authorised(),
        }
        try:
            answer = self.egress.post(f"{self.url}/switch", body, headers)
        except EgressRefused as error:
            raise TargetError(str(error), permanent=True) from error
        except EgressFailed as error:
            if error.sent:
                raise OutcomeUnknown(
                    f"{error}; it may have switched, ask what it serves"
                ) from error
            raise TargetError(f"{error}; nothing was switched", permanent=False) from error
        return self._outcome(answer, to)

    def _outcome(self, answer: Answer, to: str) -> SwitchOutcome:
        if answer.is_broken:
            raise OutcomeUnknown(
                f"the target answered {answer.status} and may have switched; ask what it serves"
            )
        if not answer.is_success:
            raise _refused(answer)
        try:
            outcome = _read_outcome(answer)
        except ValueError as error:
            raise OutcomeUnknown(f"the target's answer to a switch is unclear: {error}") from error
        if outcome.to != to:
            raise OutcomeUnknown(f"asked for {to[:12]}…, the target speaks of {outcome.to[:12]}…")
        return outcome

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _read_outcome(answer: Answer) -> SwitchOutcome:
    said = _object(answer)
    if not isinstance(said.get("is_repeat"), bool):
        raise ValueError("expected is_repeat as true or false")  # noqa: TRY004
    return SwitchOutcome(
        to=_digest(said, "to"),
        before=_digest(said, "before"),
        at=_instant(said, "at"),
        is_repeat=said["is_repeat"],
        raw=answer.body,
    )


def _object(answer: Answer) -> dict[str, Any]:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise ValueError("expected JSON") from error
    if not isinstance(said, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004
    return said


def _digest(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not is_digest(value):
        raise ValueError(f"expected a sha256 as {name}; came {one_line(str(value), 80)!r}")
    return value


def _instant(said: dict[str, Any], name: str) -> datetime:
    try:
        return clock.in_utc(datetime.fromisoformat(said[name]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"expected an instant with its zone as {name}") from error


def _refused(answer: Answer) -> TargetError:
    reason = one_line(answer.body.decode(errors="replace"), 300)
    return TargetError(
        f"the target answered {answer.status}: {reason}",
        permanent=not (answer.is_not_now or answer.is_broken),
        retry_after_seconds=answer.retry_after_seconds,
    )
