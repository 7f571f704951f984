"""Portals that only people can use: what is known of each, as data, and what is not.

`data/*.toml` holds one file a portal; every doubt stands in its `unknown`. A checklist is the file
filled with one package: what to do, texts ready to copy, and what to bring back.
"""

import functools
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from compliance.filing.base import FilingPackage
from compliance.filing.checklist import Checklist, CopyField
from compliance.hostile import clean
from compliance.phrase import Phrase

MAX_VALUE: Final = 100_000
EVIDENCE: Final = frozenset("PSH")
_LISTS: Final = ("before", "steps", "receipt", "unknown")
_TEXTS: Final = ("key", "title", "where", "evidence")
# What a field of a report says where it has no value.
_NO_VALUE: Final = {
    "unknown": Phrase("not known yet"),
    "not_applicable": Phrase("does not apply"),
    "not_needed": Phrase("not needed"),
    "missing": Phrase("nobody has said"),
}


class PortalError(ValueError):
    """A portal's file does not say what it must; the message names file and field."""


class UnknownPortal(LookupError):
    """Nobody knows a portal of that name."""


@dataclass(frozen=True)
class Copied:
    """One text that the portal asks for, and where the package's data has it."""

    label: Phrase
    path: str
    """Into the data, with dots: `clock.started_at`."""


@dataclass(frozen=True)
class Portal:
    """What is known of one portal."""

    key: str
    title: Phrase
    where: Phrase
    evidence: str
    regimes: tuple[str, ...]
    before: tuple[Phrase, ...]
    steps: tuple[Phrase, ...]
    receipt: tuple[Phrase, ...]
    unknown: tuple[Phrase, ...]
    copied: tuple[Copied, ...]

    def checklist(self, package: FilingPackage) -> Checklist:
        """The checklist, filled from a package; the report's own fields come after the portal's."""
        twin = _data(package)
        head = [CopyField(each.label, _at(twin, each.path)) for each in self.copied]
        return Checklist(
            portal=self.key,
            title=self.title,
            where=self.where,
            evidence=self.evidence,
            before=self.before,
            steps=self.steps,
            fields=(*head, *_answers(twin), *_digests(package)),
            receipt=self.receipt,
            unknown=self.unknown,
        )


@functools.cache
def portals() -> tuple[Portal, ...]:
    """Every portal, by key.

    Raises:
        PortalError: a file is wrong.
    """
    folder = resources.files(__package__).joinpath("data")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
    return tuple(parse(folder.joinpath(name).read_bytes(), file=name) for name in names)


def get(key: str) -> Portal:
    """A portal by its key.

    Raises:
        UnknownPortal: there is none.
    """
    for portal in portals():
        if portal.key == key:
            return portal
    known = ", ".join(portal.key for portal in portals())
    raise UnknownPortal(f"unknown portal {key!r}: expected one of {known}")


def for_regime(regime: str) -> Portal | None:
    """The portal a regime's reports go to, by the regime's key; None where none is described."""
    return next((portal for portal in portals() if regime in portal.regimes), None)


def parse(content: bytes, *, file: str) -> Portal:
    """One portal from its file.

    Raises:
        PortalError: it names file, field and what was expected.
    """
    try:
        raw = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PortalError(f"{file}: expected TOML in UTF-8, got {error}") from None
    if strangers := set(raw) - {*_TEXTS, *_LISTS, "regimes", "copy"}:
        raise PortalError(f"{file}: unknown field {min(strangers)!r}")
    texts = {name: _text(raw, name, file) for name in _TEXTS}
    lists = {name: tuple(map(Phrase, _texts(raw, name, file))) for name in _LISTS}
    if texts["evidence"] not in EVIDENCE:
        raise PortalError(f"{file}, field 'evidence': expected P, S or H")
    return Portal(
        key=texts["key"],
        title=Phrase(texts["title"]),
        where=Phrase(texts["where"]),
        evidence=texts["evidence"],
        regimes=_texts(raw, "regimes", file),
        copied=tuple(_copied(each, file) for each in raw.get("copy", [])),
        **lists,
    )


def _copied(raw: Mapping[str, Any], file: str) -> Copied:
    where = f"{file}, [[copy]]"
    return Copied(Phrase(_text(raw, "label", where)), _text(raw, "from", where))


def _text(raw: Mapping[str, Any], name: str, where: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value.strip():
        raise PortalError(f"{where}, field {name!r}: expected a non-empty text, got {value!r}")
    return value.strip()


def _texts(raw: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = raw.get(name)
    if not isinstance(value, list) or not value:
        raise PortalError(f"{where}, field {name!r}: expected a list of texts, got {value!r}")
    return tuple(_text({name: each}, name, where) for each in value)


def _data(package: FilingPackage) -> Mapping[str, Any]:
    """The package's data; a package is made by us, yet any bytes may be asked for a checklist."""
    try:
        found = json.loads(package.twin)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _at(data: Any, path: str) -> str:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return clean(str(data), MAX_VALUE) if isinstance(data, str | int | float) else ""


def _answers(twin: Mapping[str, Any]) -> Iterator[CopyField]:
    """The report's fields in its own order, with what stands for a value where there is none."""
    answers = twin.get("fields")
    for each in answers if isinstance(answers, list) else []:
        cite, label = _at(each, "cite"), _at(each, "label")
        value = _at(each, "words") or _at(each, "value")
        status = _NO_VALUE.get(_at(each, "status"), Phrase(""))
        why = ": ".join(part for part in (status, _at(each, "why")) if part)
        yield CopyField(f"{label} ({cite})" if cite else label, value, "" if value else why)


def _digests(package: FilingPackage) -> Iterator[CopyField]:
    yield CopyField(Phrase("Digest of the PDF (SHA-256)"), package.pdf_sha256)
    yield CopyField(Phrase("Digest of the data (SHA-256)"), package.twin_sha256)
