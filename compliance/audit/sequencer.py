"""Give entries their place in the tree and sign what results.

1. Take the head row; whoever raises its epoch first works, everybody else is fenced off.
2. Take unsequenced rows (never "id greater than the last one": commits arrive out of order).
3. Insert leaves with the next indices and delete only the Unsequenced rows.
4. Read the stored entries and leaves back and compute the root from those bytes, apart from the
   one that was computed in memory: what was only in memory is never signed.
5. Sign a C2SP checkpoint. All of it in one transaction.

Source: RFC 9162 section 2; C2SP tlog-checkpoint.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import cache

from django.conf import settings
from django.db import transaction
from django.db.models import F

from compliance.audit import checkpoint, keys, merkle
from compliance.audit.models import Checkpoint, Entry, Head, Leaf, Unsequenced

log = logging.getLogger(__name__)
BATCH = 2000


class LogBroken(Exception):
    """What is stored does not agree with what was signed. Nothing more is signed."""


@cache
def signer() -> checkpoint.Signer:
    """The log's key; made on first use only in the embedded installation.

    Raises:
        KeysMissing: it is absent and this installation is not embedded.
    """
    path = settings.STRATA_LOG_KEY_FILE
    keys.require(path)
    if not path.exists():
        with suppress(FileExistsError):
            checkpoint.save_key(checkpoint.generate_key(settings.STRATA_LOG_ORIGIN), path)
    return checkpoint.load_key(path)


def verification_key() -> str:
    """The C2SP vkey that stands on every paper and goes to every auditor."""
    return checkpoint.vkey(signer())


@transaction.atomic
def sequence() -> int:
    """Sequence one batch.

    Returns:
        How many entries were given a place.

    Raises:
        LogBroken: the stored leaves do not hash to the head that was signed before.
    """
    head, _ = Head.objects.get_or_create(origin=settings.STRATA_LOG_ORIGIN)
    if not Head.objects.filter(pk=head.pk, epoch=head.epoch).update(epoch=F("epoch") + 1):
        return 0
    waiting = list(Unsequenced.objects.select_related("entry").order_by("id")[:BATCH])
    if not waiting:
        return 0
    frontier = merkle.Frontier.from_hex(head.size, head.frontier)
    _check_head(head, frontier)
    leaves = []
    for row in waiting:
        hashed = merkle.leaf_hash(bytes(row.entry.leaf))
        leaves.append(Leaf(idx=frontier.size, entry=row.entry, hash=hashed))
        frontier.append(hashed)
    Leaf.objects.bulk_create(leaves)
    Unsequenced.objects.filter(pk__in=[row.pk for row in waiting]).delete()
    root = frontier.root()
    if _root_from_store(head, leaves[0].idx, frontier.size) != root:
        raise LogBroken(
            "The stored entries hash to another root than the one computed; not signing."
        )
    note = checkpoint.sign(
        checkpoint.Checkpoint(settings.STRATA_LOG_ORIGIN, frontier.size, root), signer()
    )
    Checkpoint.objects.create(size=frontier.size, root=root, note=note)
    moved = Head.objects.filter(pk=head.pk, epoch=head.epoch + 1).update(
        size=frontier.size, frontier=frontier.to_hex(), root=root
    )
    if not moved:
        raise LogBroken("Another sequencer took over in the middle; this batch is rolled back.")
    return len(leaves)


def _check_head(head: Head, frontier: merkle.Frontier) -> None:
    if head.size and frontier.root() != bytes(head.root):
        raise LogBroken("The stored frontier does not give the root that was signed last.")
    if Leaf.objects.count() != head.size:
        raise LogBroken(
            f"The head says {head.size} leaves, the table holds {Leaf.objects.count()}."
        )


def _root_from_store(head: Head, first: int, size: int) -> bytes:
    """The root again, from bytes read back: the stored hashes before, the entries of this batch."""
    frontier = merkle.Frontier.from_hex(head.size, head.frontier)
    stored = Entry.objects.filter(leaf_row__idx__gte=first, leaf_row__idx__lt=size)
    for leaf in stored.order_by("leaf_row__idx").values_list("leaf", flat=True):
        frontier.append(merkle.leaf_hash(bytes(leaf)))
    return frontier.root()


def newest() -> Checkpoint | None:
    """The newest signed head."""
    return Checkpoint.objects.order_by("-size").first()


def n_waiting() -> int:
    """How many entries have no place in the tree yet."""
    return Unsequenced.objects.count()
