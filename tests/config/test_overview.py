"""Today says what changed; search says each thing once."""

from __future__ import annotations

import pytest
from django.urls import reverse

from compliance.services import account
from incidents.services import incident
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def test_coming_and_going_is_no_change(cy, as_actor, client_as) -> None:
    client = client_as(cy)
    account.signed_in(cy)
    shown = client.get("/").content.decode()
    assert "made an account" in shown
    assert "</strong> signed in" not in shown


def test_what_is_empty_says_where_to_go(rae, client_as) -> None:
    shown = client_as(rae).get("/").content.decode()
    assert reverse("compliance:approvals") in shown
    assert "Critical alerts open one by themselves" in shown


def test_a_reference_is_not_said_twice(ada, as_actor, client_as) -> None:
    deployment, version = cast.watched()
    opened = incident.open(
        deployment, title="Keys left", severity="sev1", version=version, by=as_actor(ada)
    )
    shown = client_as(ada).get(reverse("search"), {"q": opened.reference}).content.decode()
    found = shown.partition("<main")[2].partition("palette-group")[2]
    assert found.count(opened.reference) == 1
    assert "Keys left" in found
