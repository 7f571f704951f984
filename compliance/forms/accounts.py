"""What people enter about people and tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance import queries
from compliance.forms.inventory import zone_field
from compliance.permissions import TOKEN_SCOPES, Permission, Role
from compliance.services.account import THEMES

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from compliance.models import Deployment

ROLE_WORDS = {
    Role.GOVERNANCE_LEAD: _("governance lead"),
    Role.SAFETY_ENGINEER: _("safety engineer"),
    Role.RESPONDER: _("responder"),
    Role.FILING_OFFICER: _("legal or filing officer"),
    Role.RED_TEAMER: _("external red-teamer"),
    Role.AUDITOR: _("auditor"),
    Role.COUNSEL: _("counsel"),
    Role.EXECUTIVE: _("executive reader"),
}
ROLE_CHOICES = [(role.value, ROLE_WORDS[role]) for role in Role]
SCOPE_CHOICES = [(scope.value, scope.value) for scope in sorted(TOKEN_SCOPES)]
THEME_WORDS = {"auto": _("as the device"), "light": _("light"), "dark": _("dark")}


def roles_field(*, required: bool) -> forms.MultipleChoiceField:
    """Any of the roles."""
    return forms.MultipleChoiceField(
        label=_("Roles"),
        choices=ROLE_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        required=required,
    )


class PersonForm(forms.Form):
    """A new person."""

    name = forms.CharField(label=_("Name"), max_length=120)
    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    roles = roles_field(required=False)
    zone = zone_field()
    password = forms.CharField(
        label=_("First password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Leave it empty for somebody who comes by single sign-on or a reset link."),
    )

    def clean_email(self) -> str:
        """An address is taken once."""
        address = str(self.cleaned_data["email"]).lower()
        if queries.person_by_email(address) is not None:
            raise forms.ValidationError(_now("Somebody has this address already."))
        return address

    def clean_password(self) -> str:
        """Long enough, and not a common one."""
        password = str(self.cleaned_data["password"])
        if password:
            validate_password(password)
        return password


class RolesForm(forms.Form):
    """Somebody's roles."""

    roles = roles_field(required=False)


class TokenForm(forms.Form):
    """A machine's key."""

    label = forms.CharField(
        label=_("Label"),
        max_length=120,
        help_text=_("What will use it, such as “release pipeline”."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("May do"), choices=SCOPE_CHOICES, widget=forms.CheckboxSelectMultiple
    )
    deployment: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("Bound to the deployment"),
        to_field_name="uuid",
        required=False,
        help_text=_("Needed for event:ingest: telemetry is believed only about this deployment."),
    )
    days = forms.IntegerField(
        label=_("Works for so many days"), min_value=1, max_value=366, initial=90
    )

    def __init__(self, *args: Any, deployments: QuerySet[Deployment], **options: Any) -> None:
        """Offer the deployments that the person may see."""
        super().__init__(*args, **options)
        self.fields["deployment"].queryset = deployments  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Telemetry needs its deployment."""
        cleaned = super().clean() or self.cleaned_data
        sends = Permission.EVENT_INGEST.value in cleaned.get("scopes", [])
        if sends and cleaned.get("deployment") is None and "deployment" not in self.errors:
            self.add_error(
                "deployment", _now("A token that sends telemetry is bound to one deployment.")
            )
        return cleaned

    @property
    def lives(self) -> timedelta:
        """How long it works."""
        return timedelta(days=self.cleaned_data["days"])


class ZoneForm(forms.Form):
    """In which zone times are shown."""

    zone = zone_field()


class ThemeForm(forms.Form):
    """Light, dark or as the device."""

    theme = forms.ChoiceField(
        label=_("Theme"), choices=[(name, THEME_WORDS[name]) for name in THEMES]
    )
