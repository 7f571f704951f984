"""People, tokens, one's own settings, and what the record says of who came in."""

import logging

import pytest
from django.test import Client

from compliance.audit import log
from compliance.models import ApiToken, User
from compliance.services import account
from tests import factories
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def actions(person):
    return [line.action for line in log.entries(objects=[person.uuid])]


def test_an_account_is_made_with_roles(client_as, ada):
    client_as(ada).post(
        "/settings/people/new/",
        {
            "name": "Eve",
            "email": "EVE@example.org",
            "roles": ["auditor"],
            "zone": "UTC",
            "password": "",
        },
    )
    eve = User.objects.get(email="eve@example.org")
    assert [held.role for held in eve.roles.all()] == ["auditor"]
    assert not eve.has_usable_password()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"email": "ADA@example.org"}, "has this address already"),
        ({"password": "short"}, "too short"),
    ],
)
def test_an_account_that_cannot_be_made_says_why(client_as, ada, changes, said):
    entered = {"name": "Eve", "email": "eve@example.org", "zone": "UTC", "password": "", **changes}
    answer = client_as(ada).post("/settings/people/new/", entered)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_roles_are_changed_by_another_and_never_by_oneself(client_as, ada, dee):
    browser = client_as(ada)
    browser.post(f"/settings/people/{dee.uuid}/roles", {"roles": ["executive"]})
    assert [held.role for held in dee.roles.all()] == ["executive"]
    own = browser.post(f"/settings/people/{ada.uuid}/roles", {"roles": ["auditor"]})
    assert own.status_code == 403
    assert [held.role for held in ada.roles.all()] == ["governance_lead"]
    assert (
        "Nobody changes their own roles"
        in browser.get(f"/settings/people/{ada.uuid}/").content.decode()
    )


def test_a_person_without_the_right_sees_only_themselves(client_as, cy, dee):
    browser = client_as(dee)
    assert browser.get(f"/settings/people/{dee.uuid}/").status_code == 200
    assert browser.get(f"/settings/people/{cy.uuid}/").status_code == 404
    assert (
        browser.post(f"/settings/people/{dee.uuid}/roles", {"roles": ["auditor"]}).status_code
        == 403
    )
    assert not dee.roles.exists()


def test_a_token_is_shown_once_and_works_until_it_is_revoked(client_as, ada):
    deployment = factories.make_deployment()
    browser = client_as(ada)
    answer = browser.post(
        "/settings/tokens/new/",
        {
            "label": "agent",
            "scopes": ["event:ingest"],
            "deployment": str(deployment.uuid),
            "days": "30",
        },
    )
    token = ApiToken.objects.get()
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    text = answer.content.decode().split('value="strata_')[1].split('"')[0]
    assert account.token_by_text(f"strata_{text}") == token
    page = browser.get(f"/settings/tokens/{token.uuid}/").content.decode()
    assert text not in page
    browser.post(f"/settings/tokens/{token.uuid}/revoke")
    assert account.token_by_text(f"strata_{text}") is None
    assert "revoked" in browser.get(f"/settings/tokens/{token.uuid}/").content.decode()


def test_a_token_for_telemetry_is_bound_to_a_deployment(client_as, ada):
    answer = client_as(ada).post(
        "/settings/tokens/new/", {"label": "x", "scopes": ["event:ingest"], "days": "30"}
    )
    assert answer.status_code == 422
    assert "bound to one deployment" in answer.content.decode()


def test_a_scope_that_needs_a_person_is_not_offered(client_as, ada):
    answer = client_as(ada).post(
        "/settings/tokens/new/", {"label": "x", "scopes": ["gate:decide"], "days": "30"}
    )
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_the_zone_changes_how_times_are_shown(client_as, dee):
    browser = client_as(dee)
    browser.post("/settings/zone", {"zone": "Asia/Tokyo"})
    dee.refresh_from_db()
    assert dee.zone == "Asia/Tokyo"
    assert "JST" in browser.get(f"/settings/people/{dee.uuid}/").content.decode()


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/inventory/?q=x", "/inventory/?q=x"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("", "/"),
    ],
)
def test_the_theme_is_kept_and_the_way_back_is_ours(client_as, dee, wanted, goes_to):
    answer = client_as(dee).post("/settings/theme", {"theme": "dark", "next": wanted})
    dee.refresh_from_db()
    assert dee.theme == "dark"
    assert answer["Location"] == goes_to


def test_an_unknown_theme_changes_nothing(client_as, dee):
    client_as(dee).post("/settings/theme", {"theme": "pink"})
    dee.refresh_from_db()
    assert dee.theme == "auto"


def test_coming_and_going_stand_in_the_record(client, ada):
    signed = client.post("/account/login/", {"login": "ada@example.org", "password": PASSWORD})
    assert signed.status_code == 302
    assert actions(ada)[-1] == "session.sign_in"
    client.post("/account/logout/")
    assert actions(ada)[-1] == "session.sign_out"


def test_a_wrong_password_stands_in_the_record_without_the_address(client, ada):
    client.post("/account/login/", {"login": "ada@example.org", "password": "wrong wrong wrong"})
    line = log.entries(objects=[ada.uuid])[-1]
    assert line.action == "session.sign_in_failed"
    assert line.actor_label == "door"
    assert "ada@" not in str(line.facts)


def test_an_unknown_address_leaves_no_entry(client, ada, caplog):
    before = len(log.entries())
    with caplog.at_level(logging.WARNING):
        client.post(
            "/account/login/", {"login": "nobody@example.org", "password": "wrong wrong wrong"}
        )
    assert len(log.entries()) == before
    assert "nobody@example.org" not in caplog.text


def test_a_closed_account_may_do_nothing(client_as, ada):
    ada.is_active = False
    ada.save()
    assert account.actor_for(ada).permissions == frozenset()


def test_the_roles_of_another_account_of_ones_own_are_not_offered(client_as, ada, bo, root):
    other = account.make("ada+second@example.org", "Ada", [], by=root)
    browser = client_as(ada)
    for person, offered in ((other, False), (bo, True)):
        page = browser.get(f"/settings/people/{person.uuid}/").content.decode()
        assert ("Change roles" in page) is offered, person
        assert ("Nobody changes their own roles" in page) is not offered, person


def test_a_program_is_told_that_pages_are_for_people(root):
    token, text = account.make_token("robot", ["report:read"], by=root)
    headers = {"Authorization": f"Bearer {text}"}
    address = f"/approvals/{token.uuid}/give"
    for answer in (Client().get("/", headers=headers), Client().post(address, headers=headers)):
        assert answer.status_code == 403
        assert "Pages are for people" in answer.content.decode()
    (line,) = log.entries(objects=[token.uuid], actions=["token.refuse"])
    assert (line.facts["path"], line.actor_kind) == (address, "token")
    wrong = Client().post(address, headers={"Authorization": "Bearer strata_nothing"})
    assert wrong.status_code == 302
