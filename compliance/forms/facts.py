"""Questions of fact about an entity, a system or a model, one input for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import available_timezones

from django import forms
from django.utils import translation
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance import queries
from compliance.forms.inventory import LONGEST, area
from compliance.phrase import said
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.questions import PREDICATE_QUESTIONS, REGISTER_QUESTIONS
from compliance.regimes.vocabulary import ENTITIES, PREDICATES
from compliance.services import fact

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTIONS: Final = {str(each.id): each for each in (*PREDICATE_QUESTIONS, *REGISTER_QUESTIONS)}
YES_NO: Final = {"yes": True, "no": False, "unknown": None}
_WRITTEN: Final = {meaning: word for word, meaning in YES_NO.items()}
WORDS_FOR: Final = {"yes": _("yes"), "no": _("no"), "unknown": _("unknown")}
FREE: Final = {"member_states", "calendar", "contact", "dpo", fact.COMPUTE, fact.REVENUE}


class FactsForm(forms.Form):
    """What this kind of thing is asked. An input that is left empty answers nothing."""

    reason = forms.CharField(
        label=_("On what grounds"),
        widget=area(3),
        max_length=LONGEST,
        help_text=_("What the answers that change rest on, and where it can be looked up."),
    )

    def __init__(
        self, data: Any, *, thing: Any, otherwise: Mapping[str, str], is_saving: bool
    ) -> None:
        """Build the inputs from what the thing is asked, filled with what is stated about it.

        Args:
            data: what was sent.
            thing: an entity, a system or a model.
            otherwise: by name, what holds where nothing is stated about the thing itself.
            is_saving: whether the grounds must be given.
        """
        super().__init__(data)
        self.thing = thing
        self.own = fact.own(thing)
        self.is_saving = is_saving
        for name in fact.asked_of(thing):
            self.fields[f"q_{name}"] = self._input(name, otherwise.get(name, ""))

    def _input(self, name: str, otherwise: str) -> forms.Field:
        label = said(QUESTIONS[name].question, translation)
        shown = self._stands(name)
        if name in FREE:
            box = forms.TextInput(attrs={"placeholder": otherwise} if otherwise else {})
            return forms.CharField(
                label=label, required=False, max_length=fact.LONGEST, initial=shown, widget=box
            )
        choices = _choices(name, otherwise)
        return forms.ChoiceField(label=label, choices=choices, required=False, initial=shown)

    def _stands(self, name: str) -> str:
        """What stands on the thing itself, as the input writes it."""
        if name not in self.own:
            return ""
        value = self.own[name]
        if isinstance(value, list):
            return " ".join(value)
        if value is None or isinstance(value, bool):
            return "" if name in FREE else _WRITTEN[value]
        return str(value)

    def clean_q_calendar(self) -> str:
        """A calendar that somebody keeps."""
        name = str(self.cleaned_data["q_calendar"]).strip().upper()
        try:
            Facts.from_json({"calendar": name or None})
        except FactsError:
            raise forms.ValidationError(
                _now(
                    "Expected a country such as DE, a part of one such as US-CA, or EU-COMMISSION."
                )
            ) from None
        return name

    def clean_q_member_states(self) -> str:
        """Two capital letters each."""
        states = _states(str(self.cleaned_data["q_member_states"]))
        if wrong := [each for each in states if not fact.A_STATE.match(each)]:
            raise forms.ValidationError(
                _now("Expected two letters each; came %s.") % ", ".join(wrong)[:200]
            )
        return " ".join(states)

    def clean_q_training_flop(self) -> str:
        """A number, in digits or with an exponent."""
        return self._number("q_training_flop", _now("Expected a number such as 3e25."))

    def clean_q_annual_revenue_usd(self) -> str:
        """The same."""
        return self._number("q_annual_revenue_usd", _now("Expected a number such as 750000000."))

    def _number(self, name: str, complaint: str) -> str:
        number = str(self.cleaned_data[name]).strip()
        if number and not fact.A_NUMBER.match(number):
            raise forms.ValidationError(complaint)
        return number

    def clean(self) -> dict[str, Any]:
        """Whoever only looks need not say on what grounds yet."""
        cleaned = super().clean() or self.cleaned_data
        if not self.is_saving:
            self.errors.pop("reason", None)
        return cleaned

    def changed(self) -> tuple[dict[str, Any], list[str]]:
        """The answers that differ from what stands on the thing itself, and those taken back."""
        answers: dict[str, Any] = {}
        withdrawn = []
        for name in fact.asked_of(self.thing):
            given = self.cleaned_data.get(f"q_{name}")
            if given is None or given == self._stands(name):
                continue
            if given == "" and name not in fact.COLUMNS:
                withdrawn.append(name)
            else:
                answers[name] = _value(name, given)
        return answers, withdrawn


def _choices(name: str, otherwise: str) -> list[tuple[str, Any]]:
    blank = ("", otherwise or _("not answered"))
    if name in PREDICATES or name == "is_internal":
        return [blank, *WORDS_FOR.items()]
    if name == "entity":
        named = [(each, said(ENTITIES[each], translation)) for each in sorted(ENTITIES)]
        return [blank, ("unknown", WORDS_FOR["unknown"]), *named]
    if name == "recipient_zone":
        zones = [(each, each) for each in sorted(available_timezones())]
        return [blank, ("unknown", WORDS_FOR["unknown"]), *zones]
    return list(queries.EU_ROLES if name == "eu_role" else queries.RISK_CLASSES)


def _value(name: str, given: str) -> Any:
    """What the input wrote, as the service takes it."""
    if name == "member_states":
        return _states(given)
    if name in FREE:
        return given.strip() or None
    return YES_NO.get(given, given)


def _states(text: str) -> list[str]:
    return sorted({state for state in re.split(r"[\s,;]+", text.upper()) if state})
