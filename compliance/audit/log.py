"""The only writer of the log.

`record()` inserts in the caller's transaction: no log entry, no operation. The leaf holds ids,
digests, states and numbers; names, notes and reasons go into a payload sealed under the
subject's own key, of which the leaf holds salted commitments, so that a later erasure breaks no
proof (`verify.py` opens them only when the salt and the text are disclosed).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction

from compliance.actors import Actor
from compliance.audit import canonical, keys
from compliance.audit.actions import ACTIONS
from compliance.audit.context import request_id
from compliance.audit.models import Entry, Payload, SubjectKey, Unsequenced
from compliance.clock import now
from compliance.sealing import Keyring, SealingError, seal, unseal

VERSION = "strata.event/v1"
LEAF_LIMIT = 16 * 1024  # bytes; a C2SP entry bundle could carry 65,535.


class Place(Protocol):
    """A Subject: where a thing belongs in the access map."""

    @property
    def uuid(self) -> UUID:
        """What outsiders call it."""
        ...

    @property
    def kind(self) -> str:
        """What it is."""
        ...


class Recorded(Protocol):
    """Anything that can be spoken of in the log."""

    @property
    def uuid(self) -> UUID:
        """What outsiders call it."""
        ...

    @property
    def kind(self) -> str:
        """What it is."""
        ...

    @property
    def subject(self) -> Place:
        """The subject whose key seals what is said."""
        ...


@dataclass(frozen=True)
class Line:
    """One entry as a page or an export reads it."""

    uuid: UUID
    at: datetime
    action: str
    sentence: str
    actor_id: UUID
    actor_kind: str
    actor_label: str
    object_kind: str
    object_uuid: UUID
    subject_uuid: UUID
    before: str
    after: str
    facts: Mapping[str, Any]
    words: Mapping[str, str]
    request_id: str
    erased: bool

    @property
    def note(self) -> str:
        """The reason or note that was given, if it can still be read."""
        return self.words.get("note", "")


@cache
def keyring() -> Keyring:
    """The installation's key-encryption keys.

    Raises:
        KeysMissing: they are absent and this installation is not embedded.
        KeyringError: the file is open to others, or no key file.
    """
    keys.require(settings.STRATA_KEK_FILE)
    return Keyring.from_file(settings.STRATA_KEK_FILE, create=settings.STRATA_CREATE_KEYS)


def record(
    action: str,
    thing: Recorded,
    *,
    by: Actor,
    before: str = "",
    after: str = "",
    note: str = "",
    words: Mapping[str, str] | None = None,
    **facts: Any,
) -> UUID:
    """Write one entry in the transaction of the change it speaks of.

    Args:
        action: a name from `actions.ACTIONS`.
        thing: what it happened to; its subject decides who may read it and whose key seals it.
        by: who did it; the label goes into the sealed words, the pseudonym into the leaf.
        before: the state that was left, if this is a move.
        after: the state that was reached.
        note: the reason, in a person's words: sealed.
        words: other names and free text: sealed.
        facts: ids, digests, numbers and states: in the clear, for ever. No personal data.

    Raises:
        ValueError: an action that is not in the vocabulary, a fact that is a float, or a leaf
            over 16 KiB.
        TransactionManagementError: called outside a transaction.
    """
    if action not in ACTIONS:
        raise ValueError(
            f"“{action}” is not in compliance/audit/actions.py; add it with a sentence."
        )
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            f"record({action}) outside a transaction: the entry must stand or fall with the change."
        )
    said = {"actor": by.label, **({"note": note} if note else {}), **(words or {})}
    salts = {name: secrets.token_bytes(32) for name in said}
    at = now()
    entry = Entry(
        at=at,
        action=action,
        actor_id=by.id,
        actor_kind=by.kind.value,
        subject_uuid=thing.subject.uuid,
        subject_kind=thing.subject.kind,
        object_uuid=thing.uuid,
        object_kind=thing.kind,
        request_id=request_id.get(),
    )
    commitments = {name: canonical.commitment(salts[name], text) for name, text in said.items()}
    entry.leaf = canonical.dumps(
        {
            "v": VERSION,
            "id": str(entry.uuid),
            "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "actor": {"id": str(by.id), "kind": by.kind.value, "via": by.via},
            "action": action,
            "subject": {"kind": thing.subject.kind, "id": str(thing.subject.uuid)},
            "object": {"kind": thing.kind, "id": str(thing.uuid)},
            "before": before,
            "after": after,
            "facts": facts,
            "request": entry.request_id,
            "commitments": commitments,
        }
    )
    if len(entry.leaf) > LEAF_LIMIT:
        raise ValueError(
            f"record({action}): the leaf is {len(entry.leaf)} bytes, at most {LEAF_LIMIT} are allowed;"
            " put long content into a blob and record its digest."
        )
    entry.save()
    _seal(entry, {name: (salts[name].hex(), text) for name, text in said.items()})
    Unsequenced.objects.create(entry=entry)
    return entry.uuid


def _seal(entry: Entry, said: Mapping[str, tuple[str, str]]) -> None:
    key = SubjectKey.objects.filter(subject_uuid=entry.subject_uuid).first()
    if key is None:
        fresh = keyring().new_data_key(aad=entry.subject_uuid.bytes)
        key, _ = SubjectKey.objects.get_or_create(
            subject_uuid=entry.subject_uuid, defaults={"wrapped": fresh.wrapped}
        )
    data_key = keyring().unwrap(bytes(key.wrapped), aad=entry.subject_uuid.bytes)
    sealed = seal(data_key, json.dumps(said).encode(), aad=entry.uuid.bytes)
    Payload.objects.create(entry=entry, key=key, sealed=sealed)


def salted_words(entry: Entry) -> dict[str, tuple[str, str]] | None:
    """Salt (hex) and text of each sealed word, or None when the subject's key was erased."""
    payload = entry.payload
    if payload.key is None:
        return None
    try:
        data_key = keyring().unwrap(bytes(payload.key.wrapped), aad=entry.subject_uuid.bytes)
        opened = unseal(data_key, bytes(payload.sealed), aad=entry.uuid.bytes)
    except SealingError:
        return None
    return {name: (salt, text) for name, (salt, text) in json.loads(opened).items()}


def _line(entry: Entry) -> Line:
    leaf = json.loads(bytes(entry.leaf))
    said = salted_words(entry)
    words = {name: text for name, (_, text) in (said or {}).items()}
    return Line(
        uuid=entry.uuid,
        at=entry.at,
        action=entry.action,
        sentence=str(ACTIONS[entry.action]),
        actor_id=entry.actor_id,
        actor_kind=entry.actor_kind,
        actor_label=words.get("actor", str(entry.actor_id)),
        object_kind=entry.object_kind,
        object_uuid=entry.object_uuid,
        subject_uuid=entry.subject_uuid,
        before=leaf["before"],
        after=leaf["after"],
        facts=leaf["facts"],
        words=words,
        request_id=entry.request_id,
        erased=said is None,
    )


def entries(
    *,
    subjects: Iterable[UUID] | None = None,
    objects: Iterable[UUID] | None = None,
    actions: Iterable[str] | None = None,
    limit: int = 200,
    newest_first: bool = False,
) -> list[Line]:
    """The lines about these subjects and objects. Who may see which is the caller's business."""
    query = Entry.objects.select_related("payload__key")
    if subjects is not None:
        query = query.filter(subject_uuid__in=list(subjects))
    if objects is not None:
        query = query.filter(object_uuid__in=list(objects))
    if actions is not None:
        query = query.filter(action__in=list(actions))
    return [_line(entry) for entry in query.order_by("-id" if newest_first else "id")[:limit]]


def signed(objects: Iterable[UUID]) -> set[UUID]:
    """Which of these objects have an entry that a signed checkpoint covers."""
    covered = Entry.objects.filter(object_uuid__in=list(objects), leaf_row__isnull=False)
    return set(covered.values_list("object_uuid", flat=True))
