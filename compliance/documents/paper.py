"""From frozen content to a sheet for the press: templates chosen, charts numbered, nothing added.

What stands on paper stands in the content, and nowhere else: the twin that is attached says
everything the paper says, and the same content gives the same paper.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from compliance.audit import canonical
from compliance.clock import stamp
from compliance.documents.press import Sheet

TEMPLATES = {
    "assessment_report": "compliance/documents/dossier.html",
    "annex_iv": "compliance/documents/dossier.html",
    "incident_report": "compliance/documents/incident_report.html",
}
KINDS = {
    "assessment_report": _("Assessment report"),
    "annex_iv": _("Technical documentation, Annex IV"),
    "incident_report": _("Incident report"),
}
TWIN = _("The content of this document as canonical JSON")


class UnknownPaper(ValueError):
    """No template prints this kind of document."""


@dataclass(frozen=True)
class Edition:
    """One edition of one document, as it was frozen."""

    what: str
    title: str
    number: int
    sha256: str
    content: Mapping[str, Any]
    is_simulation: bool
    made_at: datetime

    @property
    def name(self) -> str:
        """The plain name of its files."""
        return f"{self.what}-{self.number}"


def sheet(edition: Edition) -> Sheet:
    """The edition as HTML with its charts apart: a report in its own language, or the installation's.

    Raises:
        UnknownPaper: the kind has no template.
    """
    template = TEMPLATES.get(edition.what)
    if template is None:
        raise UnknownPaper(f"{edition.what}: expected one of {', '.join(TEMPLATES)}")
    content = json.loads(canonical.dumps(dict(edition.content)))
    charts = [_numbered(block, number) for number, block in enumerate(charts_in(content))]
    with translation.override(content.get("language") or settings.LANGUAGE_CODE):
        html = render_to_string(template, context(edition, content))
        words = str(TWIN)
    return Sheet(
        html=html,
        twin=canonical.dumps(dict(edition.content)),
        name=edition.name,
        made_at=edition.made_at,
        twin_words=words,
        charts=tuple(charts),
    )


def context(edition: Edition, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a template of paper sees."""
    return {
        "kind": KINDS[edition.what],
        "title": content.get("title") or edition.title,
        "edition": edition.number,
        "sha256": edition.sha256,
        "made_at": stamp(edition.made_at),
        "is_simulation": edition.is_simulation,
        "content": content,
        "record": content.get("record", {}),
        "zone": content.get("zone") or content.get("clock", {}).get("zone") or "UTC",
    }


def charts_in(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every chart of a dossier, in the order of its pages."""
    for section in content.get("sections", []):
        for item in section["items"]:
            yield from (block for block in item["blocks"] if block["type"] == "chart")


def _numbered(block: dict[str, Any], number: int) -> str:
    """Tell the template where the picture will lie, and hand over the specification."""
    block["source"] = f"charts/{number}.svg"
    return str(block["spec"])
