"""What people enter about systems, models, versions, manifests, deployments and evidence."""

from __future__ import annotations

import json
import re
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance import queries
from compliance.clock import now
from compliance.services import registry

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from compliance.models import AIModel, AISystem, Deployment, LegalEntity, ModelVersion

LONGEST = 4_000
MOST_LINES = 500
MOST_BYTES_IN_A_REQUEST = 1 << 30
A_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
A_COUNTRY = re.compile(r"[A-Z]{2}\Z")
# What a person may attest by hand; measured kinds come from the rooms that measure them.
ATTESTABLE = (
    ("red_team", _("Red-team record"), 1),
    ("independent_review", _("Independent review"), 1),
    ("benchmark", _("Benchmark result"), 1),
    ("monitoring_readiness", _("Monitoring readiness"), 2),
    ("rota", _("Rota covers day and night"), 3),
    ("rollback_drill", _("Rollback drill"), 3),
    ("technical_documentation", _("Technical documentation reviewed"), 4),
)
LAYER_OF = {what: layer for what, _label, layer in ATTESTABLE}
MEANT_TO_LAST = {"rota", "rollback_drill", "monitoring_readiness"}


def area(rows: int = 3) -> forms.Textarea:
    """A box for several lines."""
    return forms.Textarea(attrs={"rows": rows, "maxlength": LONGEST})


def lines_of(text: str) -> list[str]:
    """The non-empty lines, each once, in their order.

    Raises:
        ValidationError: more than can sensibly be declared.
    """
    found = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(found) > MOST_LINES:
        raise forms.ValidationError(
            _now("%(n)d lines came; at most %(most)d are accepted.")
            % {"n": len(found), "most": MOST_LINES}
        )
    return found


class Lines(forms.CharField):
    """One entry a line."""

    def __init__(self, *, rows: int = 3, **options: Any) -> None:
        """A text box; empty is an empty list."""
        super().__init__(widget=area(rows), max_length=LONGEST * 5, required=False, **options)

    def clean(self, value: str | None) -> list[str]:
        """The lines as a list."""
        return lines_of(super().clean(value) or "")


def zone_field() -> forms.ChoiceField:
    """An IANA zone."""
    return forms.ChoiceField(
        label=_("Time zone"),
        choices=[(name, name) for name in sorted(available_timezones())],
        initial="Europe/Berlin",
    )


class EntityForm(forms.Form):
    """A legal entity."""

    name = forms.CharField(label=_("Legal name"), max_length=200)
    country = forms.CharField(
        label=_("Country"), max_length=2, help_text=_("Two letters of ISO 3166, such as DE.")
    )

    def clean_name(self) -> str:
        """A name is taken once."""
        name = str(self.cleaned_data["name"]).strip()
        if queries.entity_exists(name):
            raise forms.ValidationError(_now("An entity of this name is registered already."))
        return name

    def clean_country(self) -> str:
        """Two capital letters."""
        country = str(self.cleaned_data["country"]).strip().upper()
        if not A_COUNTRY.match(country):
            raise forms.ValidationError(_now("Expected two letters, such as DE."))
        return country


class SystemForm(forms.Form):
    """An AI system."""

    entity: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("Legal entity"),
        to_field_name="uuid",
        help_text=_("Who answers for the system before the law."),
    )
    name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("As it is placed on the market.")
    )
    intended_purpose = forms.CharField(
        label=_("Intended purpose"),
        widget=area(4),
        max_length=LONGEST,
        help_text=_(
            "What it is for, for whom, and under which conditions. It opens the technical documentation."
        ),
    )
    risk_class = forms.ChoiceField(
        label=_("Risk class"),
        choices=queries.RISK_CLASSES,
        initial="unknown",
        help_text=_(
            "As the provider classified it under Art. 6; “not classified yet” is an honest answer."
        ),
    )
    eu_role = forms.ChoiceField(label=_("Role under the AI Act"), choices=queries.EU_ROLES)
    zone = zone_field()
    member_states = forms.CharField(
        label=_("Member states"),
        required=False,
        max_length=200,
        help_text=_("Where it is on the market: two letters each, with spaces between them."),
    )

    def __init__(self, *args: Any, entities: QuerySet[LegalEntity], **options: Any) -> None:
        """Offer the entities that the person may see."""
        super().__init__(*args, **options)
        self.fields["entity"].queryset = entities  # type: ignore[attr-defined]

    def clean_member_states(self) -> list[str]:
        """Two capital letters each."""
        found = re.split(r"[\s,;]+", str(self.cleaned_data["member_states"]).strip().upper())
        states = sorted({state for state in found if state})
        if wrong := [state for state in states if not A_COUNTRY.match(state)]:
            raise forms.ValidationError(
                _now("Expected two letters each; came %s.") % ", ".join(wrong)
            )
        return states


class ModelForm(forms.Form):
    """A line of versions."""

    name = forms.CharField(label=_("Name"), max_length=200)
    base = forms.CharField(
        label=_("Made from"), max_length=200, required=False, help_text=_("The base model, if any.")
    )
    licence = forms.CharField(label=_("Licence"), max_length=120, required=False)

    def __init__(self, *args: Any, system: AISystem, **options: Any) -> None:
        """Names are unique within the system."""
        super().__init__(*args, **options)
        self.system = system

    def clean_name(self) -> str:
        """A name is taken once."""
        name = str(self.cleaned_data["name"]).strip()
        if queries.model_name_exists(self.system, name):
            raise forms.ValidationError(_now("This system has a model of this name already."))
        return name


class VersionForm(forms.Form):
    """A version out of a folder on the server."""

    name = forms.CharField(label=_("Version"), max_length=80, help_text=_("Such as 1.4.0."))
    folder = forms.CharField(label=_("Folder on the server"), max_length=500)
    origin = forms.CharField(
        label=_("How it came to be"),
        widget=area(3),
        max_length=LONGEST,
        required=False,
        help_text=_(
            "Training run, fine-tuning, supplier: what a reader would need to make it again."
        ),
    )
    previous: Any = forms.ModelChoiceField(
        queryset=None, label=_("Follows"), to_field_name="uuid", required=False
    )

    def __init__(
        self, *args: Any, model: AIModel, versions: QuerySet[ModelVersion], **options: Any
    ) -> None:
        """Say below which folders the files must lie."""
        super().__init__(*args, **options)
        self.model = model
        self.fields["previous"].queryset = versions  # type: ignore[attr-defined]
        roots = ", ".join(str(root) for root in settings.STRATA_MODEL_ROOTS)
        self.fields["folder"].help_text = _now("It must lie below %(roots)s.") % {"roots": roots}

    def clean_name(self) -> str:
        """A name is taken once."""
        name = str(self.cleaned_data["name"]).strip()
        if queries.version_name_exists(self.model, name):
            raise forms.ValidationError(_now("This model has a version of this name already."))
        return name

    def clean_folder(self) -> Path:
        """A folder below an allowed root, small enough to be read while somebody waits."""
        folder = allowed_folder(str(self.cleaned_data["folder"]))
        size = registry.size_of(folder)
        if size > MOST_BYTES_IN_A_REQUEST:
            raise forms.ValidationError(
                _now(
                    "These files are %(size).1f GB; reading them would outlast a request. Run on the"
                    " server: manage.py register_version %(model)s VERSION %(folder)s --by YOUR-ADDRESS"
                )
                % {"size": size / 1e9, "model": self.model.uuid, "folder": folder}
            )
        return folder


def allowed_folder(text: str) -> Path:
    """The folder with all links followed, if it lies below one of STRATA_MODEL_ROOTS.

    The answer is the same whether a folder elsewhere exists or not.
    """
    folder = Path(text.strip()).resolve()
    roots = [Path(root).resolve() for root in settings.STRATA_MODEL_ROOTS]
    if not any(folder.is_relative_to(root) for root in roots):
        raise forms.ValidationError(
            _now("Expected a folder below %(roots)s.") % {"roots": ", ".join(map(str, roots))}
        )
    if not folder.is_dir():
        raise forms.ValidationError(_now("There is no such folder on the server."))
    return folder


class ManifestForm(forms.Form):
    """What a version is declared to use."""

    tools = Lines(label=_("Tools it may call"), help_text=_("One a line, as telemetry names them."))
    external_tools = Lines(
        label=_("Of these, tools that carry data out"), help_text=_("Mail, web requests, uploads.")
    )
    untrusted_tools = Lines(
        label=_("Of these, tools that bring in what strangers wrote"),
        help_text=_("Web pages, mail, tickets."),
    )
    data_scopes = Lines(
        label=_("Data it may touch"), help_text=_("One prefix or pattern a line, such as docs/*.")
    )
    prompt_sha256s = Lines(
        label=_("System prompts it was assessed with"),
        help_text=_("One SHA-256 a line, 64 hexadecimal digits."),
    )
    rates = Lines(
        label=_("Most calls an hour"), help_text=_("One a line, such as search_docs 120.")
    )

    def clean_prompt_sha256s(self) -> list[str]:
        """Digests only."""
        digests = [
            line.lower().removeprefix("sha256:") for line in self.cleaned_data["prompt_sha256s"]
        ]
        if wrong := [line for line in digests if not A_DIGEST.match(line)]:
            raise forms.ValidationError(
                _now("Expected 64 hexadecimal digits; came “%s”.") % wrong[0][:80]
            )
        return digests

    def clean_rates(self) -> dict[str, int]:
        """Tool and number."""
        rates = {}
        for line in self.cleaned_data["rates"]:
            tool, _space, number = line.rpartition(" ")
            if not tool or not number.isdecimal():
                raise forms.ValidationError(
                    _now("Expected a tool and a whole number; came “%s”.") % line[:80]
                )
            rates[tool.strip()] = int(number)
        return rates

    def clean(self) -> dict[str, Any]:
        """Every tool that is spoken of is declared."""
        cleaned = super().clean() or self.cleaned_data
        declared = set(cleaned.get("tools", []))
        for name in ("external_tools", "untrusted_tools", "rates"):
            if strangers := sorted(set(cleaned.get(name, [])) - declared):
                self.add_error(
                    name, _now("Not among the tools it may call: %s.") % ", ".join(strangers)[:300]
                )
        return cleaned


class DeploymentForm(forms.Form):
    """Where versions serve."""

    key = forms.SlugField(
        label=_("Key"),
        max_length=50,
        help_text=_("As its telemetry names it: the resource's service.name."),
    )
    environment = forms.ChoiceField(label=_("Environment"), choices=queries.ENVIRONMENTS)
    zone = zone_field()
    target_kind = forms.ChoiceField(
        label=_("Target"),
        choices=[
            ("null", _("none: rollbacks are carried out by hand")),
            ("http", _("HTTP control point")),
        ],
        help_text=_("What a rollback tells to change versions, and asks what serves."),
    )
    target_url = forms.URLField(
        label=_("Address of the target"), required=False, assume_scheme="https"
    )
    target_token = forms.CharField(
        label=_("Token for the target"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Never shown again."),
    )

    def clean_key(self) -> str:
        """A key is taken once."""
        key = str(self.cleaned_data["key"])
        if queries.deployment_key_exists(key):
            raise forms.ValidationError(_now("A deployment has this key already."))
        return key

    def clean(self) -> dict[str, Any]:
        """An HTTP target needs its address and token."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("target_kind") == "http":
            for name in ("target_url", "target_token"):
                if not cleaned.get(name):
                    self.add_error(name, _now("An HTTP target needs it."))
        return cleaned

    def target_config(self) -> dict[str, str]:
        """What the target is loaded from."""
        if self.cleaned_data["target_kind"] != "http":
            return {}
        return {"url": self.cleaned_data["target_url"], "token": self.cleaned_data["target_token"]}


class ServingForm(forms.Form):
    """What a deployment serves from now on."""

    version: Any = forms.ModelChoiceField(queryset=None, label=_("Version"), to_field_name="uuid")

    def __init__(
        self, *args: Any, deployment: Deployment, versions: QuerySet[ModelVersion], **options: Any
    ) -> None:
        """Offer registered versions of the deployment's own system."""
        super().__init__(*args, **options)
        own = versions.filter(model__system=deployment.system, state="registered").order_by("-id")
        self.fields["version"].queryset = own  # type: ignore[attr-defined]


class AttestForm(forms.Form):
    """A person vouches for something that no instrument here measured."""

    what = forms.ChoiceField(
        label=_("Of what"), choices=[(what, label) for what, label, _layer in ATTESTABLE]
    )
    status = forms.ChoiceField(
        label=_("Result"), choices=queries.EVIDENCE_STATUSES, widget=forms.RadioSelect
    )
    summary = forms.CharField(
        label=_("What was found, in one sentence"),
        max_length=500,
        help_text=_("Say what was shown, no more: “the drill took 4 minutes”, never “safe”."),
    )
    reason = forms.CharField(
        label=_("On what grounds"),
        widget=area(4),
        max_length=LONGEST,
        help_text=_("Who did what, when, and where it can be looked up."),
    )
    valid_until = forms.DateField(
        label=_("Valid until, at the end of this day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("A rota, a drill or monitoring readiness needs a day on which it lapses."),
    )

    def clean_valid_until(self) -> datetime | None:
        """The end of the day in the reader's zone, in the future."""
        day = self.cleaned_data["valid_until"]
        if day is None:
            return None
        until = timezone.make_aware(datetime.combine(day, time.max))
        if until <= now():
            raise forms.ValidationError(_now("Expected a day that is not over yet."))
        return until

    def clean(self) -> dict[str, Any]:
        """What wears off needs its end."""
        cleaned = super().clean() or self.cleaned_data
        wears_off = cleaned.get("what") in MEANT_TO_LAST
        if wears_off and not cleaned.get("valid_until") and "valid_until" not in self.errors:
            self.add_error(
                "valid_until", _now("This kind of evidence wears off; say until when it holds.")
            )
        return cleaned

    @property
    def layer(self) -> int:
        """The layer this kind of evidence speaks for."""
        return LAYER_OF[self.cleaned_data["what"]]


class NoteForm(forms.Form):
    """A reason, for the record."""

    reason = forms.CharField(label=_("Reason, for the record"), widget=area(3), max_length=2_000)


def as_json(content: Any) -> str:
    """Structured content as a person can read it, keys in order."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
