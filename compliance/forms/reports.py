"""What people enter about reports: answers with their status, ways to file, receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from compliance.forms.answers import as_text, control
from compliance.phrase import said
from compliance.regimes.terms import AUDIENCES, MARKED, SENSITIVITIES, Sensitivity
from compliance.services.report import MAY_STAND, FieldStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compliance.regimes.fields import RequiredField
    from compliance.regimes.schema import LimbDefinition

STATUS_CHOICES = [
    (FieldStatus.VALUE.value, _("answered")),
    (FieldStatus.UNKNOWN.value, _("not known, because …")),
    (FieldStatus.NOT_APPLICABLE.value, _("does not apply, because …")),
]
PARTS = ("value", "status", "why", "plan")
MOST_PROOF = 20 * 1024 * 1024


class AnswersForm(forms.Form):
    """Four inputs for each field that a regime asks for: answer, status, reason and plan."""

    def __init__(
        self,
        data: Any,
        *,
        asked: Iterable[RequiredField],
        answers: Mapping[str, Mapping[str, str]],
        zone: str = "UTC",
        limbs: Iterable[LimbDefinition] = (),
    ) -> None:
        """Build the inputs from the pinned regime, filled with what stands.

        Args:
            data: what was sent.
            asked: the fields.
            answers: what stands, by field.
            zone: in which dates and times are read.
            limbs: the regime's own.
        """
        super().__init__(data)
        self.asked = tuple(asked)
        self.answers = answers
        for one in self.asked:
            answer = answers.get(one.id, {})
            self.fields[f"{one.id}-value"] = control(one, answer, zone=zone, limbs=limbs)
            self._add_standing(one, answer)

    def _add_standing(self, one: RequiredField, answer: Mapping[str, str]) -> None:
        """How the answer stands: what the pack allows, and what stood before."""
        stands = answer.get("status", "")
        allowed = {each.value for each in MAY_STAND[one.unknown_policy]} | {stands}
        choices = [pair for pair in STATUS_CHOICES if pair[0] in allowed]
        is_open = stands in dict(STATUS_CHOICES)
        self.fields[f"{one.id}-status"] = forms.ChoiceField(
            label=_("How it stands"),
            choices=choices,
            initial=stands if is_open else FieldStatus.VALUE.value,
            widget=forms.Select if len(choices) > 1 else forms.HiddenInput,
        )
        if len(choices) > 1:
            self._add_reasons(one, answer)

    def _add_reasons(self, one: RequiredField, answer: Mapping[str, str]) -> None:
        self.fields[f"{one.id}-why"] = forms.CharField(
            label=_("Reason"), required=False, max_length=2000, initial=answer.get("why", "")
        )
        self.fields[f"{one.id}-plan"] = forms.CharField(
            label=_("Plan, if not known"),
            help_text=_("How it will be found out, and by when."),
            required=False,
            max_length=2000,
            initial=answer.get("plan", ""),
        )

    def clean(self) -> dict[str, Any]:
        """Whoever states that something is not known says why."""
        cleaned = super().clean() or {}
        for one in self.asked:
            why = f"{one.id}-why"
            status = cleaned.get(f"{one.id}-status", FieldStatus.VALUE)
            if status != FieldStatus.VALUE and not cleaned.get(why, "").strip():
                self.add_error(why if why in self.fields else None, _("Say why."))
        for name in self.errors:
            if name in self.fields:
                as_text(self.fields[name])
        return cleaned

    def groups(self) -> list[dict[str, Any]]:
        """The inputs of each field together, with the place in the law that asks."""
        return [
            {
                "asked": one,
                "answer": self.answers.get(one.id, {}),
                "at": parse_datetime(self.answers.get(one.id, {}).get("at", "")),
                "inputs": [
                    self[name] for part in PARTS if (name := f"{one.id}-{part}") in self.fields
                ],
                "audience": AUDIENCES[one.audience],
                "care": ""
                if one.sensitivity is Sensitivity.NONE
                else SENSITIVITIES[one.sensitivity],
                "is_marked": one.sensitivity in MARKED,
                "is_kept_back": one.is_kept_back,
            }
            for one in self.asked
        ]

    def wrong(self) -> list[tuple[str, str]]:
        """Inputs with something wrong: where each stands on the page, and the field it answers."""
        labels = {one.id: said(one.label, translation) for one in self.asked}
        return [
            (self[name].id_for_label or str(self[name].auto_id), labels[name.rpartition("-")[0]])
            for name in self.errors
            if name in self.fields
        ]

    def said(self) -> dict[str, dict[str, str]]:
        """The answers as the report service takes them."""
        return {
            one.id: {part: self.cleaned_data.get(f"{one.id}-{part}", "") for part in PARTS}
            for one in self.asked
        }


class FileForm(forms.Form):
    """Which of the configured ways."""

    way = forms.ChoiceField(label=_("Way"))

    def __init__(self, data: Any, *, ways: Iterable[Any]) -> None:
        """Offer only what this report may take."""
        super().__init__(data)
        self.ways = {way.name: way for way in ways}
        choice: Any = self.fields["way"]
        choice.choices = [(way.name, way.label) for way in self.ways.values()]

    @property
    def chosen(self) -> Any:
        """The way that was picked."""
        return self.ways[self.cleaned_data["way"]]


class ReceiptForm(forms.Form):
    """The recipient's proof, brought back by a person."""

    reference = forms.CharField(label=_("The recipient's reference"), max_length=120)
    received_at = forms.DateTimeField(
        label=_("Received at"),
        help_text=_("In your own zone."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    proof = forms.FileField(
        label=_("Proof"), help_text=_("The receipt as it came, 20 MiB at most.")
    )

    def clean_proof(self) -> Any:
        """Not empty, not larger than a receipt can be."""
        proof = self.cleaned_data["proof"]
        if proof.size > MOST_PROOF:
            raise forms.ValidationError(_("The proof has more than 20 MiB; a receipt is smaller."))
        return proof

    def clean_received_at(self) -> Any:
        """An instant, read in the reader's zone."""
        moment = self.cleaned_data["received_at"]
        if timezone.is_aware(moment):
            return moment
        return moment.replace(tzinfo=ZoneInfo(timezone.get_current_timezone_name()))
