"""Registering what scans measure with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from assessments import queries
from assessments.forms.fields import lines, offer
from assessments.scanner.contract import plain_sha256
from assessments.scanner.examined import LAYOUTS
from assessments.services import sae, suite, suite_file, watchlist, watchlist_file
from assessments.services.picture import concern_label
from assessments.services.problems import FileError
from compliance import queries as ground
from compliance.actors import Actor

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.models import WatchList
    from assessments.scanner.contract import Prompt
    from assessments.services.problems import Problem
    from assessments.services.watchlist_file import Listed

LONGEST_REASON = 2000


def reason_field(help_text: Any = "", *, required: bool = True) -> forms.CharField:
    """Why, for the record."""
    return forms.CharField(
        label=_("Reason"),
        widget=lines(3),
        max_length=LONGEST_REASON,
        required=required,
        help_text=help_text,
    )


class SaeForm(forms.Form):
    """Files on the server, to be opened by a scan worker."""

    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        help_text=_("What people call it, such as the model and the point that it reads."),
    )
    path = forms.CharField(label=_("Folder or file on the server"), max_length=400)
    layout = forms.ChoiceField(
        label=_("Layout of the files"),
        choices=[("", _("What the files look like")), *((name, name) for name in LAYOUTS)],
        required=False,
        help_text=_("Only needed where files fit several layouts."),
    )
    made_for: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None,
        label=_("Model version it was made for"),
        to_field_name="uuid",
        required=False,
        help_text=_(
            "It is then measured on that version before anybody uses it, and scans of other versions are compared with it."
        ),
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        """Only versions that the actor may see; and say where the files must lie."""
        super().__init__(*args, **kwargs)
        versions = ground.versions_for(actor).filter(state="registered").order_by("-id")
        offer(self, "made_for", versions)
        words = _now("Below %(root)s, on the machines of the scan workers too.")
        self.fields["path"].help_text = words % {"root": settings.STRATA_SAE_ROOT}

    def clean_path(self) -> Path:
        """A place below the root that no link leads out of."""
        try:
            found = sae.place(str(self.cleaned_data["path"]))
            sae.expect_inside(found)
        except sae.SaeError as error:
            raise forms.ValidationError(str(error)) from error
        return found


class FileForm(forms.Form):
    """A file, or the same as text.

    A browser forgets a file that came back with mistakes. So its text is put into the box beside
    it, where it can be mended.
    """

    file = forms.FileField(label=_("File"), required=False)
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "class": "mono"}),
        help_text=_("A file with mistakes comes back here, to be mended in place."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """No problems known yet."""
        super().__init__(*args, **kwargs)
        self.problems: list[Problem] = []
        self.n_more_problems = 0

    def brought(self) -> tuple[str, str]:
        """The text and the file's name, empty where the box was used; a file counts before the box."""
        file = self.cleaned_data.get("file")
        if file is None:
            return str(self.cleaned_data.get("text", "")), ""
        text = suite_file.decoded(file.read(suite_file.LONGEST_FILE + 1))
        self.put("text", text)
        return text, str(file.name)

    def put(self, name: str, value: str) -> None:
        """Let the form come back with this in a field."""
        data: Any = self.data
        self.data = data = data.copy()
        data[self.add_prefix(name)] = value

    def take(self, read: Callable[[str, str], Any]) -> Any:
        """What `read` makes of the text; None where it cannot, and the problems are kept."""
        try:
            text, name = self.brought()
            if not text.strip():
                self.add_error("file", _now("Expected a file or its text; came neither."))
                return None
            return read(text, name)
        except FileError as error:
            self.problems, self.n_more_problems = error.problems, error.n_more
            self.add_error(
                None, _now("The file was not taken in. What has to change is listed above.")
            )
            return None


class WatchListForm(FileForm):
    """A watch-list as JSON, for one autoencoder."""

    sae: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None,
        label=_("Autoencoder"),
        to_field_name="uuid",
        help_text=_("Only those that are ready can be chosen: their latents are known."),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=watchlist.LONGEST_NAME,
        help_text=_("A name that is taken already gets its next number."),
    )
    reason = reason_field(_("What is new about it; it stands in the record."), required=False)
    field_order = ("sae", "name", "file", "text", "reason")

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        """Only autoencoders that are ready."""
        super().__init__(*args, **kwargs)
        offer(self, "sae", queries.ready_saes_for(actor))

    def clean(self) -> dict[str, Any]:
        """The list, if it can be read and was made for the chosen autoencoder."""
        listed: Listed | None = self.take(lambda text, _name: watchlist_file.read(text))
        self.cleaned_data["listed"] = listed
        chosen = self.cleaned_data.get("sae")
        if listed and chosen and listed.sae_sha256 not in {"", chosen.sha256}:
            words = _now(
                "The file was made for the autoencoder of digest %(wanted)s…, the chosen one has %(came)s…. Choose the other, or take “sae_sha256” out of the file if you know better."
            )
            self.add_error(
                "sae", words % {"wanted": listed.sae_sha256[:12], "came": chosen.sha256[:12]}
            )
        return self.cleaned_data


class DropForm(forms.Form):
    """Which latents the next number shall do without."""

    drop = forms.TypedMultipleChoiceField(
        label=_("Drop"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("%(value)s is not on this list.")},
    )
    reason = reason_field(_("Why these are dropped; it stands in the record."))

    def __init__(self, found: WatchList, *args: Any, **kwargs: Any) -> None:
        """The latents of one number."""
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["drop"]
        choice.choices = [
            (raw["index"], f"{raw['index']}, {concern_label(raw['concern'])}")
            for raw in found.latents
        ]


class SuiteForm(FileForm):
    """Prompts as CSV or JSON lines. They are shown and counted before they are registered."""

    name = forms.CharField(
        label=_("Name"),
        max_length=suite.LONGEST_NAME,
        help_text=_("A name that is taken already gets its next number."),
    )
    sensitivity = forms.ChoiceField(
        label=_("Class of the content"),
        choices=suite.Sensitivity.choices,
        initial=suite.Sensitivity.INTERNAL,
        help_text=_(
            "Public: printed anywhere. Internal: for this organisation. Sensitive: names people, or secrets of somebody. Hazardous: could help to do harm; its texts are then hidden, and each look at them is written down."
        ),
    )
    reason = reason_field(_("What is new about it; it stands in the record."), required=False)
    seen = forms.CharField(required=False, widget=forms.HiddenInput, max_length=64)
    field_order = ("name", "sensitivity", "file", "text", "reason", "seen")

    def clean(self) -> dict[str, Any]:
        """The prompts, if every line can be read."""

        def read(text: str, name: str) -> tuple[Prompt, ...]:
            return suite_file.read(text, suite_file.form_of(name, text))

        self.cleaned_data["prompts"] = self.take(read)
        return self.cleaned_data

    @property
    def sha256(self) -> str:
        """The digest that the prompts will be pinned by."""
        return plain_sha256(self.cleaned_data["prompts"])

    @property
    def was_seen(self) -> bool:
        """Whether the sender has looked at just these prompts."""
        return bool(self.cleaned_data["seen"] == self.sha256)


class SensitivityForm(forms.Form):
    """The class of a suite's content, said anew."""

    sensitivity = forms.ChoiceField(
        label=_("Class of the content"), choices=suite.Sensitivity.choices
    )
    reason = reason_field()


class TakeOutForm(forms.Form):
    """The prompts as a file."""

    form = forms.ChoiceField(
        label=_("Form"), choices=[("csv", _("CSV")), ("jsonl", _("JSON lines"))]
    )
    reason = reason_field(required=False)

    def __init__(self, *args: Any, is_hidden: bool, **kwargs: Any) -> None:
        """Hidden prompts leave the house only for a reason."""
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = is_hidden
