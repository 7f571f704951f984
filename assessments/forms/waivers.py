"""Waivers, and reasons for the record."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments.forms.fields import LONGEST_TEXT, lines


class WaiverForm(forms.Form):
    """Why one criterion may pass for a while."""

    reason = forms.CharField(
        label=_("Reason"),
        widget=lines(4),
        max_length=LONGEST_TEXT,
        help_text=_("Two people who did not ask will judge it."),
    )
    conditions = forms.CharField(
        label=_("Conditions"),
        widget=lines(3),
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

    reason = forms.CharField(label=_("Reason"), widget=lines(3), max_length=2000)
