"""What a report says field by field: each answer with how it is known and who stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.utils import translation
from django.utils.translation import gettext as _

from compliance.actors import Actor
from compliance.clock import now, stamp
from compliance.hostile import clean
from compliance.phrase import said as in_words
from compliance.regimes import answer as typed
from compliance.regimes.fields import RequiredField
from compliance.regimes.schema import Regime
from compliance.regimes.terms import FieldType, UnknownPolicy
from compliance.services import wording

LONGEST_ANSWER = 20_000


class Mark(StrEnum):
    """Where a value comes from; printed in the margin on screen and on paper."""

    MEASURED = "measured"
    ATTESTED = "attested"
    MISSING = "missing"


class FieldStatus(StrEnum):
    """A field is answered, stated as unknown, or stated not to apply; or nobody said yet."""

    VALUE = "value"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    MISSING = "missing"
    NOT_NEEDED = "not_needed"
    """Nobody said, and nobody need: reasons for a delay that there is not. Never stored."""


MAY_STAND: dict[UnknownPolicy, tuple[FieldStatus, ...]] = {
    UnknownPolicy.EXPLICIT_UNKNOWN: (
        FieldStatus.VALUE,
        FieldStatus.UNKNOWN,
        FieldStatus.NOT_APPLICABLE,
    ),
    UnknownPolicy.NOT_APPLICABLE: (FieldStatus.VALUE, FieldStatus.NOT_APPLICABLE),
    UnknownPolicy.NONE: (FieldStatus.VALUE,),
}
"""How a person may answer a field, by what its pack allows in place of an answer."""
_OF_PEOPLES_WORDS = frozenset({FieldType.TEXT, FieldType.PARTY, FieldType.KIND})
"""What a person types into these stands as it was typed, in whatever language."""


@dataclass(frozen=True)
class Known:
    """One thing that the records know, and how they know it."""

    value: str
    """As exact as the records have it: instants with a final Z, kinds of harm by their codes."""
    mark: Mark
    source: str = ""
    """A reference such as "event:<uuid>", or who attested."""
    at: datetime | None = None
    """When it was attested."""


@dataclass(frozen=True)
class IncidentFacts:
    """What a report may say about an incident that this storey cannot see.

    `known` is keyed by the source names of regime fields: "incident.summary",
    "incident.version", "incident.aware_at", "incident.classification.limbs" …
    """

    reference: str
    title: str
    severity: str = ""
    deployment: str = ""
    is_simulation: bool = False
    known: Mapping[str, Known] = field(default_factory=dict)


def from_records(
    known: Known | None, asked: RequiredField, regime: Regime, zone: str
) -> dict[str, str]:
    """What the records know, with words beside it; named as missing where they know nothing."""
    if known is None or not known.value.strip():
        return blank()
    value = tidy(known.value)
    return {
        "value": value,
        "status": FieldStatus.VALUE,
        "mark": known.mark,
        "source": known.source,
        "why": "",
        **words_beside(value, asked, regime, zone),
        **({"at": stamp(known.at)} if known.at else {}),
    }


def blank() -> dict[str, str]:
    """Nobody said anything yet."""
    return {
        "value": "",
        "status": FieldStatus.MISSING,
        "mark": Mark.MISSING,
        "source": "",
        "why": "",
    }


def words_beside(
    value: str, asked: RequiredField | None, regime: Regime, zone: str
) -> dict[str, str]:
    """The words of a value in the language that is active, where they differ from it.

    `asked` is None for what an early draft says and its stage asks no more.
    """
    cites = not regime.is_internal
    words = (
        wording.text(value, zone, regime.limbs, cites=cites)
        if asked is None
        else wording.answer(asked, value, zone, regime.limbs, cites=cites)
    )
    return {} if tidy(words) == value else {"words": tidy(words)}


def carried(answer: Mapping[str, str], earlier: str) -> dict[str, str]:
    """An answer of an earlier report as it was given there; `earlier` is that report's reference.

    What was not known then is asked again, and is not carried.
    """
    if answer.get("status") not in {FieldStatus.VALUE, FieldStatus.NOT_APPLICABLE}:
        return blank()
    return {**answer, "from": earlier}


def told(
    answer: Mapping[str, str], asked: RequiredField | None, regime: Regime, zone: str
) -> dict[str, str]:
    """An answer with its words, whenever its revision was made.

    Early revisions hold the exact value alone, and a signature with its instant in one text.
    """
    if answer.get("status") != FieldStatus.VALUE or "words" in answer or "at" in answer:
        return dict(answer)
    who, at = wording.signed(answer.get("source", ""))
    return {
        **answer,
        **words_beside(answer["value"], asked, regime, zone),
        **({"source": who, "at": at} if at else {}),
    }


def reworded(
    answer: Mapping[str, str], asked: RequiredField | None, regime: Regime, zone: str
) -> dict[str, str]:
    """An answer whose words are made anew in the language that is active. Typed text stays."""
    if "words" not in answer:
        return dict(answer)
    bare = {name: each for name, each in answer.items() if name != "words"}
    return {**bare, **words_beside(answer["value"], asked, regime, zone)}


def worded(
    answer: Mapping[str, str], asked: RequiredField, regime: Regime, zone: str
) -> dict[str, str]:
    """A person's answer with words beside a code, a date or a number. Typed text stays alone."""
    if answer["status"] != FieldStatus.VALUE or asked.type in _OF_PEOPLES_WORDS:
        return dict(answer)
    return {**answer, **words_beside(answer["value"], asked, regime, zone)}


def stated(
    asked: RequiredField,
    before: Mapping[str, str],
    shown: Mapping[str, str],
    answer: Mapping[str, str],
    by: Actor,
    regime: Regime,
) -> dict[str, str]:
    """What a person says of a field: a value, or that it is unknown or does not apply, and why.

    Args:
        asked: the field, with its type and what may stand in place of an answer.
        before: the answer as it is kept.
        shown: the same with its words; text that comes back unchanged stands for the exact value.
        answer: {"value"} or {"status", "why", and for what is unknown perhaps "plan"}.
        by: the person.
        regime: whose kinds of harm count, where the field asks for some.

    Raises:
        ValueError: unknown or not applicable without a reason or where the pack wants an answer, or
            a value that is none of the field's type. What stood before may stand on.
    """
    status = FieldStatus(answer.get("status", FieldStatus.VALUE))
    value, why, plan = (tidy(answer.get(part, "")) for part in ("value", "why", "plan"))
    if "words" in shown and value == shown["words"]:
        value = shown["value"]
    if status is not FieldStatus.VALUE:
        value = ""
    if status is not FieldStatus.UNKNOWN:
        plan = ""
    said = {"value": value, "status": status.value, "why": why, "plan": plan}
    if (value or why) and all(before.get(key, "") == each for key, each in said.items()):
        return dict(before)
    _refuse(asked, status, value, why, regime)
    if status is FieldStatus.MISSING or (status is FieldStatus.VALUE and not value):
        return blank()
    return {
        "value": value,
        "status": status,
        "mark": Mark.ATTESTED,
        "source": by.label,
        "why": why,
        **({"plan": plan} if plan else {}),
        "at": stamp(now()),
    }


def _refuse(
    asked: RequiredField, status: FieldStatus, value: str, why: str, regime: Regime
) -> None:
    name = in_words(asked.label, translation)
    if status is not FieldStatus.MISSING and status not in MAY_STAND[asked.unknown_policy]:
        raise ValueError(
            _("%(name)s: this rule takes no such statement here; answer it.") % {"name": name}
        )
    if status in {FieldStatus.UNKNOWN, FieldStatus.NOT_APPLICABLE} and not why:
        raise ValueError(_("%(name)s: say why, beside the statement.") % {"name": name})
    if value and not typed.fits(asked, value, regime.limbs):
        expected = in_words(typed.EXPECTED[asked.type], translation)
        raise ValueError(
            _("%(name)s: expected %(expected)s, got “%(value)s”.")
            % {"name": name, "expected": expected, "value": value[:80]}
        )


def tidy(text: str) -> str:
    """Text as it may be kept: bounded, without controls, trimmed."""
    return clean(text, LONGEST_ANSWER).strip()
