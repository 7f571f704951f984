"""What a person found about an incident, as facts that the engine reads and as it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from compliance.machines import TransitionRefused
from compliance.regimes import authorities, engine
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.outcome import RegimeOutcome, zulu
from compliance.regimes.vocabulary import PREDICATES, Instant
from compliance.services import deadline, fact
from incidents.models import Classification, Incident


def facts_for(
    incident: Incident,
    *,
    given: Mapping[str, Any],
    limbs: Sequence[str] = (),
    serious: bool | None = None,
) -> Facts:
    """What the engine may know: the registry's facts, what a person found, and what follows.

    Raises:
        FactsError: a fact is unknown or malformed; the message names it.
    """
    known = fact.known(incident.deployment.system)
    instants: dict[str, Any] = {"detected_at": zulu(incident.detected_at)}
    if incident.occurred_at is not None:
        instants["occurred_at"] = zulu(incident.occurred_at)
    if incident.resolved_at is not None:
        instants["resolved_at"] = zulu(incident.resolved_at)
    known |= instants
    # A predicate given as none takes back what the registry suggests: the person does not know it.
    known |= {
        name: value for name, value in given.items() if value is not None or name in PREDICATES
    }
    known["limbs"] = list(limbs)
    if serious is not None:
        known["serious_incident"] = serious
    return Facts.from_json(known)


def judged(
    incident: Incident, found: Facts, at: datetime, *, learnt_at: datetime | None = None
) -> tuple[RegimeOutcome, ...]:
    """Every regime's answer, each in the version that the incident's started clocks keep."""
    pins = deadline.pinned_for(incident.uuid)
    return engine.evaluate_all(found, at, pinned=pins, learnt_at=learnt_at)


def states_of(before: Classification | None, states: Sequence[str] | None) -> tuple[str, ...]:
    """The Member States concerned, each once; what nobody says anew stays as it was said.

    Raises:
        FactsError: there is no such Member State.
    """
    if states is None:
        return tuple(before.facts.get("member_states", ())) if before else ()
    known = {each.code for each in authorities.member_states()}
    for code in states:
        if code not in known:
            raise FactsError(
                _("member_states: expected codes such as 'DE', got unknown code %(code)s")
                % {"code": ascii(code)[:20]}
            )
    return tuple(dict.fromkeys(states))


def awareness(incident: Incident, found: Facts, at: datetime) -> datetime:
    """The earliest awareness ever stated: a correction never wins time."""
    stated = found.instants.get(Instant.AWARE)
    if stated is None:
        raise TransitionRefused(
            _(
                "Say when a person first knew (aware_at): the clocks count from it, not from the"
                " alert."
            )
        )
    if stated > at:
        raise TransitionRefused(
            _("Awareness cannot lie in the future; check the time and its zone.")
        )
    return min(stated, incident.aware_at) if incident.aware_at else stated


def as_json(found: Facts, given: Mapping[str, Any], aware: datetime) -> dict[str, Any]:
    """The facts as they were used, in the form that can be read again."""
    return {
        **{str(name): value for name, value in found.predicates.items()},
        **{str(name): zulu(moment) for name, moment in found.instants.items()},
        **{str(name): figure for name, figure in found.numbers.items()},
        "aware_at": zulu(aware),
        "limbs": [str(limb) for limb in found.limbs],
        "recipient_zone": found.recipient_zone,
        "calendar": found.calendar,
        "entity": found.entity,
        "stated": sorted(given),
    }


def outcome_json(outcome: RegimeOutcome) -> dict[str, Any]:
    """One regime's answer as it was shown to the person who decided."""
    return {
        "regime": outcome.regime,
        "key": outcome.key,
        "title": outcome.title,
        "applies": str(outcome.applies),
        "because": [
            {"sentence": why.sentence.kept(), "cite": why.cite.kept()} for why in outcome.because
        ],
        "stages": [{**stage.as_json(), "title": stage.title} for stage in outcome.stages],
    }
