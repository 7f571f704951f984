"""What people enter on the second floor, and what of it can be right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from assessments.scanner.contract import Family
from assessments.services.picture import CONCERNS
from compliance.clock import now
from incidents import queries

LONGEST = 4_000
CHANNELS = {
    "email": _("e-mail"),
    "chat": _("chat"),
    "webhook": _("webhook"),
    "null": _("the page here only (sent nowhere)"),
}
DISPOSITIONS = {
    "true_positive": _("right"),
    "benign_expected": _("right, and expected"),
    "false_positive": _("wrong"),
    "test": _("a test"),
    "duplicate": _("a repetition of another"),
    "insufficient_information": _("impossible to tell"),
}
YES_NO = [("", _("not known yet")), ("yes", _("yes")), ("no", _("no"))]


def area(rows: int = 3, longest: int = LONGEST) -> forms.Textarea:
    """A box for sentences."""
    return forms.Textarea(attrs={"rows": rows, "maxlength": longest})


def local_now() -> str:
    """This minute in the reader's zone, as the browser's field writes it."""
    return timezone.localtime(now()).strftime("%Y-%m-%dT%H:%M")


class Moment(forms.DateTimeField):
    """A minute in the reader's zone, by the browser's own control."""

    def __init__(self, **options: Any) -> None:
        """The control writes ISO without a zone; Django reads it in the reader's."""
        control = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(
            widget=control, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], **options
        )


class YesNo(forms.ChoiceField):
    """Yes, no, or not known yet; the third needs no word beside it."""

    may_be_open = True


class OpenForm(forms.Form):
    """A person opens an incident."""

    deployment: Any = forms.ModelChoiceField(
        queryset=None, label=_("Deployment"), to_field_name="uuid"
    )
    title = forms.CharField(label=_("What happened, in one line"), max_length=300)
    severity = forms.ChoiceField(
        label=_("Severity"),
        choices=queries.SEVERITIES,
        initial="sev2",
        help_text=_("Assume the worse one until it is known."),
    )
    is_exercise = forms.BooleanField(label=_("This is an exercise"), required=False)

    def __init__(self, *args: Any, deployments: Any, **options: Any) -> None:
        """Offer only what the person may see."""
        super().__init__(*args, **options)
        self.fields["deployment"].queryset = deployments  # type: ignore[attr-defined]


class NoteForm(forms.Form):
    """A note."""

    text = forms.CharField(label=_("Note"), widget=area(3), max_length=LONGEST)


class ReasonForm(forms.Form):
    """A reason, for the record."""

    reason = forms.CharField(label=_("Reason"), widget=area(3), max_length=LONGEST)


class ChoiceForm(forms.Form):
    """Art. 73(6): informed first, or an emergency in writing."""

    choice = forms.ChoiceField(
        label=_("Before the system is touched"),
        choices=queries.PRIOR_CHOICES,
        widget=forms.RadioSelect,
    )
    authority = forms.CharField(label=_("Authority informed"), required=False, max_length=200)
    informed_at = Moment(label=_("Informed at"), required=False)
    reason = forms.CharField(label=_("Reasons"), widget=area(3), max_length=LONGEST)

    @override
    def clean(self) -> dict[str, Any]:
        """Whoever says “informed” also says whom and when."""
        found = super().clean() or {}
        informed = found.get("choice") == "informed"
        if informed and not (found.get("authority") and found.get("informed_at")):
            raise forms.ValidationError(_("Say which authority was informed and when."))
        return found


class ResolveForm(forms.Form):
    """What it did to people and things."""

    reason = forms.CharField(label=_("Impact"), widget=area(3), max_length=LONGEST)


class RollbackForm(forms.Form):
    """Which version, and why."""

    to_version = forms.ChoiceField(label=_("Roll back to"))

    def __init__(self, *args: Any, targets: Iterable[tuple[str, str]], **options: Any) -> None:
        """Offer versions of the same system."""
        super().__init__(*args, **options)
        self.fields["to_version"].choices = list(targets)  # type: ignore[attr-defined]


class ResolveAlertForm(forms.Form):
    """What an alert turned out to be."""

    disposition = forms.ChoiceField(label=_("It was"), choices=list(DISPOSITIONS.items()))


class ShiftForm(forms.Form):
    """Somebody on call."""

    person: Any = forms.ModelChoiceField(queryset=None, label=_("Person"), to_field_name="uuid")
    rung = forms.IntegerField(label=_("Rung"), min_value=1, max_value=9, initial=1)
    starts_at = Moment(label=_("From"))
    ends_at = Moment(label=_("Until"))

    def __init__(self, *args: Any, people: Any, **options: Any) -> None:
        """Offer active people."""
        super().__init__(*args, **options)
        self.fields["person"].queryset = people  # type: ignore[attr-defined]

    @override
    def clean(self) -> dict[str, Any]:
        """A shift ends after it begins."""
        found = super().clean() or {}
        starts, ends = found.get("starts_at"), found.get("ends_at")
        if starts and ends and ends <= starts:
            raise forms.ValidationError(_("The shift must end after it begins."))
        return found


class StepForm(forms.Form):
    """One rung of the ladder."""

    rung = forms.IntegerField(label=_("Rung"), min_value=1, max_value=9)
    wait_minutes = forms.IntegerField(
        label=_("Wait for an answer, minutes"), min_value=1, max_value=240
    )
    channels = forms.MultipleChoiceField(
        label=_("Call by"),
        choices=list(CHANNELS.items()),
        widget=forms.CheckboxSelectMultiple,
    )


class ReviewForm(forms.Form):
    """The blameless account."""

    summary = forms.CharField(label=_("What happened"), widget=area(6), max_length=20_000)
    causes = forms.CharField(
        label=_("What contributed"),
        widget=area(6),
        max_length=20_000,
        help_text=_("Conditions, not people."),
    )


class RuleForm(forms.Form):
    """A detection rule as YAML."""

    title = forms.CharField(label=_("Lesson"), max_length=300)
    source = forms.CharField(
        label=_("Rule (YAML)"),
        widget=area(16),
        max_length=100_000,
        help_text=_("It must carry its own tests; it stays inactive until somebody activates it."),
    )


class PairForm(forms.Form):
    """A prompt pair for the suite."""

    title = forms.CharField(label=_("Lesson"), max_length=300)
    suite: Any = forms.ModelChoiceField(queryset=None, label=_("Suite"), to_field_name="uuid")
    family = forms.ChoiceField(
        label=_("Concern"), choices=[(str(each), CONCERNS[each.value]) for each in Family]
    )
    text = forms.CharField(label=_("The user's turn"), widget=area(3), max_length=LONGEST)
    evaluation = forms.CharField(label=_("System text: a test"), widget=area(3), max_length=LONGEST)
    deployment = forms.CharField(
        label=_("System text: in earnest"), widget=area(3), max_length=LONGEST
    )

    def __init__(self, *args: Any, suites: Any, **options: Any) -> None:
        """Offer the suites the person may see."""
        super().__init__(*args, **options)
        self.fields["suite"].queryset = suites  # type: ignore[attr-defined]
