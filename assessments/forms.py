"""What people fill in on the first floor. A form checks shape; the services judge the rest."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments import queries
from assessments.services.campaign import CONCERNS as TRIED
from assessments.services.campaign import SEVERITY_WORDS
from assessments.services.picture import CONCERNS
from compliance import queries as ground
from compliance.actors import Actor

LONGEST_TEXT = 4000


def _lines(n: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": n})


class ScanForm(forms.Form):
    """What is to be measured, with what."""

    version: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None, label=_("Model version"), to_field_name="uuid"
    )
    watchlist: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None,
        label=_("Watch-list"),
        to_field_name="uuid",
        help_text=_("The latents that are watched, and with them the autoencoder."),
    )
    suite: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None,
        label=_("Prompt suite"),
        to_field_name="uuid",
        help_text=_(
            "Pairs of prompts under evaluation and deployment frames make the paired test possible."
        ),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        help_text=_("The same seed gives the same result."),
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        """Only what the actor may see can be chosen."""
        super().__init__(*args, **kwargs)
        choices = {
            "version": ground.versions_for(actor).filter(state="registered").order_by("-id"),
            "watchlist": queries.watchlists_for(actor),
            "suite": queries.suites_for(actor),
        }
        for name, rows in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - says it to the checker
            field.queryset = rows


class CampaignForm(forms.Form):
    """A new campaign."""

    version: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None, label=_("Model version"), to_field_name="uuid"
    )
    name = forms.CharField(label=_("Name"), max_length=200)
    scope = forms.CharField(
        label=_("Scope"),
        widget=_lines(4),
        max_length=LONGEST_TEXT,
        help_text=_("What is tried, with what access, and what is not."),
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        """Only versions that the actor may see can be attacked."""
        super().__init__(*args, **kwargs)
        field = self.fields["version"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - says it to the checker
        field.queryset = ground.versions_for(actor).order_by("-id")


class InviteForm(forms.Form):
    """Somebody who may see and work on this campaign alone."""

    email = forms.EmailField(label=_("Address they sign in with"))


class FindingForm(forms.Form):
    """One way in that worked, or nearly."""

    title = forms.CharField(label=_("What happened"), max_length=200)
    concern = forms.ChoiceField(
        label=_("Concern"), choices=[(key, CONCERNS[key]) for key in TRIED]
    )
    severity = forms.ChoiceField(label=_("Severity"), choices=list(SEVERITY_WORDS.items()))
    detail = forms.CharField(
        label=_("How, word by word"), widget=_lines(5), max_length=LONGEST_TEXT, required=False
    )


class CloseForm(forms.Form):
    """What the campaign came to."""

    n_attempts = forms.IntegerField(
        label=_("Attempts made"),
        min_value=0,
        help_text=_("Few attempts are inconclusive, whatever came of them."),
    )
    conclusion = forms.CharField(label=_("Conclusion"), widget=_lines(4), max_length=LONGEST_TEXT)


class WaiverForm(forms.Form):
    """Why one criterion may pass for a while."""

    reason = forms.CharField(
        label=_("Reason"),
        widget=_lines(4),
        max_length=LONGEST_TEXT,
        help_text=_("Two people who did not ask will judge it."),
    )
    conditions = forms.CharField(
        label=_("Conditions"),
        widget=_lines(3),
        max_length=LONGEST_TEXT,
        required=False,
        help_text=_("What must hold meanwhile, such as a share of traffic."),
    )
    expires_at = forms.DateTimeField(
        label=_("Ends"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_("In your own zone. The policy says how long at most."),
    )


class ReasonForm(forms.Form):
    """A reason, for the record."""

    reason = forms.CharField(label=_("Reason"), widget=_lines(3), max_length=2000)
