"""Asking for a scan."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments import queries
from assessments.forms.fields import offer
from compliance import queries as ground
from compliance.actors import Actor


class ScanForm(forms.Form):
    """What is to be measured, with what."""

    version: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None, label=_("Model version"), to_field_name="uuid"
    )
    watchlists: forms.ModelMultipleChoiceField[Any] = forms.ModelMultipleChoiceField(
        queryset=None,
        label=_("Watch-lists"),
        to_field_name="uuid",
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "The latents that are watched, and with them the autoencoder and its read point. Several are scanned side by side, each with findings of its own."
        ),
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
            "watchlists": queries.scannable_watchlists_for(actor),
            "suite": queries.suites_for(actor),
        }
        for name, rows in choices.items():
            offer(self, name, rows)
