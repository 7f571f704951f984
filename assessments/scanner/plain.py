"""Turn frozen dataclasses into plain JSON values and back. Standard library only."""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
SIGNIFICANT = 6
LATER = {"later": True}
"""Metadata of a field that came later: it is not written while it has its default, so that what
was pinned by digest before the field was known keeps its digest."""


class NotPlain(ValueError):  # It names the value, not the mistake.
    """A JSON value does not have the shape the dataclass asks for."""


def to_plain(value: Any) -> Any:
    """The value with dataclasses as objects, tuples as lists and enums as their text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not untold(field, getattr(value, field.name))
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    return value


def untold(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether the field is one of `LATER` that has nothing to say yet."""
    return bool(field.metadata.get("later")) and bool(value == field.default)


def decimal(value: float) -> str:
    """A number as the record keeps it: a decimal string of six significant digits."""
    return format(value, f".{SIGNIFICANT}g")


def without_floats(value: Any) -> Any:
    """A plain value with every float as a decimal string, because the record holds no floats."""
    if isinstance(value, float):
        return decimal(value)
    if isinstance(value, dict):
        return {key: without_floats(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_floats(each) for each in value]
    return value


def from_plain(kind: type[T], raw: Any) -> T:
    """Build `kind` from what `to_plain` made of it.

    Raises:
        NotPlain: a field is missing, unknown or of another type.
    """
    return read(kind, raw, kind.__name__)  # type: ignore[no-any-return]


def read(kind: Any, raw: Any, where: str) -> Any:  # noqa: PLR0911  # One return a kind.
    """One value of the type `kind`, read from plain JSON."""
    origin = get_origin(kind)
    if kind is Any:
        return raw
    if dataclasses.is_dataclass(kind):
        return read_dataclass(kind, raw, where)
    if origin in {types.UnionType, Union}:
        return read_optional(kind, raw, where)
    if origin is tuple:
        (item, _) = get_args(kind)
        return tuple(read(item, each, where) for each in expect(list, raw, where))
    if origin is dict:
        value_kind = get_args(kind)[1]
        pairs = expect(dict, raw, where).items()
        return {key: read(value_kind, each, f"{where}.{key}") for key, each in pairs}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return read_enum(kind, raw, where)
    return read_scalar(kind, raw, where)


def read_optional(kind: Any, raw: Any, where: str) -> Any:
    """A value that may be null."""
    if raw is None:
        return None
    (inner,) = [each for each in get_args(kind) if each is not type(None)]
    return read(inner, raw, where)


def read_dataclass(kind: Any, raw: Any, where: str) -> Any:
    """A dataclass from an object with exactly its fields; fields with defaults may be absent."""
    raw = expect(dict, raw, where)
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    unknown = sorted(set(raw) - set(names))
    if unknown:
        raise NotPlain(f"{where}: unknown fields {unknown[:5]}; expected {names}")
    given = {name: read(hints[name], raw[name], f"{where}.{name}") for name in names if name in raw}
    try:
        return kind(**given)
    except TypeError as error:
        raise NotPlain(f"{where}: {error}") from error


def read_enum(kind: type[Enum], raw: Any, where: str) -> Enum:
    """One of the enum's values."""
    try:
        return kind(raw)
    except ValueError as error:
        raise NotPlain(
            f"{where}: {error}; expected one of {[each.value for each in kind]}"
        ) from error


def read_scalar(kind: Any, raw: Any, where: str) -> Any:
    """A number, a string or a boolean; a whole number may stand for a float."""
    if kind is float and type(raw) is int:
        return float(raw)
    return expect(kind, raw, where)


def expect(kind: type, raw: Any, where: str) -> Any:
    """The value, if it is of exactly this type."""
    if type(raw) is not kind:
        raise NotPlain(f"{where}: expected {kind.__name__}, came {type(raw).__name__}")
    return raw
