"""What a recipient says when it does not take a filing, made safe to read."""

import json
from typing import Any, Final

from compliance.egress import Answer
from compliance.filing.base import FieldProblem, Rejected
from compliance.filing.exchange import Exchange
from compliance.hostile import clean, one_line

MAX_REASON: Final = 1_000
MAX_FIELDS: Final = 50
_PROBLEM: Final = "application/problem+json"


def rejected(answer: Answer, exchange: Exchange) -> Rejected:
    """A refusal with its reason, and field by field where it is problem+json (RFC 9457)."""
    said = _problem(answer)
    fields = _fields(said.get("errors"))
    reason = _reason(said, fields) or clean(answer.body.decode(errors="replace"), MAX_REASON)
    return Rejected(reason or f"HTTP {answer.status} without a reason", answer, fields, exchange)


def _problem(answer: Answer) -> dict[str, Any]:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _PROBLEM:
        return {}
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _reason(said: dict[str, Any], fields: tuple[FieldProblem, ...]) -> str:
    head = next((said[name] for name in ("detail", "title") if isinstance(said.get(name), str)), "")
    lines = [head, *(f"{each.field}: {each.detail}" for each in fields)]
    return clean("\n".join(line for line in lines if line), MAX_REASON)


def _fields(errors: Any) -> tuple[FieldProblem, ...]:
    """Of the forms in use: a list of objects with `field` or `pointer`, and `detail` or `message`."""
    if not isinstance(errors, list):
        return ()
    found = (
        FieldProblem(_text(each, "field", "pointer", "name"), _text(each, "detail", "message"))
        for each in errors[:MAX_FIELDS]
        if isinstance(each, dict)
    )
    return tuple(each for each in found if each.field or each.detail)


def _text(each: dict[str, Any], *names: str) -> str:
    return next((one_line(each[name]) for name in names if isinstance(each.get(name), str)), "")
