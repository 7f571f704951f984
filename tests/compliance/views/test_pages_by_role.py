"""Every page of the inventory, asked for by each of the cast."""

import pytest
from django.db import connection

from compliance.actors import system
from compliance.permissions import Permission
from compliance.services import account, approval, evidence, registry
from tests import factories

pytestmark = pytest.mark.django_db
MAKER = system("tests")
OBJECTS = (
    "entity", "system", "model", "version", "version/evidence", "version/timeline", "version/approvals",
    "version/history", "manifest", "evidence", "deployment", "approval",
)  # fmt: skip


@pytest.fixture
def stage(ada, as_actor):
    """One of each thing, and the address of its page."""
    version = factories.make_version()
    manifest = factories.make_manifest(version)
    deployment = factories.make_deployment(version.model.system)
    registry.declare_serving(deployment, version, by=MAKER)
    rota = evidence.attest(
        version,
        "rota",
        layer=3,
        status="met",
        summary="Somebody is on call.",
        source="rota",
        by=MAKER,
    )
    asked = approval.ask(
        manifest,
        purpose="manifest",
        permission=Permission.INVENTORY_WRITE,
        title="Manifest 1",
        sha256=manifest.sha256,
        by=as_actor(ada),
    )
    ground = version.model.system
    return {
        "entity": f"/inventory/entities/{ground.entity.uuid}/",
        "system": f"/inventory/systems/{ground.uuid}/",
        "model": f"/inventory/models/{version.model.uuid}/",
        "version": f"/inventory/versions/{version.uuid}/",
        **{
            f"version/{tab}": f"/inventory/versions/{version.uuid}/{tab}/"
            for tab in ("evidence", "timeline", "approvals", "history")
        },
        "manifest": f"/inventory/manifests/{manifest.uuid}/",
        "evidence": f"/inventory/evidence/{rota.uuid}/",
        "deployment": f"/inventory/deployments/{deployment.uuid}/",
        "approval": f"/approvals/{asked.uuid}/",
        "new_model": f"/inventory/systems/{ground.uuid}/models/new/",
        "new_deployment": f"/inventory/systems/{ground.uuid}/deployments/new/",
        "new_version": f"/inventory/models/{version.model.uuid}/versions/new/",
        "new_manifest": f"/inventory/versions/{version.uuid}/manifests/new/",
        "attest": f"/inventory/versions/{version.uuid}/evidence/new/",
        "declare": f"/inventory/deployments/{deployment.uuid}/serving/",
    }


@pytest.mark.parametrize("name", OBJECTS)
def test_readers_see_every_object_and_the_outsider_none(
    stage, client_as, ada, bo, cy, rae, dee, name
):
    for person in (ada, bo, cy, rae):
        answer = client_as(person).get(stage[name])
        assert answer.status_code == 200, (person.name, name)
    assert client_as(dee).get(stage[name]).status_code == 404


@pytest.mark.parametrize("name", ["new_model", "new_version", "new_manifest"])
def test_only_writers_reach_the_forms_and_the_others_read_what_is_missing(
    stage, client_as, ada, bo, cy, dee, name
):
    for person in (ada, bo):
        assert client_as(person).get(stage[name]).status_code == 200
    refused = client_as(cy).get(stage[name])
    assert refused.status_code == 403
    assert "inventory:write" in refused.content.decode()
    assert client_as(dee).get(stage[name]).status_code == 404


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("new_deployment", "deployment:manage"),
        ("declare", "deployment:manage"),
        ("attest", "evidence:attach"),
    ],
)
def test_a_form_names_the_permission_it_needs(stage, client_as, ada, cy, name, needs):
    assert client_as(ada).get(stage[name]).status_code == 200
    refused = client_as(cy).get(stage[name])
    assert refused.status_code == 403
    assert needs in refused.content.decode()


def test_a_refused_post_changes_nothing(stage, client_as, cy):
    browser = client_as(cy)
    version = stage["version"]
    assert browser.post(f"{version}retire", {"reason": "I say so."}).status_code == 403
    assert browser.post(stage["new_model"], {"name": "Mine"}).status_code == 403
    assert browser.get(stage["system"]).content.decode().count("Mine") == 0


def test_the_outsiders_inventory_is_empty_and_says_what_is_missing(stage, client_as, dee):
    answer = client_as(dee).get("/inventory/").content.decode()
    assert "SYS-" not in answer
    assert "inventory:read" in answer


def test_a_grant_opens_one_thing_and_nothing_beside_it(stage, client_as, dee):
    version = factories.make_version()
    dee.grants.create(subject=version.subject, permission=Permission.INVENTORY_READ.value)
    browser = client_as(dee)
    assert browser.get(f"/inventory/versions/{version.uuid}/").status_code == 200
    assert browser.get(stage["version"]).status_code == 404


def test_a_restricted_version_is_closed_to_roles(client_as, ada):
    version = factories.make_version()
    version.subject.restricted = True
    version.subject.save()
    assert client_as(ada).get(f"/inventory/versions/{version.uuid}/").status_code == 404


def test_settings_show_the_installation_to_those_who_must_notice(client_as, ada, dee):
    lead = client_as(ada).get("/settings/").content.decode()
    assert "Verification key" in lead
    assert "No keeper has said" in lead
    assert connection.display_name in lead
    outsider = client_as(dee).get("/settings/").content.decode()
    assert "Verification key" not in outsider
    assert "Profile" in outsider


@pytest.mark.parametrize("path", ["/settings/people/", "/settings/people/new/"])
def test_people_are_for_those_who_manage_accounts(client_as, ada, bo, dee, path):
    assert client_as(ada).get(path).status_code == 200
    for person in (bo, dee):
        refused = client_as(person).get(path)
        assert refused.status_code == 403
        assert "account:manage" in refused.content.decode()


@pytest.mark.parametrize("path", ["/settings/tokens/", "/settings/tokens/new/"])
def test_tokens_are_for_those_who_manage_them(client_as, ada, bo, path):
    assert client_as(ada).get(path).status_code == 200
    refused = client_as(bo).get(path)
    assert refused.status_code == 403
    assert "token:manage" in refused.content.decode()


def test_a_stranger_is_sent_to_sign_in(client):
    answer = client.get("/inventory/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")


def test_every_kind_of_the_ground_floor_resolves_at_the_roof(stage, client_as, ada):
    token, _text = account.make_token("pipeline", [Permission.GATE_ASK], by=MAKER)
    browser = client_as(ada)
    for kind, uuid in (
        ("token", token.uuid),
        ("person", ada.uuid),
        ("version", stage["version"].split("/")[3]),
    ):
        answer = browser.get(f"/r/{kind}/{uuid}", follow=True)
        assert answer.status_code == 200, kind


def test_an_unknown_tab_is_no_page(stage, client_as, ada):
    assert client_as(ada).get(f"{stage['version']}secrets/").status_code == 404
