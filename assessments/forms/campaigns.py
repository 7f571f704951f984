"""Campaigns and what they find."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments.forms.fields import LONGEST_TEXT, lines, offer
from assessments.services.campaign import CONCERNS as TRIED
from assessments.services.campaign import SEVERITY_WORDS
from assessments.services.picture import CONCERNS
from compliance import queries as ground
from compliance.actors import Actor


class CampaignForm(forms.Form):
    """A new campaign."""

    version: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None, label=_("Model version"), to_field_name="uuid"
    )
    name = forms.CharField(label=_("Name"), max_length=200)
    scope = forms.CharField(
        label=_("Scope"),
        widget=lines(4),
        max_length=LONGEST_TEXT,
        help_text=_("What is tried, with what access, and what is not."),
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        """Only versions that the actor may see can be attacked."""
        super().__init__(*args, **kwargs)
        offer(self, "version", ground.versions_for(actor).order_by("-id"))


class InviteForm(forms.Form):
    """Somebody who may see and work on this campaign alone."""

    email = forms.EmailField(label=_("Address they sign in with"))


class FindingForm(forms.Form):
    """One way in that worked, or nearly."""

    title = forms.CharField(label=_("What happened"), max_length=200)
    concern = forms.ChoiceField(label=_("Concern"), choices=[(key, CONCERNS[key]) for key in TRIED])
    severity = forms.ChoiceField(label=_("Severity"), choices=list(SEVERITY_WORDS.items()))
    detail = forms.CharField(
        label=_("How, word by word"), widget=lines(5), max_length=LONGEST_TEXT, required=False
    )


class CloseForm(forms.Form):
    """What the campaign came to."""

    n_attempts = forms.IntegerField(
        label=_("Attempts made"),
        min_value=0,
        help_text=_("Few attempts are inconclusive, whatever came of them."),
    )
    conclusion = forms.CharField(label=_("Conclusion"), widget=lines(4), max_length=LONGEST_TEXT)
