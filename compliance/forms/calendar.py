"""What people enter about standing duties, requests of authorities and unattended filing."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance.forms.inventory import LONGEST, Lines, area, zone_field
from compliance.hostile import one_line
from compliance.services.authority_request import bases
from compliance.services.duty import Charge, Proof

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.files.uploadedfile import UploadedFile
    from django.db.models import QuerySet

    from compliance.models import AISystem, User

MOST_BYTES = 20 * 1024 * 1024
ROUNDS = (
    ("", _("once")),
    ("1 month", _("every month")),
    ("3 month", _("every three months")),
    ("6 month", _("every six months")),
    ("12 month", _("every year")),
    ("24 month", _("every two years")),
    ("1 week", _("every week")),
)
COUNTS = (
    ("schedule", _("the date before: a quarter stays a quarter")),
    ("last_done", _("the day on which it was last done")),
)
# What a stored file may call itself; anything else is kept as bytes without a type.
KNOWN_TYPES = frozenset(
    {
        "application/pdf", "application/json", "application/zip", "image/png", "image/jpeg",
        "text/plain", "text/csv", "message/rfc822",
    }
)  # fmt: skip


class Moment(forms.DateTimeField):
    """An instant, entered in a zone that the form names and kept with it."""

    def __init__(self, **options: Any) -> None:
        """The browser's own picker; what comes back has no zone yet."""
        picker = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=picker, **options)


def in_zone(moment: datetime | None, zone: str = "") -> datetime | None:
    """The wall clock of a zone, the reader's own unless another is named, as an instant."""
    if moment is None:
        return None
    wall = timezone.make_naive(moment) if timezone.is_aware(moment) else moment
    return wall.replace(tzinfo=ZoneInfo(zone or timezone.get_current_timezone_name()))


def day_field(label: Any, **options: Any) -> forms.DateField:
    """A day."""
    return forms.DateField(
        label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **options
    )


def file_field(label: Any, *, required: bool = False) -> forms.FileField:
    """A file of 20 MiB at most."""
    return forms.FileField(label=label, required=required, help_text=_("20 MiB at most."))


def proof_of(upload: UploadedFile[Any] | None) -> Proof | None:
    """The bytes with a name that can be shown, and a type that runs nowhere."""
    if upload is None:
        return None
    said = upload.content_type or ""
    kind = said if said in KNOWN_TYPES else "application/octet-stream"
    return Proof(one_line(upload.name or _now("file"), 200), kind, upload.read())


def check_size(upload: Any) -> Any:
    """Refuse what is larger than a letter or a proof can sensibly be."""
    if upload is not None and upload.size > MOST_BYTES:
        raise forms.ValidationError(_now("The file has more than 20 MiB."))
    return upload


class Charged(forms.Form):
    """Who answers for it."""

    owner: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("In charge"),
        to_field_name="uuid",
        empty_label=_("choose a person"),
        help_text=_("A named person, who is told before each date."),
    )
    deputy: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("Deputy"),
        to_field_name="uuid",
        required=False,
        empty_label=_("nobody"),
    )

    def __init__(self, *args: Any, people: QuerySet[User], **options: Any) -> None:
        """Offer the people who can sign in."""
        super().__init__(*args, **options)
        for name in ("owner", "deputy"):
            self.fields[name].queryset = people  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The deputy is somebody else."""
        cleaned = super().clean() or self.cleaned_data
        owner, deputy = cleaned.get("owner"), cleaned.get("deputy")
        if deputy is not None and deputy == owner:
            self.add_error("deputy", _now("A deputy stands for the person in charge."))
        return cleaned


class PlacedDuty(Charged):
    """Who answers for it, and for which system."""

    system: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("About the system"),
        to_field_name="uuid",
        required=False,
        empty_label=_("the whole organisation"),
    )

    def __init__(self, *args: Any, systems: QuerySet[AISystem], **options: Any) -> None:
        """Offer the systems that the person may see."""
        super().__init__(*args, **options)
        self.fields["system"].queryset = systems  # type: ignore[attr-defined]

    @property
    def charge(self) -> Charge:
        """As the service takes it."""
        said = self.cleaned_data
        return Charge(owner=said["owner"], deputy=said["deputy"], system=said["system"])


class AnchorsMixin(forms.Form):
    """One field for each milestone that can date the duty."""

    def add_milestones(self, asked: Iterable[tuple[str, str]], zone: str) -> None:
        """Name and words of each, read in the zone of the pack."""
        self.milestones = [name for name, _words in asked]
        self.zone = zone
        for name, words in asked:
            self.fields[name] = Moment(
                label=words[:1].upper() + words[1:],
                required=False,
                help_text=_now("In the zone %(zone)s; leave it open while it has not come.")
                % {"zone": zone},
            )

    @property
    def anchors(self) -> dict[str, str]:
        """Milestones that were entered, as instants with their offset."""
        given = {name: in_zone(self.cleaned_data[name], self.zone) for name in self.milestones}
        return {name: at.isoformat() for name, at in given.items() if at is not None}


class PackDutyForm(AnchorsMixin, PlacedDuty):
    """A duty of a pack, taken into the calendar."""


class AnchorsForm(AnchorsMixin):
    """When the milestones of a duty came."""


class OwnDutyForm(PlacedDuty):
    """A duty of the house."""

    title = forms.CharField(label=_("What is to be done"), max_length=300)
    cite = forms.CharField(label=_("On what it rests"), max_length=200, required=False)
    first = day_field(_("First by the end of"))
    every = forms.ChoiceField(label=_("Comes round"), choices=ROUNDS, required=False)
    counts_from = forms.ChoiceField(
        label=_("The next round is counted from"), choices=COUNTS, initial="schedule"
    )
    zone = zone_field()
    field_order = ("title", "cite", "first", "every", "counts_from", "zone", "system", "owner", "deputy")  # fmt: skip

    @property
    def rule(self) -> dict[str, Any]:
        """As the service takes it."""
        said = self.cleaned_data
        first = said["first"].isoformat()
        if not said["every"]:
            return {"how": "once", "first": first}
        amount, unit = said["every"].split()
        return {
            "how": "every",
            "first": first,
            "amount": int(amount),
            "unit": unit,
            "counts_from": said["counts_from"],
        }


class RegistrationForm(PlacedDuty):
    """Registration at an authority's portal, before a day."""

    authority = forms.ChoiceField(label=_("Portal"))
    before = day_field(
        _("Must stand before"),
        help_text=_("For example the day on which the model is placed on the market."),
    )
    field_order = ("authority", "before", "system", "owner", "deputy")

    def __init__(self, *args: Any, portals: list[tuple[str, str]], **options: Any) -> None:
        """Offer the authorities whose lead time is on file."""
        super().__init__(*args, **options)
        self.fields["authority"].choices = portals  # type: ignore[attr-defined]


class DoneForm(forms.Form):
    """That a duty is done."""

    done_at = Moment(label=_("Done at"), help_text=_("In your own zone."))
    proof = file_field(_("Proof"))
    note = forms.CharField(
        label=_("What was done, and where it can be seen"),
        widget=area(),
        max_length=LONGEST,
        required=False,
    )

    def clean_done_at(self) -> datetime | None:
        """An instant."""
        return in_zone(self.cleaned_data["done_at"])

    def clean_proof(self) -> Any:
        """Not too large."""
        return check_size(self.cleaned_data["proof"])


class LetterForm(Charged):
    """A request of an authority, as it came in."""

    title = forms.CharField(label=_("What it is about"), max_length=300)
    authority = forms.CharField(label=_("Authority"), max_length=200)
    reference = forms.CharField(label=_("Its reference"), max_length=120, required=False)
    basis = forms.ChoiceField(
        label=_("Legal basis"),
        choices=lambda: [*bases().items(), ("", _("another one"))],
        required=False,
    )
    other_basis = forms.CharField(label=_("Another legal basis"), max_length=200, required=False)
    zone = zone_field()
    received_at = Moment(label=_("Received at"), help_text=_("In the zone above."))
    period = forms.CharField(
        label=_("Period, in the words of the request"), max_length=300, required=False
    )
    due = day_field(
        _("To be answered by the end of"),
        required=False,
        help_text=_(
            "A day in the zone above. Left open, the law's own period counts if it has one."
        ),
    )
    letter = file_field(_("The letter"))
    questions = Lines(label=_("Questions"), rows=4, help_text=_("One a line."))
    about: Any = forms.ModelChoiceField(
        queryset=None,
        label=_("Asks about the system"),
        to_field_name="uuid",
        required=False,
        empty_label=_("no system of ours, or not known"),
    )
    restricted = forms.BooleanField(
        label=_("Open only to those in charge and whom they let in"), required=False
    )
    field_order = (
        "title", "authority", "reference", "basis", "other_basis", "zone", "received_at", "period",
        "due", "letter", "questions", "about", "owner", "deputy", "restricted",
    )  # fmt: skip

    def __init__(self, *args: Any, systems: QuerySet[AISystem], **options: Any) -> None:
        """Offer the systems that the person may see."""
        super().__init__(*args, **options)
        self.fields["about"].queryset = systems  # type: ignore[attr-defined]

    def clean_letter(self) -> Any:
        """Not too large."""
        return check_size(self.cleaned_data["letter"])

    @property
    def received(self) -> datetime:
        """When it came in."""
        moment = in_zone(self.cleaned_data["received_at"], self.cleaned_data["zone"])
        assert moment is not None  # noqa: S101 - a required field
        return moment

    @property
    def due_at(self) -> datetime | None:
        """The midnight that ends the day by which it is to be answered."""
        return end_of(self.cleaned_data["due"], self.cleaned_data["zone"])


def end_of(day: Any, zone: str) -> datetime | None:
    """The exclusive midnight that ends a day in a zone."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(zone))


class ProlongForm(forms.Form):
    """Another date by which the answer is due."""

    due = day_field(_("To be answered by the end of"))
    note = forms.CharField(label=_("Where the date comes from"), widget=area(), max_length=2000)


class ReopenForm(forms.Form):
    """Further questions of the authority."""

    due = day_field(_("To be answered by the end of"), required=False)
    note = forms.CharField(label=_("What came in"), widget=area(), max_length=2000)


class TextForm(forms.Form):
    """A question, or the answer to one."""

    text = forms.CharField(label=_("Text"), widget=area(5), max_length=10_000)


class ReplyForm(forms.Form):
    """The reply that went out."""

    answered_at = Moment(label=_("Sent at"), help_text=_("In your own zone."))
    reply = file_field(_("The reply, or the proof that it was sent"), required=True)
    note = forms.CharField(label=_("Note"), widget=area(), max_length=2000, required=False)

    def clean_answered_at(self) -> datetime | None:
        """An instant."""
        return in_zone(self.cleaned_data["answered_at"])

    def clean_reply(self) -> Any:
        """Not too large."""
        return check_size(self.cleaned_data["reply"])


class PersonChoice(forms.Form):
    """One person."""

    person: Any = forms.ModelChoiceField(
        queryset=None, label=_("Person"), to_field_name="uuid", empty_label=_("choose a person")
    )

    def __init__(self, *args: Any, people: QuerySet[User], **options: Any) -> None:
        """Offer the people who can sign in."""
        super().__init__(*args, **options)
        self.fields["person"].queryset = people  # type: ignore[attr-defined]


class FeedForm(forms.Form):
    """A calendar address."""

    label = forms.CharField(
        label=_("Label"), max_length=120, help_text=_("Where it is used, such as “phone”.")
    )


class ReleaseForm(forms.Form):
    """What may go out unattended under one regime, until when and why."""

    stages = forms.MultipleChoiceField(label=_("Stages"), widget=forms.CheckboxSelectMultiple)
    reports = forms.MultipleChoiceField(
        label=_("Kinds of report"), widget=forms.CheckboxSelectMultiple
    )
    authorities = forms.MultipleChoiceField(
        label=_("Authorities"), widget=forms.CheckboxSelectMultiple
    )
    expires = day_field(_("Ends with"), help_text=_("Within 180 days."))
    reasons = forms.CharField(label=_("Reasons"), widget=area(5), max_length=LONGEST)

    def __init__(
        self,
        *args: Any,
        stages: list[tuple[str, str]],
        reports: list[tuple[str, Any]],
        authorities: list[tuple[str, str]],
        **options: Any,
    ) -> None:
        """Offer what the regime knows."""
        super().__init__(*args, **options)
        for name, choices in (
            ("stages", stages),
            ("reports", reports),
            ("authorities", authorities),
        ):
            self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def expires_at(self) -> datetime:
        """The midnight that ends the last day, in the reader's zone."""
        ends = end_of(self.cleaned_data["expires"], timezone.get_current_timezone_name())
        assert ends is not None  # noqa: S101 - a required field
        return ends
