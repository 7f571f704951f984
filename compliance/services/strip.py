"""The layer strip: how one version stands in the three layers and in the record.

A layer says the worst of its newest evidence: not met, then stale or expired, then inconclusive,
then met. A layer without any evidence is blind: no data is not OK. The record segment is met when
the newest signed head covers the version's registration.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compliance import queries
from compliance.audit import log
from compliance.models import Evidence, ModelVersion


class Standing(StrEnum):
    """What a segment can say."""

    MET = "met"
    NOT_MET = "not_met"
    INCONCLUSIVE = "inconclusive"
    STALE = "stale"
    BLIND = "blind"
    NOT_REQUIRED = "not_required"


WORDS: dict[Standing, Promise] = {
    Standing.MET: _("met"),
    Standing.NOT_MET: _("not met"),
    Standing.INCONCLUSIVE: _("inconclusive"),
    Standing.STALE: _("stale"),
    Standing.BLIND: _("blind: no data"),
    Standing.NOT_REQUIRED: _("not required"),
}
LAYERS: tuple[tuple[int, str, Promise], ...] = (
    (1, "interpretation", _("Interpretation")),
    (2, "behaviour", _("Behaviour")),
    (3, "response", _("Response")),
    (4, "record", _("Record")),
)
WORST_FIRST = (Standing.NOT_MET, Standing.STALE, Standing.INCONCLUSIVE, Standing.MET)


@dataclass(frozen=True)
class Segment:
    """One layer of one version."""

    key: str
    label: str | Promise
    status: Standing
    url: str

    @property
    def status_label(self) -> Promise:
        """The status in a word."""
        return WORDS[self.status]


@dataclass(frozen=True)
class Strip:
    """All four segments of one version."""

    label: str
    segments: tuple[Segment, ...]


def of(version: ModelVersion) -> Strip:
    """The strip of one version, computed from what stands now."""
    newest = queries.newest_evidence(version).values()
    return _strip(version, newest, in_record={version.uuid} & log.signed([version.uuid]))


def of_many(versions: Iterable[ModelVersion]) -> dict[int, Strip]:
    """Strips for a list page, by primary key, in a fixed number of queries."""
    rows = list(versions)
    attested: dict[int, list[Evidence]] = {row.pk: [] for row in rows}
    evidence = (
        Evidence.objects.filter(version__in=rows)
        .select_related("version")
        .prefetch_related("version__manifests")
    )
    for found in evidence:
        attested[found.version_id].append(found)
    signed = log.signed([row.uuid for row in rows])
    return {
        row.pk: _strip(
            row, queries.speaking(attested[row.pk]).values(), in_record={row.uuid} & signed
        )
        for row in rows
    }


def _strip(
    version: ModelVersion, newest: Iterable[Evidence], *, in_record: Iterable[object]
) -> Strip:
    by_layer: dict[int, list[Standing]] = {}
    for found in newest:
        by_layer.setdefault(found.layer, []).append(_standing(found))
    segments = []
    for number, key, label in LAYERS:
        said = by_layer.get(number, [])
        if number == LAYERS[-1][0]:
            said = [*said, Standing.MET if in_record else Standing.BLIND]
        segments.append(Segment(key, label, worst(said), f"{version.path}#{key}"))
    return Strip(str(version), tuple(segments))


def _standing(found: Evidence) -> Standing:
    if queries.freshness(found) != "fresh":
        return Standing.STALE
    return Standing(found.status)


def worst(said: Iterable[Standing]) -> Standing:
    """The worst of several; blind when nothing was said or something is not seen at all."""
    held = set(said)
    if not held or Standing.BLIND in held:
        return Standing.BLIND
    return next(standing for standing in WORST_FIRST if standing in held)
