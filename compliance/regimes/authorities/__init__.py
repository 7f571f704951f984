"""Who receives reports: each authority's zone, holidays, languages and channel, as data.

What nobody found out is written "unknown" in the files and is None here: it is asked for, never
guessed. A Member State designates its own authorities; one that is not on file by name is still
known by its role, its state, that state's zone and its holidays.
"""

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compliance.phrase import Phrase
from compliance.regimes.calendars import CalendarError, calendar
from compliance.regimes.counting import Period, Unit
from compliance.regimes.schema import Evidence, Recipient
from compliance.regimes.table import RegimeError, Table
from compliance.regimes.terms import AUTHORITY_ROLES, AuthorityRole, ChannelType, ReceiptType

_UNKNOWN = "unknown"


class UnknownAuthority(LookupError):
    """Nobody knows an authority of that name, or a Member State of that code."""


@dataclass(frozen=True, slots=True)
class Channel:
    """The door by which an authority takes reports; None stands for what nobody found out."""

    type: ChannelType
    name: Phrase | None
    url: str | None
    auth: Phrase | None
    registration_lead: Period | None
    """How long a registration takes that must stand before the first report; None: none on file."""
    receipt_type: ReceiptType
    fallback: Phrase | None
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority."""

    id: str
    name: Phrase
    role: AuthorityRole | None
    state: str
    """ISO code of the country it belongs to; "EU" for those of the Union."""
    zone: str | None
    calendar: str | None
    languages: tuple[str, ...] | None
    channel: Channel
    evidence: Evidence
    source: Phrase


@dataclass(frozen=True, slots=True)
class MemberState:
    """What holds for any authority of a Member State."""

    code: str
    name: Phrase
    zone: str
    calendar: str
    languages: tuple[str, ...]
    """The official ones. Which of them an authority takes, or whether others, is not on file."""
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Entries:
    """What one file holds."""

    authorities: tuple[Authority, ...]
    states: tuple[MemberState, ...]


_NOT_FOUND = Channel(
    ChannelType.UNKNOWN, None, None, None, None, ReceiptType.UNKNOWN, None, Evidence.HOUSE
)


@functools.cache
def authorities() -> tuple[Authority, ...]:
    """Every authority on file by name.

    Raises:
        RegimeError: A file is wrong; the message names file, entry and field.
    """
    return tuple(each for entries in _files() for each in entries.authorities)


@functools.cache
def member_states() -> tuple[MemberState, ...]:
    """The Member States of the Union, by code.

    Raises:
        RegimeError: A file is wrong; the message names file, entry and field.
    """
    return tuple(each for entries in _files() for each in entries.states)


def get(authority_id: str) -> Authority:
    """One authority by its id: on file by name, or a Member State's by its role ("fr-csirt").

    Raises:
        UnknownAuthority: There is none.
    """
    for each in authorities():
        if each.id == authority_id:
            return each
    code, _, role = authority_id.partition("-")
    if role.replace("-", "_") in set(AuthorityRole) and code == code.lower():
        return national(AuthorityRole(role.replace("-", "_")), code.upper())
    known = ", ".join(each.id for each in authorities())
    raise UnknownAuthority(f"unknown authority {authority_id!r}: expected one of {known}")


def national(role: AuthorityRole, code: str) -> Authority:
    """A Member State's authority of one kind; by name where it is on file.

    Raises:
        UnknownAuthority: No Member State has this code.
    """
    for each in authorities():
        if each.role is role and each.state == code:
            return each
    state = _state(code)
    return Authority(
        id=f"{code.lower()}-{role.replace('_', '-')}",
        name=Phrase("%(role)s (%(state)s)", role=AUTHORITY_ROLES[role], state=state.name),
        role=role,
        state=code,
        zone=state.zone,
        calendar=state.calendar,
        languages=state.languages,
        channel=_NOT_FOUND,
        evidence=state.evidence,
        source=Phrase("the Member State; the authority itself is not on file"),
    )


def routed(recipient: Recipient, states: Iterable[str] = ()) -> tuple[Authority, ...]:
    """To whom one report goes: one authority for each entry, and so one report for each.

    Args:
        recipient: As the pack names it.
        states: The Member States concerned, for a recipient that each of them has its own of. Where
            the pack asks for one report only, the first counts.

    Raises:
        UnknownAuthority: No Member State has one of these codes.
    """
    named = tuple(get(name) for name in recipient.authorities)
    if recipient.role is None:
        return named
    codes = tuple(dict.fromkeys(states))
    concerned = codes if recipient.per_state else codes[:1]
    return (*(national(recipient.role, code) for code in concerned), *named)


def parse(content: bytes, *, file: str) -> Entries:
    """The authorities and Member States of one file.

    Raises:
        RegimeError: The bytes are no valid file; the message names file, entry and field.
    """
    try:
        raw = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegimeError(f"{file}: expected TOML in UTF-8, got {error}") from None
    top = Table(raw, file)
    found = Entries(top.each("authority", _authority), top.each("state", _member_state))
    top.close()
    return found


@functools.cache
def _files() -> tuple[Entries, ...]:
    folder = resources.files(__package__).joinpath("data")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    found = tuple(parse(folder.joinpath(name).read_bytes(), file=name) for name in names)
    ids = [each.id for entries in found for each in entries.authorities]
    for name in ids:
        if ids.count(name) > 1:
            raise RegimeError(f"authorities, field 'id': expected {name} once, got it twice")
    return found


@functools.cache
def _state(code: str) -> MemberState:
    for each in member_states():
        if each.code == code:
            return each
    known = ", ".join(each.code for each in member_states())
    raise UnknownAuthority(f"unknown Member State {code!r}: expected one of {known}")


def _authority(entry: Table) -> Authority:
    channel = entry.one("channel", _channel)
    if channel is None:
        raise entry.wrong("channel", "a table written [authority.channel]", None)
    return Authority(
        id=entry.text("id"),
        name=entry.words("name"),
        role=entry.choice("role", AuthorityRole) if entry.has("role") else None,
        state=entry.text("state"),
        zone=_zone(entry, _known(entry, "zone")),
        calendar=_calendar(entry, _known(entry, "calendar")),
        languages=_languages(entry),
        channel=channel,
        evidence=entry.choice("evidence", Evidence),
        source=entry.words("source"),
    )


def _channel(entry: Table) -> Channel:
    lead = entry.positive("registration_lead")
    return Channel(
        type=entry.choice("type", ChannelType),
        name=_words(entry, "name"),
        url=_known(entry, "url"),
        auth=_words(entry, "auth"),
        registration_lead=None
        if lead is None
        else Period(lead, entry.choice("registration_lead_unit", Unit)),
        receipt_type=entry.choice("receipt_type", ReceiptType),
        fallback=_words(entry, "fallback"),
        evidence=entry.choice("evidence", Evidence),
    )


def _member_state(entry: Table) -> MemberState:
    return MemberState(
        code=entry.text("code"),
        name=entry.words("name"),
        zone=_zone(entry, entry.text("zone")) or "",
        calendar=_calendar(entry, entry.text("calendar")) or "",
        languages=entry.texts("languages"),
        evidence=entry.choice("evidence", Evidence),
    )


def _known(entry: Table, asked: str) -> str | None:
    """A text, or None where the file says that it is unknown. It must say one or the other."""
    value = entry.text(asked)
    return None if value == _UNKNOWN else value


def _words(entry: Table, asked: str) -> Phrase | None:
    value = _known(entry, asked)
    return None if value is None else Phrase(value)


def _languages(entry: Table) -> tuple[str, ...] | None:
    found = entry.texts("languages")
    if not found:
        raise entry.wrong("languages", 'two-letter codes, or ["unknown"]', list(found))
    return None if found == (_UNKNOWN,) else found


def _zone(entry: Table, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        raise entry.wrong("zone", "an IANA zone such as 'Europe/Brussels'", name) from None


def _calendar(entry: Table, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return calendar(name).name
    except CalendarError as error:
        raise entry.wrong("calendar", str(error), name) from None
