"""Merkle trees of RFC 6962 and RFC 9162: growing them and proving with them.

Hashing and the checking of proofs are `verify.py`'s own; this module adds what only the keeper of
the log needs. Leaves are given as a sequence of leaf hashes, or as a function from index to hash
where they lie in a database.
"""

from collections.abc import Callable, Iterable, Sequence

from compliance.audit.verify import (
    EMPTY_ROOT,
    Frontier,
    ProofRefused,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "ProofRefused",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

# Leaf hashes in order, or where to find them.
Leaves = Sequence[bytes] | Callable[[int], bytes]


def root(hashes: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes, in order."""
    frontier = Frontier()
    for hashed in hashes:
        frontier.append(hashed)
    return frontier.root()


def inclusion_proof(index: int, size: int, leaves: Leaves) -> list[bytes]:
    """List the hashes that lead from leaf `index` to the root of the first `size` leaves.

    Returns:
        The siblings, lowest first. `verify_inclusion` climbs them.

    Raises:
        IndexError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} is not in a tree of {size}; leaves count from 0")
    return _path(index, 0, size, _reader(leaves))


def consistency_proof(old_size: int, new_size: int, leaves: Leaves) -> list[bytes]:
    """List the hashes that show the larger tree to begin with the smaller one.

    Returns:
        Nothing where the old tree is empty or the same; `verify_consistency` knows.

    Raises:
        IndexError: the old tree is the larger one.
    """
    if not 0 <= old_size <= new_size:
        raise IndexError(f"a tree of {new_size} has no beginning of {old_size} leaves")
    if old_size in {0, new_size}:
        return []
    return _subproof(old_size, 0, new_size, _reader(leaves), whole=True)


def _reader(leaves: Leaves) -> Callable[[int], bytes]:
    return leaves if callable(leaves) else leaves.__getitem__


def _subtree(start: int, end: int, leaf_at: Callable[[int], bytes]) -> bytes:
    return root(leaf_at(index) for index in range(start, end))


def _split(start: int, end: int) -> int:
    """Where the left subtree ends: the largest power of two below the number of leaves."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _path(index: int, start: int, end: int, leaf_at: Callable[[int], bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1, over the leaves from `start` to before `end`."""
    if end - start == 1:
        return []
    middle = _split(start, end)
    if index < middle:
        return [*_path(index, start, middle, leaf_at), _subtree(middle, end, leaf_at)]
    return [*_path(index, middle, end, leaf_at), _subtree(start, middle, leaf_at)]


def _subproof(
    old_end: int, start: int, end: int, leaf_at: Callable[[int], bytes], *, whole: bool
) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1. `whole`: this subtree is the old tree, known already."""
    if old_end == end:
        return [] if whole else [_subtree(start, end, leaf_at)]
    middle = _split(start, end)
    if old_end <= middle:
        left = _subproof(old_end, start, middle, leaf_at, whole=whole)
        return [*left, _subtree(middle, end, leaf_at)]
    right = _subproof(old_end, middle, end, leaf_at, whole=False)
    return [*right, _subtree(start, middle, leaf_at)]
