"""Attest what was found; evidence is never changed, a newer one of its kind replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import Evidence, ModelVersion
from compliance.permissions import Permission
from compliance.services import digest

NAMES = {
    "sae_scan": _("Scan with sparse autoencoders"),
    "suppression": _("Test for suppression under evaluation"),
    "red_team": _("Red-team campaign"),
    "independent_review": _("Independent review"),
    "benchmark": _("Benchmark result"),
    "monitoring_readiness": _("Monitoring readiness"),
    "rota": _("Rota coverage"),
    "rollback_drill": _("Rollback drill"),
    "technical_documentation": _("Technical documentation reviewed"),
}


def name(what: str) -> str:
    """A kind of evidence in words; one that nobody named here stands as it was attested."""
    return str(NAMES.get(what, what.replace("_", " ").capitalize()))


@transaction.atomic
def attest(
    version: ModelVersion,
    what: str,
    *,
    layer: int,
    status: str,
    summary: str,
    payload: Mapping[str, Any] | None = None,
    basis: Mapping[str, str] | None = None,
    source: str,
    valid_until: datetime | None = None,
    by: Actor,
) -> Evidence:
    """Write one finding about one version into the hub.

    Args:
        version: whom it speaks of.
        what: its kind, as gate policies name it ("sae_scan", "rota").
        layer: 1 interpretation, 2 behaviour, 3 response, 4 record.
        status: an `Evidence.Status`.
        summary: one sentence a minister can read; never "safe".
        payload: the structured finding; floats become decimal strings. Its "series" says what a
            later finding of this kind must share to take this one's place.
        basis: digests it rests on; "version" and "manifest" are filled in here.
        source: where it came from, "scan:<uuid>" or "manual".
        valid_until: when it expires, or None.
        by: who attests: a person, or the system for measured results.
    """
    require(by, Permission.EVIDENCE_ATTACH, version.subject)
    chosen = Evidence.Status(status)
    manifest = version.manifests.order_by("-number").first()
    rests_on = {
        "version": version.weights_sha256,
        "manifest": manifest.sha256 if manifest else "",
        **(basis or {}),
    }
    content = digest.without_floats(dict(payload or {}))
    sha256 = digest.of_json(
        {
            "version": version.weights_sha256,
            "what": what,
            "status": chosen.value,
            "summary": summary,
            "payload": content,
            "basis": rests_on,
            "source": source,
        }
    )
    found = Evidence.objects.create(
        version=version,
        what=what,
        layer=layer,
        series=str(content.get("series", "")),
        status=chosen.value,
        summary=summary,
        payload=content,
        basis=rests_on,
        sha256=sha256,
        source=source,
        collected_at=now(),
        valid_until=valid_until,
        attested_by_id=by.user_id,
    )
    record(
        "evidence.attest",
        found,
        by=by,
        words={"summary": summary},
        what=what,
        status=chosen.value,
        sha256=sha256,
        source=source,
    )
    return found
