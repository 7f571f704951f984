"""What templates ask for by name: navigation, times with their zone, digests, hostile text.

`{% load strata %}` in a template; nothing here reads the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from compliance import clock, hostile
from compliance.permissions import Permission
from compliance.services import evidence, report_reading, wording
from compliance.views import shown

if TYPE_CHECKING:
    from datetime import datetime

    from django.utils.functional import _StrPromise as StrPromise
    from django.utils.safestring import SafeString

    from compliance.actors import Actor
    from compliance.models import Report

register = template.Library()

DASH = "\u2013"
NBSP = "\u00a0"
NARROW = "\u202f"
BAR_UNITS = 1000
TICK_UNITS = 2


@dataclass(frozen=True)
class NavItem:
    """One place in the left navigation, named by its URL."""

    label: StrPromise
    url_name: str
    icon: str
    any_of: tuple[Permission, ...] = ()
    """The reader needs one of these; none means that everybody who is signed in may go there."""
    on_the_bar: bool = False
    """Whether it also stands on the narrow bar at the foot of a small screen."""


NAV = (
    NavItem(_("Today"), "today", "home", on_the_bar=True),
    NavItem(_("Inventory"), "compliance:inventory", "stack-2", (Permission.INVENTORY_READ,)),
    NavItem(
        _("Assess"),
        "assessments:overview",
        "microscope",
        (Permission.SCAN_READ, Permission.DECISION_READ, Permission.CAMPAIGN_READ),
        on_the_bar=True,
    ),
    NavItem(_("Observe"), "incidents:observe", "activity", (Permission.EVENT_READ,)),
    NavItem(
        _("Respond"),
        "incidents:respond",
        "bell-ringing",
        (Permission.INCIDENT_READ,),
        on_the_bar=True,
    ),
    NavItem(_("Duties"), "compliance:duties", "scale", (Permission.REPORT_READ,), on_the_bar=True),
    NavItem(
        _("Prove"),
        "compliance:prove",
        "certificate",
        (Permission.DOCUMENT_READ, Permission.AUDIT_READ),
    ),
    NavItem(_("Settings"), "compliance:settings", "settings"),
)


class NavLink(NamedTuple):
    """A navigation item whose address is known."""

    item: NavItem
    url: str
    is_current: bool


def url_or_nothing(url_name: str) -> str:
    """The address of a named page, or an empty string while the page does not exist."""
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def nav(context: template.Context) -> list[NavLink]:
    """The places this reader can go to, in the reader's terms.

    Left out is what does not resolve and what `request.actor` may not read. The context's
    `nav_current` (a URL name) says where the page belongs; without it the path decides.
    """
    actor = getattr(context.get("request"), "actor", None)
    open_items = [item for item in NAV if may_go(actor, item)]
    places = [(item, url) for item in open_items if (url := url_or_nothing(item.url_name))]
    here = current_place(places, context)
    return [NavLink(item, url, item.url_name == here) for item, url in places]


def may_go(actor: Actor | None, item: NavItem) -> bool:
    """Whether this place is open to the actor."""
    return not item.any_of or (
        actor is not None and any(actor.may(permission) for permission in item.any_of)
    )


def current_place(places: list[tuple[NavItem, str]], context: template.Context) -> str:
    """The URL name of the place the page belongs to: the longest address its path begins with."""
    if named := context.get("nav_current"):
        return str(named)
    request = context.get("request")
    path = request.path if request else ""
    fitting = [(len(url), item.url_name) for item, url in places if path.startswith(url)]
    return max(fitting)[1] if fitting else ""


@register.simple_tag
def url_if(url_name: str) -> str:
    """The address of a page that may not exist yet; empty when it does not."""
    return url_or_nothing(url_name)


@register.filter
def safe_text(value: object, cap: int = 2000) -> str:
    """Text from outside, printable and at most `cap` characters long; the template escapes it."""
    return "" if value is None else hostile.clean(str(value), int(cap))


@register.filter
def said(words: object) -> str:
    """A phrase, or a text of the house's own data files, in the reader's language."""
    return shown.said(words)


@register.filter
def kind_name(kind: str) -> str:
    """A kind of thing in words."""
    return shown.kind_name(kind)


@register.filter
def evidence_name(what: str) -> str:
    """A kind of evidence in words."""
    return evidence.name(what)


@register.filter
def short_digest(value: object, keep: int = 8) -> str:
    """A digest shortened in the middle; a prefix such as `sha256:` stays whole."""
    prefix, colon, digits = safe_text(value, 200).rpartition(":")
    if len(digits) <= 2 * int(keep) + 1:
        return f"{prefix}{colon}{digits}"
    return f"{prefix}{colon}{digits[: int(keep)]}…{digits[-int(keep) :]}"


@register.filter
def percent(value: float | str | None, digits: int = 1) -> str:
    """A share as a percentage with its sign; a dash when there is no value."""
    if value is None or value == "":
        return DASH
    return f"{formats.number_format(float(value) * 100, int(digits))}{NARROW}%"


@register.filter
def grouped(number: int | None) -> str:
    """A whole number with its digits in groups; a dash when there is none."""
    return DASH if number is None else formats.number_format(number, force_grouping=True)


def absolute(moment: datetime) -> str:
    """Date and time in the reader's zone, the zone named."""
    local = timezone.localtime(moment)
    day = formats.date_format(local, "j M Y, H:i")
    return f"{day} {wording.zone_name(local)}".replace(" ", NBSP)


def relative(moment: datetime) -> str:
    """How long ago, or in how long, in the two largest units."""
    now = clock.now()
    if abs(moment - now) < timedelta(minutes=1):
        return gettext("just now")
    if moment <= now:
        return gettext("%(span)s ago") % {"span": timesince(moment, now)}
    return gettext("in %(span)s") % {"span": timesince(now, moment)}


@register.filter
def local_time(moment: datetime | None, form: str = "absolute") -> SafeString | str:
    """A `<time>` in the reader's zone: absolute with the distance as title, or the reverse.

    Args:
        moment: an aware datetime; a dash is shown for none.
        form: "absolute" or "relative".
    """
    if moment is None:
        return DASH
    shown, title = absolute(moment), relative(moment)
    if form == "relative":
        shown, title = title, shown
    stamp = moment.isoformat(timespec="seconds")
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, title, shown)


class ClockBar(NamedTuple):
    """Where things stand on a clock's bar, in thousandths of its width."""

    elapsed: int
    target: int
    latest: int | None

    @property
    def rest(self) -> int:
        """From the target to the latest arguable date."""
        return 0 if self.latest is None else self.latest - self.target


@register.simple_tag
def clock_bar(shown: Any) -> ClockBar:
    """Lay out the bar of a clock from its trigger to the last date anybody could argue for.

    Takes `started_at`, `target_due`, `legal_latest` and `fraction` (elapsed share of the way to
    the target) from the clock, as attributes or keys.
    """
    start, target, latest = (
        part(shown, key) for key in ("started_at", "target_due", "legal_latest")
    )
    fraction = min(max(float(part(shown, "fraction") or 0), 0.0), 1.0)
    if not (start and target and latest and start < target < latest):
        return ClockBar(round(fraction * BAR_UNITS), BAR_UNITS, None)
    at_target = round((target - start) / (latest - start) * BAR_UNITS)
    return ClockBar(round(fraction * at_target), at_target, BAR_UNITS - TICK_UNITS)


def part(shown: Any, name: str) -> Any:
    """A named part of a mapping or of an object, or None."""
    return shown.get(name) if isinstance(shown, dict) else getattr(shown, name, None)


@register.filter
def is_pack_changed(report: Report) -> bool:
    """Whether the pack that a report keeps was changed after it began."""
    return report_reading.is_pack_changed(report)
