"""Django's `makemessages`, which also reads what the house says in its data and in pure rooms.

Phrases (`compliance.phrase`) are found by their name. Data files are read by the rooms they belong
to, and every phrase that comes of one is a message of that file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.commands import makemessages
from typing_extensions import override

from assessments.policies import load as policies
from compliance.documents import outline
from compliance.filing import portals
from compliance.phrase import Phrase
from compliance.regimes import authorities, derivations
from compliance.regimes import load as regimes
from incidents.rules import load as rules


def _policy(path: Path) -> Any:
    is_scan = path.name == policies.SCAN_FILE
    read = policies.parse_scan_criteria if is_scan else policies.parse_policy
    return read(path.read_bytes(), file=path.name)


def _outline(path: Path) -> Any:
    return outline.parse(path.read_bytes())


def _portal(path: Path) -> Any:
    return portals.parse(path.read_bytes(), file=path.name)


def _regime(path: Path) -> Any:
    return regimes.parse(path.read_bytes(), file=path.name)


def _authorities(path: Path) -> Any:
    return authorities.parse(path.read_bytes(), file=path.name)


def _derivations(path: Path) -> Any:
    return derivations.parse(path.read_bytes(), file=path.name)


def _rules(path: Path) -> Any:
    return rules.read(path.read_text(encoding="utf-8"), file=path.name)


ROOMS: dict[str, Callable[[Path], Any]] = {
    "assessments/policies/data": _policy,
    "compliance/documents/data": _outline,
    "compliance/filing/data": _portal,
    "compliance/regimes/authorities/data": _authorities,
    "compliance/regimes/data": _regime,
    "compliance/regimes/derivations/data": _derivations,
    "incidents/rules/data": _rules,
}
KEYWORDS = ("Phrase", "counted:1,2", "_now")
# Rooms without an interface: what is tried, measured or written for developers.
LEFT_OUT = ("bench", "docs", "requirements", "tests", "var")


def phrases(value: Any) -> Iterator[str]:
    """Every phrase inside a dataclass, a list or a mapping."""
    if isinstance(value, Phrase):
        yield from [value.template] if value else []
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from phrases(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from phrases(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from phrases(each)


class DataFile(makemessages.BuildFile):
    """A data file is handed to xgettext as the list of its phrases."""

    @override
    def preprocess(self) -> None:
        """Write the list where a template would be written."""
        path = Path(self.path)
        read = ROOMS.get(path.parent.as_posix())
        if read is None:
            super().preprocess()
            return
        lines = (f"_({text!r})\n" for text in dict.fromkeys(phrases(read(path))))
        Path(self.work_path).write_text("".join(lines), encoding="utf-8")


class Command(makemessages.Command):
    """Collect the messages of this project."""

    build_file_class = DataFile

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Our data files beside Django's kinds, and our rooms alone."""
        keywords = [f"--keyword={keyword}" for keyword in KEYWORDS]
        self.xgettext_options = [*self.xgettext_options, *keywords]
        extensions = options["extensions"] or ["html", "txt", "py", "toml", "yml"]
        ignored = [*options["ignore_patterns"], *LEFT_OUT]
        super().handle(*args, **{**options, "extensions": extensions, "ignore_patterns": ignored})

    @override
    def find_files(self, root: str) -> list[Any]:
        """A TOML or YAML file counts only in a room that can read it."""
        return [
            found
            for found in super().find_files(root)
            if Path(found.file).suffix not in {".toml", ".yml"}
            or Path(found.dirpath).as_posix() in ROOMS
        ]
