"""The only writer, the refusals of the database, and the only mover."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from compliance.actors import Actor
from compliance.audit import log, triggers
from compliance.audit.advance import advance
from compliance.audit.models import Checkpoint, Entry, Leaf, SubjectKey, Unsequenced
from compliance.machines import TransitionRefused
from compliance.models import User
from compliance.permissions import NotAllowed
from compliance.services import registry
from compliance.states import VERSION
from tests.factories import make_system, make_version

pytestmark = pytest.mark.django_db


def test_an_entry_stands_in_the_transaction_of_its_change(root: Actor) -> None:
    before = Entry.objects.count()
    with pytest.raises(RuntimeError, match="after the change"), transaction.atomic():
        registry.register_entity("Provider", "DE", by=root)
        raise RuntimeError("after the change")
    assert Entry.objects.count() == before


@pytest.mark.django_db(transaction=False)
def test_an_action_outside_the_vocabulary_is_refused(root: Actor) -> None:
    with pytest.raises(ValueError, match=r"compliance/audit/actions\.py"):
        log.record("coffee.make", make_system(), by=root)


def test_names_stay_out_of_the_leaf(ada: User, as_actor: Callable[[User], Actor]) -> None:
    system = registry.register_system(
        registry.register_entity("Provider", "DE", by=as_actor(ada)),
        "Assistant Zeta",
        intended_purpose="Answers.",
        by=as_actor(ada),
    )
    entry = Entry.objects.get(object_uuid=system.uuid)
    leaf = bytes(entry.leaf)
    assert b"Zeta" not in leaf
    assert b"Ada" not in leaf
    assert json.loads(leaf)["actor"]["id"] == str(ada.uuid)
    (line,) = log.entries(objects=[system.uuid])
    assert line.actor_label == "Ada"
    assert line.words["name"] == "Assistant Zeta"


def test_erasing_a_subjects_key_leaves_the_leaf_and_loses_the_words(root: Actor) -> None:
    system = make_system()
    leaf = bytes(Entry.objects.get(object_uuid=system.uuid).leaf)
    SubjectKey.objects.filter(subject_uuid=system.subject.uuid).delete()
    (line,) = log.entries(objects=[system.uuid])
    assert line.erased
    assert line.words == {}
    assert bytes(Entry.objects.get(object_uuid=system.uuid).leaf) == leaf


@pytest.mark.parametrize("table", triggers.WRITE_ONCE)
@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_the_database_refuses_to_change_the_log(table: str, verb: str) -> None:
    make_system()
    _sequence()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb.format(table))


def test_the_database_refuses_replacement_of_an_entry() -> None:
    make_system()
    entry = Entry.objects.latest("id")
    verb = "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT"
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"{verb} INTO audit_entry (id, uuid, at, action, actor_id, actor_kind, subject_uuid,"
            " subject_kind, object_uuid, object_kind, request_id, leaf)"
            " SELECT id, uuid, at, 'forged', actor_id, actor_kind, subject_uuid, subject_kind,"
            " object_uuid, object_kind, request_id, leaf FROM audit_entry WHERE id = %s",
            [entry.pk],
        )
    assert Entry.objects.get(pk=entry.pk).action == entry.action


def test_rows_of_the_log_refuse_save_and_delete_in_python() -> None:
    make_system()
    entry = Entry.objects.latest("id")
    with pytest.raises(TypeError, match="never saved twice"):
        entry.save()
    with pytest.raises(TypeError, match="cannot be deleted"):
        entry.delete()


def test_missing_triggers_are_an_error_at_start() -> None:
    assert triggers.check_installed(databases=["default"]) == []
    name = min(triggers.expected(connection))
    table = next(t for t in triggers.WRITE_ONCE if name.startswith(t))
    on = f" ON {table}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}{on}")
    (error,) = triggers.check_installed(databases=["default"])
    assert name in error.msg
    triggers.install(connection)
    assert triggers.check_installed(databases=["default"]) == []


def _sequence() -> None:
    from compliance.audit import sequencer

    while sequencer.sequence():
        pass


def test_the_sequencer_gives_gap_free_places_and_signs() -> None:
    for _ in range(3):
        make_version()
        _sequence()
    n = Entry.objects.count()
    assert list(Leaf.objects.order_by("idx").values_list("idx", flat=True)) == list(range(n))
    assert Unsequenced.objects.count() == 0
    assert Checkpoint.objects.order_by("-size").first().size == n  # type: ignore[union-attr]


def test_the_loser_of_a_race_is_refused(root: Actor) -> None:
    version = make_version()
    stale = type(version).objects.get(pk=version.pk)
    advance(version, VERSION, "retire", by=root)
    with pytest.raises(TransitionRefused, match="somebody else"):
        advance(stale, VERSION, "retire", by=root)


def test_a_move_needs_its_permission(cy: User, as_actor: Callable[[User], Actor]) -> None:
    version = make_version()
    n = Entry.objects.count()
    with pytest.raises(NotAllowed, match="inventory:write"):
        advance(version, VERSION, "retire", by=as_actor(cy))
    assert Entry.objects.count() == n
    version.refresh_from_db()
    assert version.state == "registered"
