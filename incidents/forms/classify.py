"""The classification wizard's form: plain questions in groups, each with what the law means by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from compliance.phrase import said
from compliance.regimes import authorities, load, oecd
from compliance.regimes.questions import (
    INSTANT_QUESTIONS,
    LIMB_QUESTIONS,
    PREDICATE_QUESTIONS,
    Question,
)
from incidents.forms import LONGEST, YES_NO, Moment, YesNo, area

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from compliance.regimes.schema import Regime
    from incidents.models import Classification

AWARE = "at_aware_at"
NOTE = "note_"
WHYS = ("why_harm", "why_awareness", "why_laws", "why_corrected")
LONGEST_NOTE = 1_000
SAY_WHY = {"required": _("Say why; a sentence is enough.")}
GROUPS: tuple[tuple[str, Promise, Promise, tuple[str, ...]], ...] = (
    (
        "system",
        _("The AI system"),
        _("Our part in it, and whether it is high-risk. Decides about the AI Act."),
        (
            "provider", "deployer", "eu_market", "annex_iii", "annex_i",
            "equivalent_union_reporting", "mdr_ivdr_device", "causal_link_at",
        ),
    ),
    (
        "models",
        _("General-purpose and frontier models"),
        _("Decides about Art. 52 and 55, the Code of Practice, New York, Illinois, California."),
        (
            "gpai_systemic_risk_provider", "code_signatory", "legacy_gpai_model",
            "systemic_risk_threshold", "frontier_developer", "large_frontier_developer",
            "critical_safety_incident", "imminent_risk", "ny_nexus", "il_nexus", "ca_nexus",
            "model_involvement_aware_at", "reasonable_belief_at", "determined_at",
            "discovered_at", "imminent_risk_discovered_at",
        ),
    ),
    (
        "data",
        _("Personal data"),
        _("Decides about the GDPR of the Union and of the United Kingdom."),
        (
            "personal_data_breach", "controller", "eu_personal_data", "uk_personal_data",
            "risk_unlikely",
        ),
    ),
    (
        "networks",
        _("Networks and finance"),
        _("Decides about NIS2 and DORA."),
        (
            "nis2_entity_in_scope", "significant_incident", "incident_ongoing",
            "financial_entity", "major_ict_incident", "classified_at",
        ),
    ),
    (
        "products",
        _("Products and medical devices"),
        _("Decides about the Cyber Resilience Act and the MDR."),
        (
            "product_manufacturer", "actively_exploited_vulnerability",
            "severe_product_incident", "device_manufacturer", "measure_available_at",
        ),
    ),
)  # fmt: skip
"""Questions that go together, by the names of the facts they set."""
COMMON = ("occurred_at", "detected_at", "resolved_at")


class Group(NamedTuple):
    """Questions that go together, as the page shows them."""

    key: str
    title: Promise | str
    note: Promise | str
    fields: list[forms.BoundField]
    n_answered: int
    is_wrong: bool


class ClassifyForm(forms.Form):
    """The wizard. Field names are those of the facts: `limb_death`, `is_provider`, `at_aware_at`."""

    serious = forms.ChoiceField(
        label=_("Is this a serious incident?"),
        choices=[("yes", _("yes")), ("no", _("no"))],
        widget=forms.RadioSelect,
        help_text=_("If in doubt, yes: the house's own clock of 72 hours then runs in any case."),
    )
    states = forms.MultipleChoiceField(
        label=_("In which Member States did it happen?"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Where the law says so, the authority of each gets a report of its own."),
    )
    word_consequences = forms.CharField(
        label=_("What followed from it, or may follow?"),
        widget=area(2),
        required=False,
        max_length=LONGEST,
    )
    word_affected = forms.CharField(
        label=_("Who or what is affected, and how many?"),
        widget=area(2),
        required=False,
        max_length=LONGEST,
    )
    word_data_affected = forms.CharField(
        label=_("Which data are affected?"), widget=area(2), required=False, max_length=LONGEST
    )
    word_malicious = forms.CharField(
        label=_("Is anything known of intent?"), required=False, max_length=300
    )
    why_awareness = forms.CharField(
        label=_("Why this is when we knew"),
        error_messages=SAY_WHY,
        widget=area(2),
        max_length=LONGEST,
        help_text=_("Who learnt of it, and from what. An alert by itself is not awareness."),
    )
    why_harm = forms.CharField(
        label=_("Why we say this about harm"),
        error_messages=SAY_WHY,
        widget=area(2),
        max_length=LONGEST,
        help_text=_("What was seen, and what connects it with the model."),
    )
    why_laws = forms.CharField(
        label=_("Why these laws apply, and others do not"),
        error_messages=SAY_WHY,
        widget=area(2),
        max_length=LONGEST,
        help_text=_("One reason for all. A law that needs its own has a place for it above."),
    )
    why_corrected = forms.CharField(
        label=_("What changed, and why"),
        error_messages=SAY_WHY,
        widget=area(2),
        max_length=LONGEST,
        help_text=_("The three reasons begin with what was said before; say what is corrected."),
    )
    confirmed = forms.BooleanField(
        label=_("I looked at these answers; they hold for this incident."), required=False
    )

    def __init__(
        self,
        *args: Any,
        known: Mapping[str, Any] | None = None,
        is_correction: bool = False,
        **options: Any,
    ) -> None:
        """Build one field for each question; what the register knows is suggested."""
        super().__init__(*args, **options)
        settled = known or {}
        if not is_correction:
            del self.fields["why_corrected"]
        self.suggested: list[str] = []
        self.fields["states"].choices = [  # type: ignore[attr-defined]
            (each.code, said(each.name, translation)) for each in authorities.member_states()
        ]
        for question in INSTANT_QUESTIONS:
            self.fields[f"at_{question.id}"] = _moment(question, required=question.id == "aware_at")
        for question in LIMB_QUESTIONS:
            self.fields[f"limb_{question.id}"] = forms.BooleanField(
                label=said(question.question, translation),
                help_text=_help(question),
                required=False,
            )
        for question in PREDICATE_QUESTIONS:
            if question.id == "serious_incident":
                continue
            suggestion = settled.get(str(question.id))
            self.fields[f"is_{question.id}"] = _yes_no(question, suggestion)
            if isinstance(suggestion, bool):
                self.suggested.append(f"is_{question.id}")
        for criterion in oecd.CRITERIA:
            self.fields[f"oecd_{criterion.id}"] = _criterion(criterion)
        for pack in load.current():
            self.fields[f"{NOTE}{pack.key}"] = _note(pack)

    @override
    def clean(self) -> dict[str, Any]:
        """Before anything is saved, the person makes the register's answers their own."""
        found = super().clean() or {}
        if "save" not in self.data:
            # Whoever only looks need not say why yet.
            for name in WHYS:
                self.errors.pop(name, None)
        elif self.suggested and not found.get("confirmed"):
            self.add_error("confirmed", _("Confirm these answers, or change what does not hold."))
        return found

    def limbs(self) -> list[str]:
        """The harms that were ticked."""
        return [
            name[5:]
            for name, value in self.cleaned_data.items()
            if name.startswith("limb_") and value
        ]

    def facts(self) -> dict[str, Any]:
        """What was stated, in the words that `Facts.from_json` reads.

        None takes back a suggestion: the person left it open.
        """
        stated: dict[str, Any] = {
            name[3:]: None for name in self.suggested if self.data.get(name) == ""
        }
        for name, value in self.cleaned_data.items():
            if name.startswith("at_") and value:
                stated[name[3:]] = value.isoformat()
            if name.startswith("is_") and value:
                stated[name[3:]] = value == "yes"
        return stated

    def grounds(self) -> dict[str, Any]:
        """Why, by matter, and for the laws that have a reason of their own."""
        said = {name[4:]: self.cleaned_data.get(name, "") for name in WHYS}
        notes = {
            name.removeprefix(NOTE): text
            for name, text in self.cleaned_data.items()
            if name.startswith(NOTE) and text
        }
        return {**said, "regimes": notes}

    def note(self, regime: str) -> forms.BoundField | None:
        """Where a law's own reason is given, by the regime's key."""
        return self[f"{NOTE}{regime}"] if f"{NOTE}{regime}" in self.fields else None

    def notes(self) -> list[forms.BoundField]:
        """Where the laws' own reasons are given."""
        return [self[name] for name in self.fields if name.startswith(NOTE)]

    def wrong(self) -> list[forms.BoundField]:
        """The answers that are missing or cannot be right, in the order of the page."""
        return [field for field in self if field.errors]

    def details(self) -> dict[str, str]:
        """What reports ask for in words."""
        return {
            name[5:]: value for name, value in self.cleaned_data.items() if name.startswith("word_")
        }

    def criteria(self) -> dict[str, str | list[str]]:
        """What was said to the OECD's criteria; empty answers are left out."""
        given = {
            name[5:]: value for name, value in self.cleaned_data.items() if name.startswith("oecd_")
        }
        return oecd.checked(given)

    def concerned(self) -> list[str] | None:
        """The Member States that were ticked; None where none was, which changes nothing."""
        return self.cleaned_data.get("states") or None

    def is_serious(self) -> bool:
        """Yes, or harm was ticked."""
        return self.cleaned_data.get("serious") == "yes" or bool(self.limbs())

    def awareness(self) -> forms.BoundField:
        """The one instant from which most clocks count."""
        return self[AWARE]

    def moments(self) -> list[forms.BoundField]:
        """The other instants that any incident has."""
        return [self[f"at_{name}"] for name in COMMON]

    def harms(self) -> list[forms.BoundField]:
        """The questions about harm."""
        return [self[name] for name in self.fields if name.startswith("limb_")]

    def words(self) -> list[forms.BoundField]:
        """The questions answered in words."""
        return [self[name] for name in self.fields if name.startswith("word_")]

    def groups(self) -> list[Group]:
        """The questions that the register does not answer, by what they decide about."""
        return [
            self._group(key, title, note, self._asked(names)) for key, title, note, names in GROUPS
        ]

    def dimensions(self) -> list[Group]:
        """The OECD's criteria by dimension."""
        return [
            self._group(
                str(dimension),
                said(title, translation),
                "",
                [self[f"oecd_{each.id}"] for each in oecd.CRITERIA if each.dimension is dimension],
            )
            for dimension, title in oecd.DIMENSIONS.items()
        ]

    def _asked(self, names: Iterable[str]) -> list[forms.BoundField]:
        prefixed = (f"at_{name}" if name.endswith("_at") else f"is_{name}" for name in names)
        return [self[name] for name in prefixed if name not in self.suggested]

    def _group(
        self, key: str, title: Promise | str, note: Promise | str, fields: list[forms.BoundField]
    ) -> Group:
        answered = sum(bool(field.value()) for field in fields)
        return Group(key, title, note, fields, answered, any(field.errors for field in fields))


def start_from(last: Classification | None) -> dict[str, Any]:
    """What the fields begin with when a classification is corrected: what was said before."""
    if last is None:
        return {"serious": "yes"}
    return {
        "serious": "yes" if last.serious else "no",
        "states": list(last.facts.get("member_states", ())),
        **dict(_said_before(last)),
        **{f"limb_{limb}": True for limb in last.limbs},
        **{f"word_{name}": text for name, text in last.details.items()},
        **{f"oecd_{name}": answer for name, answer in last.oecd.items()},
        **{f"why_{name}": text for name, text in _kept(last).items()},
        **{f"{NOTE}{key}": text for key, text in last.reasons_by.get("regimes", {}).items()},
    }


def _kept(last: Classification) -> dict[str, str]:
    """The reasons that still stand; what was corrected then is not what is corrected now."""
    gone = {"regimes", "corrected"}
    return {name: text for name, text in last.reasons_by.items() if name not in gone}


def _said_before(last: Classification) -> Iterator[tuple[str, Any]]:
    """The facts that a person stated then, as their fields show them; awareness in any case."""
    stated = {*last.facts.get("stated", ()), "aware_at"}
    for name in stated:
        value = last.facts.get(name)
        if isinstance(value, bool):
            yield f"is_{name}", "yes" if value else "no"
        elif isinstance(value, str) and (at := parse_datetime(value)):
            yield f"at_{name}", timezone.localtime(at).strftime("%Y-%m-%dT%H:%M")


def _help(question: Question) -> str:
    definition = said(question.definition, translation)
    return f"{definition} ({said(question.cite, translation)})" if question.cite else definition


def _moment(question: Question, *, required: bool) -> Moment:
    return Moment(
        label=said(question.question, translation), help_text=_help(question), required=required
    )


def _yes_no(question: Question, known: Any) -> forms.ChoiceField:
    initial = {True: "yes", False: "no"}.get(known, "") if isinstance(known, bool) else ""
    return YesNo(
        label=said(question.question, translation),
        help_text=_help(question),
        choices=YES_NO,
        required=False,
        initial=initial,
    )


def _note(pack: Regime) -> forms.CharField:
    title = said(pack.title, translation)
    return forms.CharField(
        label=_("Reason for %(law)s") % {"law": title},
        help_text=_("If it is another than the reason for all laws."),
        widget=area(2, LONGEST_NOTE),
        max_length=LONGEST_NOTE,
        required=False,
    )


def _criterion(criterion: oecd.Criterion) -> forms.Field:
    mark = "*" if criterion.is_mandatory else ""
    label = f"{criterion.number}{mark} {said(criterion.label, translation)}"
    choices = [(value, said(word, translation)) for value, word in criterion.choices]
    if criterion.may_be_several:
        return forms.MultipleChoiceField(
            label=label, choices=choices, required=False, widget=forms.CheckboxSelectMultiple
        )
    if choices:
        return forms.ChoiceField(label=label, choices=[("", "–"), *choices], required=False)  # noqa: RUF001 - a dash for no answer
    return forms.CharField(label=label, required=False, max_length=oecd.MOST, widget=area(1))
