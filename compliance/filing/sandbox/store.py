"""What the sandbox received: a folder a filing, and an index of them in memory.

A filing costs the same however many there are: the folders are listed once, at the start. They are
written outside the lock, so that callers wait for each other only over the same key or filing.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

_WRITING_SECONDS: Final = 20.0
_FORM: Final = "SIM-{:06d}"


@dataclass(frozen=True)
class Filed:
    """One filing as the sandbox keeps it: a folder of files."""

    folder: Path

    @property
    def reference(self) -> str:
        """What the sandbox calls it."""
        return self.folder.name

    @property
    def envelope(self) -> bytes:
        """The signed receipt."""
        return (self.folder / "receipt.json").read_bytes()

    @property
    def about(self) -> dict[str, Any]:
        """Its key, filing and manifest digest, when it came and for whom."""
        found: dict[str, Any] = json.loads((self.folder / "about.json").read_bytes())
        return found

    @property
    def is_pending(self) -> bool:
        """Whether its receipt is still held back."""
        return (self.folder / "pending").exists()

    def release(self) -> None:
        """Hold its receipt back no longer."""
        (self.folder / "pending").unlink(missing_ok=True)


class Conflict(Exception):
    """The key or the filing was used before, for something else; the message says for what."""


class Busy(Exception):
    """The same filing is being written at this moment."""


@dataclass
class _Entry:
    """What is known of a filing without looking at the disk."""

    reference: str
    about: Mapping[str, str]
    written: threading.Event = field(default_factory=threading.Event)


@dataclass
class Store:
    """All filings."""

    folder: Path
    _by_key: dict[str, _Entry] = field(default_factory=dict)
    _by_filing: dict[str, _Entry] = field(default_factory=dict)
    _last: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Open a folder and read what is in it, once."""
        folder.mkdir(parents=True, exist_ok=True)
        found = cls(folder)
        for filed in found.all():
            entry = _Entry(filed.reference, filed.about)
            entry.written.set()
            found._index(entry)
            found._last = max(found._last, int(filed.reference.removeprefix("SIM-")))
        return found

    def all(self) -> Iterator[Filed]:
        """Everything on the disk, oldest first."""
        for folder in sorted(self.folder.glob("SIM-*")):
            yield Filed(folder)

    def keep(
        self, about: Mapping[str, str], contents: Callable[[str], Mapping[str, bytes]]
    ) -> tuple[Filed, bool]:
        """Keep a filing once per key and once per filing; whether it is new comes with it.

        `about` holds `key`, `filing` and `manifest_sha256`; `contents` makes the files of a
        reference and is asked for new filings alone.

        Raises:
            Conflict: key or filing were used for something else.
            Busy: the same was begun before and is not written yet.
        """
        entry, is_new = self._reserve(about)
        if is_new:
            self._write(entry, contents)
        elif not entry.written.wait(_WRITING_SECONDS):
            raise Busy(f"{entry.reference} is still being written")
        return Filed(self.folder / entry.reference), is_new

    def by_key(self, key: str) -> Filed | None:
        """What was filed under a key."""
        entry = self._by_key.get(key)
        if entry is None or not entry.written.is_set():
            return None
        return Filed(self.folder / entry.reference)

    def _reserve(self, about: Mapping[str, str]) -> tuple[_Entry, bool]:
        with self._lock:
            entry = self._by_key.get(about["key"]) or self._by_filing.get(about["filing"])
            if entry is not None:
                _check_same(entry, about)
                return entry, False
            self._last += 1
            entry = _Entry(_FORM.format(self._last), dict(about))
            self._index(entry)
            return entry, True

    def _index(self, entry: _Entry) -> None:
        self._by_key[entry.about["key"]] = entry
        self._by_filing[entry.about["filing"]] = entry

    def _write(self, entry: _Entry, contents: Callable[[str], Mapping[str, bytes]]) -> None:
        try:
            _appear(self.folder / entry.reference, contents(entry.reference))
        except BaseException:
            with self._lock:
                del self._by_key[entry.about["key"]], self._by_filing[entry.about["filing"]]
            raise
        entry.written.set()


def _check_same(entry: _Entry, about: Mapping[str, str]) -> None:
    if all(entry.about[name] == value for name, value in about.items()):
        return
    if entry.about["key"] == about["key"]:
        raise Conflict(f"the key was used for another package, {entry.reference}")
    raise Conflict(f"the filing was received before, as {entry.reference}")


def _appear(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder aside and move it into place, so that it is there whole or not at all."""
    aside = folder.with_name(f".incoming-{folder.name}")
    aside.mkdir(exist_ok=True)
    for name, content in contents.items():
        with (aside / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    aside.rename(folder)
