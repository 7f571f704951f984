"""Read what scans found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema

from assessments import queries
from assessments.models import Finding, Scan
from assessments.services import suite as suites
from compliance.machines import TransitionRefused
from compliance.views.http import actor, fetch
from compliance.views.paging import cut

router = Router()
HIDDEN = "\N{BULLET}\N{BULLET}\N{BULLET}"


class FindingOut(Schema):
    """One watched latent on one prompt. Tokens are a model's text: treat them as hostile."""

    uuid: UUID
    latent: int
    concern: str
    frame: str
    prompt_id: str
    position: int
    token: str
    activation: float
    threshold: float
    window: dict[str, Any]


class FindingPage(Schema):
    """Findings, newest first."""

    items: list[FindingOut]
    next: str | None


class AttestedOut(Schema):
    """What the scan counts for: `met`, `not_met` or `inconclusive`."""

    uuid: UUID
    what: str
    status: str
    summary: str
    sha256: str


class SummaryOut(Schema):
    """One concern under one frame."""

    concern: str
    frame: str
    n_prompts: int
    n_hit: int
    hit_rate: float
    mean_strength: float
    highest: float


class ResultsOut(Schema):
    """What a finished scan says."""

    uuid: UUID
    version: UUID
    weights_sha256: str
    result_sha256: str
    evidence: list[AttestedOut]
    summaries: list[SummaryOut]
    tests: list[dict[str, Any]]
    """The paired tests, evaluation against deployment, as the scanner wrote them."""
    coverage: dict[str, Any] | None
    run: dict[str, Any]
    n_findings: int


def finding_out(found: Finding, *, is_hidden: bool) -> dict[str, Any]:
    """A finding as the API says it; of a hidden suite without its words."""
    plain = {name: getattr(found, name) for name in FindingOut.model_fields}
    if not is_hidden:
        return plain
    window = {**found.window, "tokens": [HIDDEN] * len(found.window["tokens"])}
    return {**plain, "token": HIDDEN, "window": window}


def results_out(found: Scan) -> dict[str, Any]:
    """The results as the API says them."""
    attested = ("uuid", "what", "status", "summary", "sha256")
    return {
        "uuid": found.uuid,
        "version": found.version.uuid,
        "weights_sha256": found.version.weights_sha256,
        "result_sha256": found.result_sha256,
        "evidence": [
            {name: getattr(row, name) for name in attested} for row in queries.evidence_of(found)
        ],
        "summaries": [
            {name: getattr(row, name) for name in SummaryOut.model_fields}
            for row in queries.summaries_of(found)
        ],
        "tests": [test.row for test in queries.tests_of(found)],
        "coverage": found.coverage,
        "run": found.run,
        "n_findings": found.findings.count(),
    }


@router.get("/scans/{uuid}/results", response=ResultsOut)
def scan_results(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    """What one scan says; 409 while it is not done."""
    found = fetch(queries.scans_for(actor(request)), uuid=uuid)
    if found.state != "done":
        raise TransitionRefused(
            _("The scan is %(state)s; there are results once it is done.") % {"state": found.state}
        )
    return results_out(found)


@router.get("/scans/{uuid}/findings", response=FindingPage)
def scan_findings(
    request: HttpRequest, uuid: UUID, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """What one scan found. Of a hidden suite the words are left out for who may not scan with it."""
    who = actor(request)
    found = fetch(queries.scans_for(who), uuid=uuid)
    is_hidden = found.suite.is_hidden and not suites.may_reveal(found.suite, who)
    page = cut(queries.findings_for(who).filter(scan=found), cursor, limit)
    return {
        "items": [finding_out(row, is_hidden=is_hidden) for row in page.rows],
        "next": page.next,
    }
