"""What an export reads of the log: leaves, their hashes, and the words that may be disclosed."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any
from uuid import UUID

from compliance.audit.export import Disclosure
from compliance.audit.log import salted_words
from compliance.audit.models import Entry, Leaf

BATCH = 500


def leaves(size: int) -> Iterator[bytes]:
    """The canonical entries of the first `size` leaves, in order."""
    rows = _leaf_rows(size).values_list("entry__leaf", flat=True)
    return (bytes(leaf) for leaf in rows.iterator(chunk_size=BATCH))


def hashes(size: int) -> Iterator[bytes]:
    """Their hashes as the tree keeps them."""
    rows = _leaf_rows(size).values_list("hash", flat=True)
    return (bytes(hashed) for hashed in rows.iterator(chunk_size=BATCH))


def disclosures(size: int, readable: Container[UUID]) -> Iterator[Disclosure]:
    """The sealed words about readable subjects; erased ones stay erased."""
    entries = Entry.objects.filter(leaf_row__idx__lt=size).select_related(
        "payload__key", "leaf_row"
    )
    for entry in entries.iterator(chunk_size=BATCH):
        if entry.subject_uuid not in readable:
            continue
        for name, (salt, text) in (salted_words(entry) or {}).items():
            yield Disclosure(entry.leaf_row.idx, name, bytes.fromhex(salt), text)


def kept_at(size: int) -> dict[UUID, int]:
    """For each stored file the index of the leaf that says it was kept."""
    kept = Entry.objects.filter(action="blob.keep", leaf_row__idx__lt=size)
    return dict(kept.values_list("object_uuid", "leaf_row__idx"))


def _leaf_rows(size: int) -> Any:
    return Leaf.objects.filter(idx__lt=size).order_by("idx")
