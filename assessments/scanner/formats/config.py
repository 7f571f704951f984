"""A JSON file beside weights, asked key by key; nothing it says is used before its kind is right."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

MAX_BYTES = 16 << 20
MOST = 1 << 40
"""No honest width, count or rank is above it."""
MAX_TEXT = 200


@dataclass(frozen=True)
class Config:
    """An object of the file. A key without a value counts as absent."""

    where: str
    """The file, and the way to the object in it; for messages."""
    raw: dict[str, Any]

    def __contains__(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def whole(
        self, key: str, default: int | None = None, *, least: int = 0, most: int = MOST
    ) -> int:
        """A whole number within bounds."""
        value = self._given(key, default)
        if type(value) is not int or not least <= value <= most:
            raise self.unfit(key, f"a whole number from {least} to {most}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = finite(self._given(key, default))
        if value is None:
            raise self.unfit(key, "a finite number")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A short text."""
        value = self._given(key, default)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise self.unfit(key, f"a text of at most {MAX_TEXT} characters")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:  # noqa: FBT001  # As the others.
        """True or false."""
        value = self._given(key, default)
        if not isinstance(value, bool):
            raise self.unfit(key, "true or false")
        return value

    def section(self, key: str) -> Config:
        """An object inside this one; an empty one where there is none."""
        value = self._given(key, {})
        if not isinstance(value, dict):
            raise self.unfit(key, "an object")
        return Config(f"{self.where}: {key}", value)

    def said_number(self, *keys: str) -> float | None:
        """What the first of the keys that holds a number says; nothing hangs on it.

        Figures of autoencoders are not below zero, and so not believed where they are.
        """
        found = (finite(self.raw.get(key)) for key in keys)
        return next((each for each in found if each is not None and each >= 0), None)

    def said_text(self, key: str) -> str:
        """What a key says, cut to a short text; nothing hangs on it."""
        value = self.raw.get(key)
        return value[:MAX_TEXT] if isinstance(value, str) else ""

    def expect_known(self, known: Container[str]) -> None:
        """Refuse keys that nobody here has heard of, if they say anything.

        Raises:
            ScanFailed: such a key may stand for a step that would be left out.
        """
        unknown = sorted(key for key, value in self.raw.items() if key not in known and value)
        if unknown:
            raise ScanFailed(
                f"{self.where}: {', '.join(ascii(each)[:60] for each in unknown[:5])} "
                "may change the computation, and is not known here; expected a file without it",
                permanent=True,
            )

    def unfit(self, key: str, wanted: str) -> ScanFailed:
        """The refusal of what a key says."""
        came = ascii(self.raw[key])[:60] if key in self else "nothing"
        return ScanFailed(f"{self.where}: {key}: expected {wanted}, came {came}", permanent=True)

    def _given(self, key: str, default: Any) -> Any:
        return self.raw[key] if key in self else default


def read(path: Path) -> Config:
    """The object a file holds.

    Raises:
        ScanFailed: the file cannot be read, is very long, or holds something else.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as stream:
            blob = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScanFailed(f"{where} could not be read: {error}", permanent=True) from error
    if len(blob) > MAX_BYTES:
        raise ScanFailed(f"{where}: expected at most {MAX_BYTES} bytes, came more", permanent=True)
    try:
        raw = json.loads(blob, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise ScanFailed(f"{where}: expected JSON: {error}", permanent=True) from error
    if not isinstance(raw, dict):
        message = f"{where}: expected an object, came {type(raw).__name__}"
        raise ScanFailed(message, permanent=True)
    return Config(where, raw)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each key once: readers differ over which of two they believe."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("expected each key once, one came twice")
    return found


def finite(value: Any) -> float | None:
    """The value as a float, if it is a finite number."""
    if type(value) not in (int, float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
