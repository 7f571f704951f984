"""Tensors on disk, read whole or by the slice; a file is never mapped and never held in memory.

    safetensors  the header is checked by our own parser before anything else is read
    npz          plain numbers only; nothing is unpickled

A slice costs what it holds: 32 rows of a matrix of 16 million rows are 32 small reads. Every read
looks for values that are not finite. The file stays open between check and read, so another file
put in its place meanwhile is not what is read.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
import weakref
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy

from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import BLOCK
from assessments.scanner.header import BYTES, PREFIX, HostileFile, header_size, tensor_specs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16,
    "I32": torch.int32, "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16,
    "F32": torch.float32, "F64": torch.float64,
}  # fmt: skip
NUMPY = {
    "|b1": "BOOL", "|u1": "U8", "|i1": "I8", "<i2": "I16", "<i4": "I32", "<i8": "I64",
    "<f2": "F16", "<f4": "F32", "<f8": "F64",
}  # fmt: skip
LOCAL_HEADER = struct.Struct("<26xHH")
"""The tail of a zip member's local header: the length of its name and of its extra field."""
MAX_NPY_HEADER = 4096


@dataclass(frozen=True)
class Stored:
    """Where one tensor lies."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    """Of its bytes, from the beginning of the file."""
    is_transposed: bool = False
    """A matrix that lies column by column."""

    @property
    def width(self) -> int:
        """Bytes a number."""
        return BYTES[self.dtype]


class Store:
    """The tensors of one file."""

    def __init__(self, path: Path, descriptor: int, tensors: Sequence[Stored]) -> None:
        """Take over an open file whose layout is known; it is closed with the last reference."""
        self.name = path.name
        self.tensors = {each.name: each for each in tensors}
        self._descriptor = descriptor
        self._opened = stamp(descriptor)
        weakref.finalize(self, os.close, descriptor)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape, by its name."""
        return {name: each.shape for name, each in self.tensors.items()}

    def read(self, name: str) -> Tensor:
        """One whole tensor, as float32 if it holds fractions."""
        stored = self._find(name)
        flat = self._numbers(stored, 0, math.prod(stored.shape))
        if stored.is_transposed:
            return self._checked(name, flat.reshape(stored.shape[::-1]).T)
        return self._checked(name, flat.reshape(stored.shape))

    def part(self, name: str, start: int, stop: int, dim: int) -> Tensor:
        """A run of rows (`dim` 0) or columns (`dim` 1) of a vector or matrix."""
        stored = self._find(name)
        if not 0 <= start <= stop <= stored.shape[dim]:
            raise ScanFailed(
                f"{self.name}: {name} has {stored.shape[dim]} entries, asked for {start} to {stop}",
                permanent=True,
            )
        if len(stored.shape) == 1:
            return self._checked(name, self._numbers(stored, start, stop - start))
        n_rows, n_columns = stored.shape[::-1] if stored.is_transposed else stored.shape
        if (dim == 0) != stored.is_transposed:
            lying = self._numbers(stored, start * n_columns, (stop - start) * n_columns)
            lying = lying.reshape(-1, n_columns)
        else:
            lying = torch.stack([
                self._numbers(stored, row * n_columns + start, stop - start)
                for row in range(n_rows)
            ])  # fmt: skip
        return self._checked(name, lying.T if stored.is_transposed else lying)

    def take(self, name: str, indices: Sequence[int], dim: int) -> Tensor:
        """Some rows or columns of a vector or matrix, in the order asked."""
        stored = self._find(name)
        size = stored.shape[dim]
        if beyond := [each for each in indices if not 0 <= each < size]:
            raise ScanFailed(
                f"{self.name}: {name} has {size} entries, asked for {beyond[:5]}", permanent=True
            )
        if len(stored.shape) == 1 or (dim == 0) != stored.is_transposed:
            return torch.cat([self.part(name, each, each + 1, dim) for each in indices], dim)
        n_rows, n_columns = stored.shape[::-1] if stored.is_transposed else stored.shape
        raw = bytearray(n_rows * len(indices) * stored.width)
        places = (row * n_columns + each for row in range(n_rows) for each in indices)
        for at, place in enumerate(places):
            self._fill(stored, memoryview(raw)[at * stored.width :][: stored.width], place)
        lying = torch.frombuffer(raw, dtype=DTYPES[stored.dtype]).reshape(n_rows, len(indices))
        return self._checked(name, lying.T if stored.is_transposed else lying)

    def sha256(self) -> str:
        """The digest of the whole file, read block by block."""
        digest = hashlib.sha256()
        at = 0
        while block := os.pread(self._descriptor, BLOCK, at):
            digest.update(block)
            at += len(block)
        return digest.hexdigest()

    def expect_unchanged(self) -> None:
        """Raise ScanFailed if somebody wrote to the file since it was opened."""
        if stamp(self._descriptor) != self._opened:
            raise ScanFailed(f"{self.name} was changed while it was read", permanent=False)

    def _find(self, name: str) -> Stored:
        if name not in self.tensors:
            raise ScanFailed(
                f"{self.name}: no tensor {name!r} there; it has {sorted(self.tensors)[:20]}",
                permanent=True,
            )
        return self.tensors[name]

    def _numbers(self, stored: Stored, place: int, count: int) -> Tensor:
        """`count` numbers from the one at `place`, as they lie."""
        if not count:
            return torch.empty(0, dtype=DTYPES[stored.dtype])
        raw = bytearray(count * stored.width)
        self._fill(stored, memoryview(raw), place)
        return torch.frombuffer(raw, dtype=DTYPES[stored.dtype])

    def _fill(self, stored: Stored, into: memoryview, place: int) -> None:
        """Read as many bytes as `into` holds, from the number at `place`."""
        at, done = stored.start + place * stored.width, 0
        while done < len(into):
            n = os.preadv(self._descriptor, [into[done:]], at + done)
            if n == 0:
                message = f"{self.name}: {stored.name} ends early; the file was cut"
                raise ScanFailed(message, permanent=True)
            done += n

    def _checked(self, name: str, found: Tensor) -> Tensor:
        if not found.is_floating_point():
            return found
        found = found.float()
        if not torch.isfinite(found).all():
            raise ScanFailed(
                f"{self.name}: {name} holds values that are not finite", permanent=True
            )
        return found


def stamp(descriptor: int) -> tuple[int, int, int]:
    """What changes with every write to a file: size, time of the last write, time of the change.

    The last of them is the kernel's own; whoever writes cannot set it back.
    """
    state = os.fstat(descriptor)
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def open_store(path: Path) -> Store:
    """Open a .safetensors or .npz file.

    Raises:
        ScanFailed: it is neither, or not well-formed.
    """
    openers = {".safetensors": safetensors_layout, ".npz": npz_layout}
    opener = openers.get(path.suffix.lower())
    if opener is None:
        raise ScanFailed(
            f"{path.name}: expected .safetensors or .npz; pickled weights are brought over by "
            "'python -m assessments.scanner convert'",
            permanent=True,
        )
    try:
        with path.open("rb") as stream:
            tensors = opener(stream, os.fstat(stream.fileno()).st_size)
            return Store(path, os.dup(stream.fileno()), tensors)
    except OSError as error:
        raise ScanFailed(f"{path} could not be read: {error}", permanent=True) from error
    except (HostileFile, zipfile.BadZipFile) as error:
        raise ScanFailed(
            f"{path.name}: not a well-formed {path.suffix} file: {error}", permanent=True
        ) from error


def safetensors_layout(stream: BinaryIO, size: int) -> list[Stored]:
    """Where the tensors of a safetensors file lie, by its checked header."""
    n_header = header_size(stream.read(PREFIX), size)
    header = stream.read(n_header)
    begin = PREFIX + n_header
    specs = tensor_specs(header, size - begin)
    strange = sorted({each.dtype for each in specs} - set(DTYPES))
    if strange:
        raise HostileFile(f"numbers of type {strange} are not read; expected {sorted(DTYPES)}")
    return [Stored(each.name, each.dtype, each.shape, begin + each.start) for each in specs]


def npz_layout(stream: BinaryIO, size: int) -> list[Stored]:
    """Where the arrays of an .npz file lie. Only members stored as they are can be read in place."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
    return [npz_member(stream, each, size) for each in members]


def npz_member(stream: BinaryIO, member: zipfile.ZipInfo, size: int) -> Stored:
    """One array: its zip header, then its .npy header, then plain numbers."""
    name = member.filename.removesuffix(".npy")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise HostileFile(
            f"{name[:80]!a} is packed; save it with numpy.savez, not savez_compressed"
        )
    stream.seek(member.header_offset)
    local = stream.read(30)
    if len(local) != 30 or local[:4] != b"PK\x03\x04":
        raise HostileFile(f"{name[:80]!a}: no member at the place the directory names")
    begin = stream.seek(sum(LOCAL_HEADER.unpack(local)), os.SEEK_CUR)
    try:
        version = npy.read_magic(stream)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = reader(stream, max_header_size=MAX_NPY_HEADER)
    except ValueError as error:
        raise HostileFile(f"{name[:80]!a}: not a .npy array: {error}") from error
    kind = NUMPY.get(np.dtype(dtype).str)
    if kind is None:
        raise HostileFile(f"{name[:80]!a}: arrays of {dtype} are not read; expected numbers")
    start = stream.tell()
    if start - begin + math.prod(shape) * BYTES[kind] != member.file_size or start > size:
        raise HostileFile(f"{name[:80]!a}: shape {shape} does not fill {member.file_size} bytes")
    return Stored(name, kind, tuple(shape), start, is_fortran and len(shape) > 1)
