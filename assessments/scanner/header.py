"""Check a safetensors header before the library sees it. Standard library only.

The library accepts duplicate keys, odd names, and headers that cost gigabytes; a file from outside
has none of these for a good reason. Layout: 8 bytes length N, N bytes of JSON, then the data.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_HEADER = 16 << 20
MAX_TENSORS = 100_000
PREFIX = 8
NAME = re.compile(r"[\w.\-/]{1,256}", re.ASCII)
MAX_RANK = 8
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


class HostileFile(ValueError):  # It names the file, not the mistake.
    """The header promises something no honest file promises."""


@dataclass(frozen=True)
class TensorSpec:
    """What the header says of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def check_header(blob: bytes) -> tuple[TensorSpec, ...]:
    """The file's tensors, in the order of their bytes.

    Raises:
        HostileFile: says what was expected and what came.
    """
    header = header_bytes(blob)
    return tensor_specs(header, len(blob) - PREFIX - len(header))


def tensor_specs(header: bytes, data_size: int) -> tuple[TensorSpec, ...]:
    """What the JSON of a header says of `data_size` bytes behind it, in the order of the bytes.

    Raises:
        HostileFile: says what was expected and what came.
    """
    raw = parse(header)
    if len(raw) > MAX_TENSORS:
        raise HostileFile(f"expected at most {MAX_TENSORS} tensors, came {len(raw)}")
    specs = [spec(name, value) for name, value in raw.items() if name != "__metadata__"]
    specs.sort(key=lambda each: (each.start, each.end))
    check_spans(specs, data_size)
    return tuple(specs)


def header_bytes(blob: bytes) -> bytes:
    """The JSON part, after its length was found sane."""
    size = header_size(blob[:PREFIX], len(blob))
    return blob[PREFIX : PREFIX + size]


def header_size(prefix: bytes, file_size: int) -> int:
    """How long the JSON is, after that was found sane."""
    if len(prefix) < PREFIX:
        raise HostileFile(f"expected at least {PREFIX} bytes, came {len(prefix)}")
    size = int.from_bytes(prefix, "little")
    if size > MAX_HEADER:
        raise HostileFile(f"expected a header of at most {MAX_HEADER} bytes, came {size}")
    if size > file_size - PREFIX:
        raise HostileFile(f"the header claims {size} bytes, the file has {file_size - PREFIX}")
    return size


def parse(header: bytes) -> dict[str, Any]:
    """The header as a dict; a key that appears twice is refused."""
    try:
        raw = json.loads(header, object_pairs_hook=unique)
    except HostileFile:
        raise
    except (ValueError, RecursionError) as error:  # Python refuses numbers of many digits as well.
        raise HostileFile(f"expected JSON in the header: {error}") from error
    if not isinstance(raw, dict):
        raise HostileFile(f"expected an object in the header, came {type(raw).__name__}")
    return raw


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the header, each key once."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise HostileFile("expected each key once in the header, one came twice")
    return found


def spec(name: str, value: Any) -> TensorSpec:
    """One tensor's entry, with name, type, shape and span checked."""
    if NAME.fullmatch(name) is None or ".." in name:
        raise HostileFile(f"expected a plain tensor name, came {name[:80]!a}")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise HostileFile(f"{name}: expected dtype, shape and data_offsets")
    dtype, shape, span = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BYTES:
        raise HostileFile(f"{name}: unknown dtype {ascii(dtype)[:40]}")
    if not naturals(shape) or len(shape) > MAX_RANK:
        raise HostileFile(f"{name}: expected a shape of up to {MAX_RANK} sizes")
    if not naturals(span) or len(span) != 2:
        raise HostileFile(f"{name}: expected a start and an end")
    start, end = span
    if end - start != math.prod(shape) * BYTES[dtype]:
        raise HostileFile(f"{name}: shape {shape} of {dtype} does not fill {end - start} bytes")
    return TensorSpec(name, dtype, tuple(shape), start, end)


def naturals(value: Any) -> bool:
    """A list of whole numbers, none negative (and no booleans, which are ints in Python)."""
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def check_spans(specs: list[TensorSpec], size: int) -> None:
    """Tensors lie one after another, without gap, overlap or trailing bytes."""
    at = 0
    for each in specs:
        if each.start != at:
            raise HostileFile(f"{each.name}: expected its bytes to start at {at}, not {each.start}")
        at = each.end
    if at != size:
        raise HostileFile(f"the header describes {at} bytes of data, the file has {size}")
