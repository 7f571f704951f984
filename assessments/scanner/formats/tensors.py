"""Whether a file holds the tensors a layout says it must, before any of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assessments.scanner.store import Store

FRACTIONS = {"F16", "BF16", "F32", "F64"}


def length(store: Store, name: str) -> int:
    """How long a vector is.

    Raises:
        ScanFailed: it is not there, empty or no vector.
    """
    shape = shape_of(store, name)
    if len(shape) != 1 or not shape[0]:
        raise refusal(store, name, "a vector", shape)
    return shape[0]


def width(store: Store, name: str, dim: int) -> int:
    """How wide a matrix is in one dimension.

    Raises:
        ScanFailed: it is not there, empty or no matrix.
    """
    shape = shape_of(store, name)
    if len(shape) != 2 or not all(shape):
        raise refusal(store, name, "a matrix", shape)
    return shape[dim]


def beside(store: Store, name: str, f: int, latent_dim: int) -> int:
    """How wide the matrix of `f` latents is in its other dimension.

    Raises:
        ScanFailed: it is not there, or its latents lie along the other dimension.
    """
    d = width(store, name, 1 - latent_dim)
    if width(store, name, latent_dim) != f:
        turned = ", the other way round" if d == f else ""
        shape = store.tensors[name].shape
        raise refusal(store, name, f"{f} latents along dimension {latent_dim}{turned}", shape)
    return d


def expect(
    store: Store, wanted: Mapping[str, tuple[int, ...]], *, besides: Iterable[str] = ()
) -> None:
    """Every tensor is there, holds fractions, is of its shape, and no other is there.

    Args:
        store: the file.
        wanted: shapes by name.
        besides: names that may be there and are not looked at here.

    Raises:
        ScanFailed: names the file, the tensor, what was expected and what came.
    """
    for name, shape in wanted.items():
        if (came := shape_of(store, name)) != shape:
            raise refusal(store, name, f"a shape of {shape}", came)
        expect_fractions(store, name)
    if strange := sorted(set(store.tensors) - set(wanted) - set(besides)):
        raise ScanFailed(
            f"{store.name}: this layout has no tensor {strange[:5]}; expected {sorted(wanted)}",
            permanent=True,
        )


def expect_fractions(store: Store, name: str) -> None:
    """Refuse weights that are whole numbers: quantised ones need a scale that no layout has."""
    kind = store.tensors[name].dtype
    if kind not in FRACTIONS:
        raise ScanFailed(
            f"{store.name}: {name}: expected floating point numbers, came {kind}", permanent=True
        )


def shape_of(store: Store, name: str) -> tuple[int, ...]:
    """A tensor's shape."""
    if name not in store.tensors:
        raise ScanFailed(
            f"{store.name}: no tensor {name!r} there; it has {sorted(store.tensors)[:20]}",
            permanent=True,
        )
    return store.tensors[name].shape


def refusal(store: Store, name: str, expected: str, came: tuple[int, ...]) -> ScanFailed:
    """What to say of a tensor of another shape."""
    turned = ", which is the other way round" if expected.endswith(f"{came[::-1]}") else ""
    return ScanFailed(
        f"{store.name}: {name}: expected {expected}, came {came}{turned}", permanent=True
    )


def whole(store: Store, name: str) -> int:
    """A single whole number that is kept as a tensor.

    Raises:
        ScanFailed: it is something else.
    """
    value = single(store, name)
    if value != int(value) or value < 1:
        raise ScanFailed(
            f"{store.name}: {name}: expected a whole number from 1, came {value}", permanent=True
        )
    return int(value)


def single(store: Store, name: str) -> float:
    """A single number that is kept as a tensor.

    Raises:
        ScanFailed: it is something else.
    """
    shape = shape_of(store, name)
    if shape not in {(), (1,)}:
        raise refusal(store, name, "a single number", shape)
    return float(store.read(name).reshape(()))
