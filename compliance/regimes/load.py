"""The packs under `data/`, read once, validated, and found by key or by key and version."""

import functools
import hashlib
import tomllib
from importlib import resources

from compliance.regimes import reading
from compliance.regimes.reading import RegimeError
from compliance.regimes.schema import COUNTING_STATUSES, Regime


class UnknownRegime(LookupError):
    """Nobody knows a regime of that name."""


@functools.cache
def regimes() -> tuple[Regime, ...]:
    """Every pack, by key and then version, proposals included.

    Raises:
        RegimeError: A pack is wrong; the message names file, entry and field.
    """
    folder = resources.files(__package__).joinpath("data")
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    packs = [parse(folder.joinpath(name).read_bytes(), file=name) for name in files]
    packs.sort(key=lambda pack: (pack.key, _order(pack.version)))
    _refuse_twins(packs)
    return tuple(packs)


@functools.cache
def current() -> tuple[Regime, ...]:
    """One pack per key: what `get(key)` answers."""
    return tuple(get(key) for key in dict.fromkeys(pack.key for pack in regimes()))


@functools.cache
def get(name: str) -> Regime:
    """A regime by "key" (the newest that is law) or by "key@version" (exactly that one).

    Raises:
        UnknownRegime: There is no such key, or no such version of it.
    """
    key, at, version = name.partition("@")
    found = [pack for pack in regimes() if pack.key == key]
    if not found:
        known = ", ".join(dict.fromkeys(pack.key for pack in regimes()))
        raise UnknownRegime(f"unknown regime {key!r}: expected one of {known}")
    if at:
        return _exactly(found, version)
    law = [pack for pack in found if pack.status in COUNTING_STATUSES]
    return (law or found)[-1]


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


def _exactly(found: list[Regime], version: str) -> Regime:
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
