"""Dates as a calendar that other programs subscribe to (RFC 5545).

The library escapes what is written into a property; what strangers wrote is made printable before.
Instants are given in UTC, which every program shows in its reader's own zone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event

from compliance import hostile

PRODUCT = "-//Strata//Deadlines//EN"
REFRESH = "PT15M"
LONGEST_TITLE, LONGEST_TEXT = 200, 2_000


class Entry(NamedTuple):
    """One date: what is due, when, and where it is read."""

    uid: str
    """Stays the same while the thing is the same, so that a calendar moves it and adds nothing."""
    title: str
    at: datetime
    text: str = ""
    url: str = ""
    is_done: bool = False
    alarms: tuple[timedelta, ...] = ()
    """How long before it to ring."""


def render(name: str, entries: Iterable[Entry], *, at: datetime) -> bytes:
    """The calendar's bytes, lines ending in CR LF.

    Args:
        name: what subscribers see as the calendar's name.
        entries: what is due.
        at: when this was made.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", hostile.one_line(name))
    calendar.add("x-published-ttl", REFRESH)
    for each in entries:
        calendar.add_component(_event(each, at))
    return bytes(calendar.to_ical())


def _event(entry: Entry, at: datetime) -> Event:
    event = Event()
    title = hostile.one_line(entry.title, LONGEST_TITLE)
    event.add("uid", entry.uid)
    event.add("dtstamp", at.astimezone(UTC))
    event.add("dtstart", entry.at.astimezone(UTC))
    event.add("summary", _("Done: %(title)s") % {"title": title} if entry.is_done else title)
    event.add("transp", "TRANSPARENT")
    if entry.text:
        event.add("description", hostile.clean(entry.text, LONGEST_TEXT))
    if entry.url:
        event.add("url", entry.url)
    for before in entry.alarms:
        event.add_component(_alarm(title, before))
    return event


def _alarm(title: str, before: timedelta) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", -before)
    return alarm
