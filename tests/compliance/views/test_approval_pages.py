"""The second pair of eyes, through the browser."""

import pytest
from allauth.socialaccount.models import SocialAccount

from compliance.audit import log
from compliance.models import ApprovalRequest
from compliance.permissions import Permission, Role
from compliance.services import account, approval
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def manifest(db):
    return factories.make_manifest(factories.make_version())


@pytest.fixture
def asked(manifest, client_as, bo):
    client_as(bo).post(f"/inventory/manifests/{manifest.uuid}/ask")
    return ApprovalRequest.objects.get()


def test_what_is_asked_waits_for_the_second_and_not_for_the_first(asked, client_as, ada, bo, cy):
    for person, waits in ((ada, True), (bo, False), (cy, False)):
        shown = client_as(person).get("/approvals/").content.decode()
        assert ("Nothing waits for your approval" not in shown) is waits, person.name


def test_the_second_person_gives_it(asked, manifest, client_as, ada):
    page = client_as(ada).get(f"/approvals/{asked.uuid}/").content.decode()
    assert "Approve this content" in page
    client_as(ada).post(f"/approvals/{asked.uuid}/give")
    asked.refresh_from_db()
    assert asked.state == "given"
    assert approval.holds(manifest, "manifest", manifest.sha256)
    shown = client_as(ada).get(f"/inventory/manifests/{manifest.uuid}/").content.decode()
    assert "A second person has approved exactly this content" in shown


def test_another_account_of_the_first_is_not_the_second_and_the_attempt_is_on_record(
    asked, client_as, bo, root
):
    other = account.make("bo.second@example.org", "Bo", [Role.GOVERNANCE_LEAD], by=root)
    SocialAccount.objects.create(user=bo, provider="sso", uid="sub-of-bo")
    SocialAccount.objects.create(user=other, provider="saml", uid="sub-of-bo")
    browser = client_as(other)
    page = browser.get(f"/approvals/{asked.uuid}/").content.decode()
    assert "The account that asked for this approval is Bo&#x27;s too" in page
    assert "Approve this content" not in page
    refused = browser.post(f"/approvals/{asked.uuid}/give")
    assert refused.status_code == 403
    assert "both share an identity at the single sign-on" in refused.content.decode()
    (line,) = log.entries(objects=[other.uuid], actions=["account.refuse"])
    assert "both share an identity at the single sign-on" in line.note


def test_the_first_is_never_the_second(asked, client_as, bo):
    browser = client_as(bo)
    assert "Bo asked for this approval" in browser.get(f"/approvals/{asked.uuid}/").content.decode()
    refused = browser.post(f"/approvals/{asked.uuid}/give")
    assert refused.status_code == 403
    assert "second person" in refused.content.decode()
    asked.refresh_from_db()
    assert asked.state == "asked"


def test_another_account_of_who_said_yes_is_offered_no_second_yes(asked, client_as, ada, root):
    ApprovalRequest.objects.update(needed=2)
    client_as(ada).post(f"/approvals/{asked.uuid}/give")
    other = account.make("ada+second@example.org", "Ada", [Role.GOVERNANCE_LEAD], by=root)
    for person, reason in (
        (ada, "has approved this already"),
        (other, "has approved this by another account: both share a mailbox"),
    ):
        page = client_as(person).get(f"/approvals/{asked.uuid}/").content.decode()
        assert reason in page
        assert "Approve this content" not in page
    assert client_as(other).post(f"/approvals/{asked.uuid}/give").status_code == 403


def test_who_lacks_the_permission_reads_which(asked, client_as, cy):
    assert "inventory:write" in client_as(cy).get(f"/approvals/{asked.uuid}/").content.decode()
    assert client_as(cy).post(f"/approvals/{asked.uuid}/give").status_code == 403


def test_the_outsider_does_not_know_that_it_exists(asked, client_as, dee):
    assert client_as(dee).get(f"/approvals/{asked.uuid}/").status_code == 404
    assert client_as(dee).post(f"/approvals/{asked.uuid}/give").status_code == 404


def test_a_manifest_that_was_replaced_can_no_longer_be_approved(asked, manifest, client_as, ada):
    factories.make_manifest(manifest.version, tools=["another"])
    answer = client_as(ada).post(f"/approvals/{asked.uuid}/give")
    assert answer.status_code == 409
    assert "content changed" in answer.content.decode()


def test_a_refusal_needs_its_reason(asked, client_as, ada):
    browser = client_as(ada)
    browser.post(f"/approvals/{asked.uuid}/refuse", {"reason": ""})
    asked.refresh_from_db()
    assert asked.state == "asked"
    browser.post(f"/approvals/{asked.uuid}/refuse", {"reason": "The scopes are too wide."})
    asked.refresh_from_db()
    assert asked.state == "refused"
    assert "The scopes are too wide." in browser.get(f"/approvals/{asked.uuid}/").content.decode()


def test_what_has_a_verb_of_its_own_is_not_answered_here(client_as, as_actor, ada, bo):
    version = factories.make_version()
    asked = approval.ask(
        version,
        purpose="anything",
        permission=Permission.INVENTORY_WRITE,
        title="A version",
        sha256=version.weights_sha256,
        by=as_actor(bo),
    )
    browser = client_as(ada)
    page = browser.get(f"/approvals/{asked.uuid}/").content.decode()
    assert f"/r/version/{version.uuid}" in page
    assert "Approve this content" not in page
    assert browser.post(f"/approvals/{asked.uuid}/give").status_code == 409
    asked.refresh_from_db()
    assert asked.state == "asked"
