"""What people say of a report as a whole: its kind, its language, further reports, translations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from compliance.phrase import said
from compliance.regimes.terms import ReportKind
from compliance.services import report as reports

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compliance.models import Report
    from compliance.regimes.fields import RequiredField

PART_LABELS = {
    "value": _("What happened or applies"),
    "why": _("Reason"),
    "plan": _("Plan to find out"),
}


class DeclareForm(forms.Form):
    """Kind and language."""

    what = forms.ChoiceField(label=_("Kind of report"))
    language = forms.ChoiceField(
        label=_("Language of the report"),
        help_text=_(
            "Labels, fixed text and words made from records. What people typed stays as it was typed."
        ),
    )

    def __init__(self, data: Any, *, report: Report) -> None:
        """Offer the kinds that this report may be."""
        super().__init__(data, initial={"what": report.what, "language": report.language})
        what: Any = self.fields["what"]
        what.choices = reports.kinds_for(report)
        language: Any = self.fields["language"]
        language.choices = [
            (code, said(words, translation)) for code, words in reports.LANGUAGES.items()
        ]


class FollowForm(forms.Form):
    """Which further report, and why."""

    what = forms.ChoiceField(label=_("Kind of report"))
    reason = forms.CharField(
        label=_("Why"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_(
            "For the record. A withdrawal, and a finding of not reportable, begin with this reason."
        ),
    )

    def __init__(self, data: Any, *, report: Report) -> None:
        """Kinds that follow one which was filed, as far as its recipient knows them."""
        super().__init__(data)
        what: Any = self.fields["what"]
        offered = reports.further(report)
        what.choices = [(code, said(words, translation)) for code, words in offered.items()]
        if ReportKind.WITHDRAWAL not in offered:
            self.fields["reason"].help_text = _(
                "For the record. A finding of not reportable begins with this reason."
            )


class TranslateForm(forms.Form):
    """One input for each part of each answer, and which text counts."""

    is_authoritative = forms.BooleanField(
        label=_("This translation is the authoritative text"), required=False
    )

    def __init__(
        self,
        data: Any,
        *,
        asked: Iterable[RequiredField],
        originals: Mapping[str, Mapping[str, str]],
        earlier: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Build the inputs from what stands, filled with what was last translated."""
        super().__init__(data)
        self.originals = originals
        self.labels = {each.id: each.label for each in asked}
        for name, parts in originals.items():
            for part in parts:
                self.fields[f"{name}-{part}"] = forms.CharField(
                    label=PART_LABELS[part],
                    max_length=reports.LONGEST_ANSWER,
                    initial=earlier.get(name, {}).get(part, ""),
                    widget=forms.Textarea(attrs={"rows": 4}),
                )

    def groups(self) -> list[dict[str, Any]]:
        """Each answer with its parts, original and input side by side."""
        return [
            {
                "label": self.labels.get(name, name),
                "parts": [(text, self[f"{name}-{part}"]) for part, text in parts.items()],
            }
            for name, parts in self.originals.items()
        ]

    def said(self) -> dict[str, dict[str, str]]:
        """The translation as the service takes it."""
        return {
            name: {part: self.cleaned_data[f"{name}-{part}"] for part in parts}
            for name, parts in self.originals.items()
        }
