"""The ways to recipients that this installation has, and what a filing keeps of the one it took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from compliance.filing import portals, secrets
from compliance.filing.base import FilingPackage
from compliance.filing.checklist import Checklist
from compliance.filing.manual import ManualFiling
from compliance.filing.portals import Portal
from compliance.models import Filing, Report
from compliance.phrase import Phrase

BY_HAND = "by-hand"
CONFIGURED = "configured"
"""Under this name a filing keeps which of the configured ways it took."""
LONGEST_NAME = 80
# What holds for every portal that nothing more is known of.
PLAIN_STEPS = (
    Phrase("Log in to the recipient's portal, or write to the address it gives."),
    Phrase("Copy the texts from the list, and attach the PDF and the JSON file."),
    Phrase("Submit, and keep the receipt as the file it came as."),
)
# A secret that a configuration still holds itself goes only where it went when the filing began.
_ADDRESS = ("url", "host", "port", "username", "to")


@dataclass(frozen=True)
class Way:
    """One configured way to a recipient."""

    name: str
    label: str
    kind: str
    config: Mapping[str, Any] = field(repr=False)
    regimes: tuple[str, ...] = ()
    """Offered to these regimes' reports alone; empty offers it to all."""
    authorities: tuple[str, ...] = ()
    """Offered to reports for these authorities alone; empty offers it to all."""


def configured() -> dict[str, Way]:
    """What STRATA_FILING_WAYS holds, by name; nothing where there is no such file."""
    try:
        said = json.loads(settings.STRATA_FILING_WAYS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: _way(name, raw) for name, raw in said.items()}


def _way(name: str, raw: Mapping[str, Any]) -> Way:
    return Way(
        name,
        str(raw["label"]),
        str(raw["way"]),
        raw.get("config", {}),
        tuple(str(each) for each in raw.get("regimes", ())),
        tuple(str(each) for each in raw.get("authorities", ())),
    )


def ways(report: Report) -> list[Way]:
    """How this report may be filed: what the installation configured for its kind, and by hand.

    A sandbox takes simulations alone, and whatever is real takes no simulation.
    """
    return [*(each for each in configured().values() if _takes(each, report)), by_hand(report)]


def _takes(way: Way, report: Report) -> bool:
    return (
        bool(way.config.get("simulation", report.is_simulation)) == report.is_simulation
        and (not way.regimes or report.regime in way.regimes)
        and (not way.authorities or report.authority in way.authorities)
    )


def by_hand(report: Report) -> Way:
    """By a person: with the checklist of the portal that the regime's reports go to, if known."""
    portal = portals.for_regime(report.regime)
    config: dict[str, Any] = {"portal": report.recipient or "", "steps": []}
    if portal is not None:
        config["checklist"] = portal.key
    return Way(BY_HAND, str(_("By hand, at the recipient's own portal")), "manual", config)


def frozen(way: Way) -> dict[str, Any]:
    """What a filing keeps of its way: its name and where it leads, and no secret."""
    open_part = {name: said for name, said in way.config.items() if name not in secrets.INLINE}
    return secrets.storable({**open_part, CONFIGURED: way.name})


def config_of(filing: Filing) -> Mapping[str, Any]:
    """What the channel is loaded from: what was kept, and the secret where it is configured now.

    Rows from before this rule hold their secret themselves and go on working.
    """
    kept: dict[str, Any] = dict(filing.way_config)
    found = configured().get(str(kept.get(CONFIGURED, "")))
    if found is None or kept.get(secrets.REFERENCE):
        return kept
    if any(found.config.get(name) != kept.get(name) for name in _ADDRESS):
        return kept
    held = {name: found.config[name] for name in secrets.INLINE if name in found.config}
    return {**kept, **held}


def circuit_name(filing: Filing) -> str:
    """What the circuit breaker of this filing's way is called."""
    config = filing.way_config
    place = config.get(CONFIGURED) or config.get("url") or config.get("host") or ""
    return f"{filing.way}:{place}"[:LONGEST_NAME]


def checklist(filing: Filing, package: FilingPackage) -> Checklist | None:
    """What a person does who files this by hand; none where the way does it by itself.

    Raises:
        FilingError: the way's configuration is wrong.
    """
    if filing.way != "manual":
        return None
    config = filing.way_config
    way = ManualFiling(
        str(config.get("portal", "")),
        tuple(str(step) for step in config.get("steps", ())),
        str(config.get("checklist", "")),
    )
    told = way.submit(package, filing.key)
    if told.checklist is not None:
        return told.checklist
    plain = Portal(
        key="",
        title=Phrase("By hand"),
        where=Phrase(way.portal),
        evidence="",
        regimes=(),
        before=(),
        steps=tuple(Phrase(step) for step in told.steps) or PLAIN_STEPS,
        receipt=(),
        unknown=(),
        copied=(),
    )
    return plain.checklist(package)
