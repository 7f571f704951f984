"""What people enter about reports: answers with their status, ways to file, receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from compliance.phrase import said
from compliance.services.report import LONGEST_ANSWER, FieldStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compliance.regimes.schema import RequiredField

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
    ) -> None:
        """Build the inputs from the pinned regime, filled with what stands."""
        super().__init__(data)
        self.asked = tuple(asked)
        self.answers = answers
        for one in self.asked:
            self._add(one, answers.get(one.id, {}))

    def _add(self, one: RequiredField, answer: Mapping[str, str]) -> None:
        stands = answer.get("status", "")
        self.fields[f"{one.id}-value"] = forms.CharField(
            label=said(one.label, translation),
            required=False,
            max_length=LONGEST_ANSWER,
            initial=answer.get("words", answer.get("value", "")),
            widget=forms.Textarea(attrs={"rows": 4}),
        )
        self.fields[f"{one.id}-status"] = forms.ChoiceField(
            label=_("How it stands"),
            choices=STATUS_CHOICES,
            initial=stands if stands in dict(STATUS_CHOICES) else FieldStatus.VALUE.value,
        )
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
            status = cleaned.get(f"{one.id}-status")
            if status != FieldStatus.VALUE and not cleaned.get(f"{one.id}-why", "").strip():
                self.add_error(f"{one.id}-why", _("Say why."))
        return cleaned

    def groups(self) -> list[dict[str, Any]]:
        """The inputs of each field together, with the place in the law that asks."""
        return [
            {
                "asked": one,
                "answer": self.answers.get(one.id, {}),
                "at": parse_datetime(self.answers.get(one.id, {}).get("at", "")),
                "inputs": [self[f"{one.id}-{part}"] for part in PARTS],
            }
            for one in self.asked
        ]

    def said(self) -> dict[str, dict[str, str]]:
        """The answers as the report service takes them."""
        return {
            one.id: {part: self.cleaned_data[f"{one.id}-{part}"] for part in PARTS}
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
