"""Commits for real: bells ring after them, and the clone is thrown away, never flushed."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from compliance.actors import Actor, system
from compliance.audit.advance import advance
from compliance.audit.models import Entry
from compliance.machines import TransitionRefused
from compliance.services import registry
from compliance.states import VERSION
from tests.factories import make_version


@pytest.mark.usefixtures("committing")
def test_of_many_who_race_one_wins_and_one_entry_is_written(root: Actor) -> None:
    version = make_version()
    before = Entry.objects.filter(action="version.retire").count()
    outcomes: list[str] = []

    def race() -> None:
        mine = type(version).objects.get(pk=version.pk)
        try:
            advance(mine, VERSION, "retire", by=system("racer"))
            outcomes.append("won")
        except TransitionRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    racers = [threading.Thread(target=race) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == ["refused"] * 5 + ["won"]
    assert Entry.objects.filter(action="version.retire").count() == before + 1


@pytest.mark.usefixtures("committing")
def test_what_was_committed_in_a_clone_is_gone_after_it(root: Actor) -> None:
    registry.register_entity("Only in the clone", "DE", by=root)
    assert not transaction.get_connection().in_atomic_block
    assert Entry.objects.exists()


@pytest.mark.django_db
def test_the_template_is_as_it_was() -> None:
    assert not Entry.objects.exists()
