"""What a report says, as its page shows it: answers with their place in the law, and what changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.dateparse import parse_datetime
from django.utils.text import slugify
from django.utils.translation import gettext as _now

from compliance.regimes.terms import MARKED, SENSITIVITIES
from compliance.services import report as reports
from compliance.services import wording
from compliance.views import law, shown

if TYPE_CHECKING:
    from compliance.models import Report, Revision
    from compliance.regimes.fields import RequiredField


class Answered(NamedTuple):
    """One field of the report as the page shows it."""

    label: str
    cite: str
    answer: dict[str, str]
    words: str
    moments: list[wording.Moment]
    source_url: str
    at: datetime | None
    law_url: str
    """The article on the page of the pinned regime; empty where no law asks."""
    from_url: str
    """The earlier report that the answer was taken from."""
    care: str
    """Why the answer wants care; empty where nothing marks it."""
    is_kept_back: bool


class Changed(NamedTuple):
    """One field that a revision changed, line by line."""

    label: str
    lines: list[tuple[str, str]]


class Numbered(NamedTuple):
    """One revision and what it changed."""

    revision: Revision
    changes: list[Changed]


def answers(found: Report) -> list[Answered]:
    """What the regime asks, in its order, with what is answered and how it is known."""
    zone = reports.zone_of(found)
    return [
        Answered(
            asked.label,
            asked.cite,
            said,
            said.get("words", said["value"]),
            wording.moments(said["value"], zone) if "words" in said else [],
            _source_url(said),
            _said_at(said),
            law_url(found, asked),
            _page_of(said.get("from", "")),
            shown.said(SENSITIVITIES[asked.sensitivity]) if asked.sensitivity in MARKED else "",
            asked.is_kept_back,
        )
        for asked, said in reports.answers(found)
    ]


def _said_at(answer: dict[str, str]) -> datetime | None:
    return parse_datetime(answer.get("at", ""))


def _source_url(answer: dict[str, str]) -> str:
    return _page_of(answer.get("source", "")) if answer.get("mark") == "measured" else ""


def _page_of(reference: str) -> str:
    kind, colon, uuid = reference.partition(":")
    return shown.page_of(kind, uuid) if colon else ""


def law_url(found: Report, asked: RequiredField) -> str:
    """Where the page of the pinned regime holds the article that asks."""
    if not asked.cite:
        return ""
    page = shown.url("compliance:regime_version", found.regime, found.regime_version)
    return f"{page}#{slugify(law.place(asked.cite))}"


def lines_missing(found: Report) -> list[tuple[RequiredField, str]]:
    """The open fields, each with the article that asks for it."""
    return [(each, law_url(found, each)) for each in reports.missing(found)]


def changes(before: dict[str, Any], after: dict[str, Any], labels: dict[str, str]) -> list[Changed]:
    """Which answers differ, as lines kept, taken away and added."""
    return [
        Changed(labels.get(name, name), list(_diff(_words(before.get(name, {})), _words(answer))))
        for name, answer in after.items()
        if _words(before.get(name, {})) != _words(answer)
    ]


def _words(answer: dict[str, str]) -> str:
    if answer.get("status") in {"unknown", "not_applicable"}:
        words = _now("not known") if answer["status"] == "unknown" else _now("does not apply")
        plan = answer.get("plan", "")
        return f"{words}: {answer.get('why', '')}" + (f"\n{plan}" if plan else "")
    return answer.get("words", answer.get("value", ""))


def _diff(before: str, after: str) -> Iterable[tuple[str, str]]:
    signs = {" ": "kept", "-": "taken", "+": "added"}
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line[0] in signs:
            yield signs[line[0]], line[2:]
