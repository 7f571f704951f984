"""The packs under `data/`, read once, validated, and found by key or by key and version."""

import functools
import hashlib
import tomllib
from collections.abc import Iterable
from importlib import resources

from compliance.regimes import authorities, derivations, reading
from compliance.regimes.calendars import CalendarError, calendar, own_names
from compliance.regimes.schema import BEYOND_PROPOSAL, Regime
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import PackKind


class UnknownRegime(LookupError):
    """Nobody knows a regime of that name."""


@functools.cache
def regimes() -> tuple[Regime, ...]:
    """Every pack, by key and then version, proposals and standing duties included.

    Raises:
        RegimeError: A pack is wrong; the message names file, entry and field.
    """
    folder = resources.files(__package__).joinpath("data")
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    packs = [parse(folder.joinpath(name).read_bytes(), file=name) for name in files]
    packs.sort(key=lambda pack: (pack.key, _order(pack.version)))
    _refuse_two_kinds(packs)
    _refuse_twins(packs)
    return tuple(packs)


@functools.cache
def current() -> tuple[Regime, ...]:
    """One pack for each key that an incident can start: what `get(key)` answers."""
    return tuple(get(key) for key in all_keys())


@functools.cache
def standing() -> tuple[Regime, ...]:
    """One pack for each key of standing duties; no incident starts them and none ends them."""
    return tuple(get(key) for key in all_keys(PackKind.STANDING))


@functools.cache
def all_keys(kind: PackKind = PackKind.INCIDENT) -> tuple[str, ...]:
    """The keys of one kind, each once."""
    return tuple(dict.fromkeys(pack.key for pack in regimes() if pack.kind is kind))


@functools.cache
def versions(key: str) -> tuple[Regime, ...]:
    """Every version of a key, the oldest first.

    Raises:
        UnknownRegime: There is no such key.
    """
    found = tuple(pack for pack in regimes() if pack.key == key)
    if not found:
        known = ", ".join(dict.fromkeys(pack.key for pack in regimes()))
        raise UnknownRegime(f"unknown regime {key!r}: expected one of {known}")
    return found


@functools.cache
def get(name: str) -> Regime:
    """A regime by "key" (the newest that is more than proposed) or by "key@version" (that one).

    Where a case is judged, `engine.version_for` chooses by the instant that starts its clock.

    Raises:
        UnknownRegime: There is no such key, or no such version of it.
    """
    key, at, version = name.partition("@")
    found = versions(key)
    if at:
        return _exactly(found, version)
    law = [pack for pack in found if pack.status in BEYOND_PROPOSAL]
    return (law or found)[-1]


def check() -> None:
    """Read everything there is: packs, authorities, derivations, calendars, and what joins them.

    Raises:
        RegimeError: Something is wrong; the message names file, duty and field.
    """
    derivations.derivations()
    authorities.member_states()
    for name in own_names():
        try:
            calendar(name)
        except CalendarError as error:
            raise RegimeError(f"calendars/{name}.toml: {error}") from None
    for pack in regimes():
        check_pack(pack, versions(pack.key))


def check_pack(pack: Regime, of_key: Iterable[Regime]) -> None:
    """What joins a pack to other files.

    Args:
        pack: Which.
        of_key: Every version of its key.

    Raises:
        RegimeError: It names an authority, an older version or a regime that is not on file.
    """
    keys = {each.key for each in regimes()}
    for each in pack.relations:
        if each.regime and each.regime not in keys:
            raise RegimeError(
                f"{pack.file}, relation {each.kind}, field 'regime': expected the key of a pack on"
                f" file, got {each.regime!r}"
            )
    known = {each.id for each in authorities.authorities()}
    for recipient in pack.recipients:
        for name in recipient.authorities:
            if name not in known:
                raise RegimeError(
                    f"{pack.file}, recipient {recipient.id}, field 'authorities': expected ids of"
                    f" authorities on file, got {name!r}"
                )
    older = [each.version for each in of_key if _order(each.version) < _order(pack.version)]
    if pack.supersedes and pack.supersedes not in older:
        raise RegimeError(
            f"{pack.file}, field 'supersedes': expected an older version of {pack.key} on file,"
            f" got {pack.supersedes!r}"
        )


def parse(content: bytes, *, file: str) -> Regime:
    """One pack from its bytes; the digest is of exactly these bytes.

    Raises:
        RegimeError: The bytes are no valid pack.
    """
    try:
        raw = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegimeError(f"{file}: expected TOML in UTF-8, got {error}") from None
    return reading.regime(raw, file=file, digest=hashlib.sha256(content).hexdigest())


def _exactly(found: tuple[Regime, ...], version: str) -> Regime:
    """The one with this version."""
    for pack in found:
        if pack.version == version:
            return pack
    known = ", ".join(pack.version for pack in found)
    raise UnknownRegime(f"{found[0].key} has no version {version!r}: expected one of {known}")


def _order(version: str) -> tuple[int, ...]:
    """Versions in the order they were made: 1.9.0 before 1.10.0."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        raise RegimeError(f"version {version!r}: expected numbers such as 1.0.0") from None


def _refuse_twins(packs: list[Regime]) -> None:
    """A key and version name one file only."""
    seen: dict[str, str] = {}
    for pack in packs:
        if pack.reference in seen:
            raise RegimeError(
                f"{pack.file}: {pack.reference} is already described by {seen[pack.reference]};"
                " give the change a version of its own"
            )
        seen[pack.reference] = pack.file


def _refuse_two_kinds(packs: list[Regime]) -> None:
    """A key means incidents or standing duties, in every version."""
    kinds: dict[str, PackKind] = {}
    for pack in packs:
        if kinds.setdefault(pack.key, pack.kind) is not pack.kind:
            raise RegimeError(
                f"{pack.file}, field 'kind': expected {kinds[pack.key]} as in the version before,"
                f" got {pack.kind}"
            )
