"""Who answers for a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from compliance.models import User


class ChargeForm(forms.Form):
    """An owner, and a deputy for when the owner is not there."""

    owner: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("Owner"),
        to_field_name="uuid",
        required=False,
        empty_label=_("nobody"),
    )
    deputy: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("Deputy"),
        to_field_name="uuid",
        required=False,
        empty_label=_("nobody"),
        help_text=_("Asked when the owner does not answer."),
    )

    def __init__(self, *args: Any, people: QuerySet[User], **options: Any) -> None:
        """Offer these people."""
        super().__init__(*args, **options)
        for name in ("owner", "deputy"):
            self.fields[name].queryset = people  # type: ignore[attr-defined]

    @override
    def clean(self) -> dict[str, Any]:
        """A deputy is somebody else, and stands for somebody."""
        found = super().clean() or {}
        owner, deputy = found.get("owner"), found.get("deputy")
        if deputy and not owner:
            raise ValidationError(_("A deputy stands for an owner; name the owner first."))
        if owner and owner == deputy:
            raise ValidationError(_("The deputy must be somebody else than the owner."))
        return found
