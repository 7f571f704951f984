"""Four eyes: never the first, never a machine, and only what was there when it was asked."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction

from compliance import clock
from compliance.actors import system
from compliance.audit import log
from compliance.machines import TransitionRefused
from compliance.models import Approval, ApprovalRequest
from compliance.permissions import NotAllowed, Permission, Role
from compliance.services import account, approval, identity, subject
from tests import factories

pytestmark = pytest.mark.django_db
MAKER = system("tests")
SHA = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture
def thing(db):
    return factories.make_version()


@pytest.fixture
def lead(ada):
    return account.actor_for(ada)


@pytest.fixture
def engineer(bo):
    return account.actor_for(bo)


@pytest.fixture
def third(db):
    return account.actor_for(
        account.make("eve@example.org", "Eve", [Role.GOVERNANCE_LEAD], by=MAKER)
    )


def ask(thing, by, **more):
    asked = {
        "purpose": "release",
        "permission": Permission.WAIVER_APPROVE,
        "title": "Release",
        "sha256": SHA,
        **more,
    }
    return approval.ask(thing, by=by, **asked)


def test_the_second_person_gives_and_it_holds_for_this_content(thing, lead, engineer):
    request = ask(thing, engineer)
    approval.give(request, sha256_now=SHA, by=lead)
    assert request.state == "given"
    assert approval.holds(thing, "release", SHA)
    assert not approval.holds(thing, "release", OTHER)
    assert not approval.holds(thing, "another purpose", SHA)


def test_the_asker_is_never_the_second(thing, lead):
    request = ask(thing, lead)
    with pytest.raises(NotAllowed, match="a second person must give it"):
        approval.give(request, sha256_now=SHA, by=lead)
    with pytest.raises(NotAllowed):
        approval.refuse(request, by=lead, note="Changed my mind.")
    assert not request.approvals.exists()


def test_the_database_itself_refuses_the_askers_own_yes(thing, lead, ada):
    request = ask(thing, lead)
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(
            request=request, person=ada, asked_by=ada, sha256=SHA, at=clock.now()
        )


def test_the_database_counts_a_person_once(thing, engineer, ada, bo):
    request = ask(thing, engineer, needed=2)
    row = {"request": request, "person": ada, "asked_by": bo, "sha256": SHA, "at": clock.now()}
    Approval.objects.create(**row)
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(**row)


def test_a_machine_neither_asks_nor_gives(thing, engineer):
    with pytest.raises(NotAllowed, match="only a person can ask"):
        ask(thing, MAKER)
    request = ask(thing, engineer)
    with pytest.raises(NotAllowed, match="needs a person"):
        approval.give(request, sha256_now=SHA, by=MAKER)


def test_the_permission_on_the_request_is_asked(thing, engineer, rae):
    request = ask(thing, engineer)
    with pytest.raises(NotAllowed, match="waiver:approve"):
        approval.give(request, sha256_now=SHA, by=account.actor_for(rae))


def test_a_restricted_thing_is_approved_by_grant_alone(thing, engineer, lead, ada):
    thing.subject.restricted = True
    thing.subject.save()
    request = ask(thing, engineer)
    with pytest.raises(NotAllowed):
        approval.give(request, sha256_now=SHA, by=lead)
    subject.grant(thing.subject, ada, Permission.WAIVER_APPROVE, by=MAKER)
    approval.give(request, sha256_now=SHA, by=account.actor_for(ada))
    assert request.state == "given"


def test_changed_content_cannot_be_approved(thing, lead, engineer):
    request = ask(thing, engineer)
    with pytest.raises(TransitionRefused, match="content changed"):
        approval.give(request, sha256_now=OTHER, by=lead)
    assert ApprovalRequest.objects.get().state == "asked"


def test_asking_again_voids_what_was_asked_or_given(thing, lead, engineer):
    first = ask(thing, engineer)
    approval.give(first, sha256_now=SHA, by=lead)
    ask(thing, engineer, sha256=OTHER)
    first.refresh_from_db()
    assert first.state == "void"
    assert not approval.holds(thing, "release", SHA)


def test_asking_for_another_purpose_voids_nothing(thing, lead, engineer):
    approval.give(ask(thing, engineer), sha256_now=SHA, by=lead)
    ask(thing, engineer, purpose="another")
    assert approval.holds(thing, "release", SHA)


def test_two_people_are_two_people(thing, lead, engineer, third):
    request = ask(thing, engineer, needed=2)
    approval.give(request, sha256_now=SHA, by=lead)
    assert request.state == "asked"
    assert not approval.holds(thing, "release", SHA)
    with pytest.raises(TransitionRefused, match="another person is needed"):
        approval.give(request, sha256_now=SHA, by=lead)
    approval.give(request, sha256_now=SHA, by=third)
    assert request.state == "given"


def test_of_two_who_answer_at_once_the_later_finds_it_answered(thing, lead, engineer, third):
    ask(thing, engineer)
    hers, theirs = ApprovalRequest.objects.get(), ApprovalRequest.objects.get()
    approval.refuse(hers, by=lead, note="Not yet.")
    with pytest.raises(TransitionRefused, match="refused already"):
        approval.give(theirs, sha256_now=SHA, by=third)
    with pytest.raises(TransitionRefused, match="somebody else moved it first"):
        approval.refuse(theirs, by=third, note="Nor do I.")
    assert not Approval.objects.exists()


def test_an_expired_request_cannot_be_given(thing, lead, engineer):
    until = clock.now() + timedelta(hours=1)
    request = ask(thing, engineer, expires_at=until)
    with clock.held(until), pytest.raises(TransitionRefused, match="expired"):
        approval.give(request, sha256_now=SHA, by=lead)


def test_a_refusal_keeps_its_reason_sealed(thing, lead, engineer):
    request = ask(thing, engineer)
    approval.refuse(request, by=lead, note="The drill is missing.")
    line = log.entries(objects=[request.uuid])[-1]
    assert (line.action, line.note, line.actor_label) == (
        "approval.refuse",
        "The drill is missing.",
        "Ada",
    )
    assert "drill" not in str(line.facts)


def test_every_yes_is_recorded_with_the_digest(thing, lead, engineer, third):
    request = ask(thing, engineer, needed=2)
    approval.give(request, sha256_now=SHA, by=lead)
    approval.give(request, sha256_now=SHA, by=third)
    said = [line for line in log.entries(objects=[request.uuid]) if line.action == "approval.give"]
    assert [line.actor_label for line in said] == ["Ada", "Eve"]
    assert all(line.facts["sha256"] == SHA for line in said)


SECOND = "ada.second@example.org"


def second_account(of, email=SECOND):
    """Another account of the same person, by whatever a test makes them share."""
    return account.make(email, of.name, [Role.GOVERNANCE_LEAD], by=MAKER)


def tied(person, provider, uid, **claims):
    SocialAccount.objects.create(user=person, provider=provider, uid=uid, extra_data=claims)


def test_an_account_with_the_askers_identity_at_the_provider_is_not_the_second(thing, lead, ada):
    other = second_account(ada)
    tied(ada, "sso", "sub-of-ada")
    tied(other, "saml", "sub-of-ada")
    request = ask(thing, lead)
    with pytest.raises(NotAllowed, match="both share an identity at the single sign-on"):
        approval.give(request, sha256_now=SHA, by=account.actor_for(other))
    with pytest.raises(NotAllowed, match="A second person"):
        approval.refuse(request, by=account.actor_for(other), note="No.")
    assert not request.approvals.exists()


@pytest.mark.parametrize(
    "share",
    [
        lambda ada: tied(
            ada, "sso", "a", userinfo={"email": "Ada.Second@example.org", "email_verified": True}
        ),
        lambda ada: tied(ada, "saml", "a", email=SECOND, email_verified=True),
        lambda ada: tied(ada, "saml", "a", email=SECOND, email_verified="true"),
        lambda ada: EmailAddress.objects.create(
            user=ada, email="ada.second+strata@example.org", verified=True
        ),
    ],
    ids=[
        "claimed by OpenID Connect",
        "claimed by SAML",
        "claimed by SAML in words",
        "verified here",
    ],
)
def test_an_account_with_the_askers_verified_address_is_not_the_second(share, thing, lead, ada):
    other = second_account(ada)
    share(ada)
    with pytest.raises(NotAllowed, match="both share a mailbox"):
        approval.give(ask(thing, lead), sha256_now=SHA, by=account.actor_for(other))


def test_an_address_with_a_plus_is_the_same_mailbox(thing, lead, ada):
    other = second_account(ada, "ADA+second@example.org")
    with pytest.raises(NotAllowed, match="both share a mailbox"):
        approval.give(ask(thing, lead), sha256_now=SHA, by=account.actor_for(other))


def test_a_telephone_number_is_a_mailbox_of_its_own(thing, lead, ada):
    assert identity.mailbox("+491701@example.org") != identity.mailbox("+491702@example.org")
    assert identity.mailbox("Ada+Lead@Example.org") == "ada@example.org"
    other = second_account(ada, "+491702@example.org")
    tied(ada, "sso", "a", userinfo={"email": "+491701@example.org", "email_verified": True})
    assert not lead.shares_with(other.pk)


def test_what_nobody_verified_says_nothing(thing, lead, ada):
    other = second_account(ada)
    tied(ada, "sso", "a", userinfo={"email": other.email, "email_verified": False})
    tied(other, "sso", "b", userinfo={"email": "b@example.org", "email_verified": "false"})
    EmailAddress.objects.create(user=ada, email=other.email, verified=False)
    assert approval.give(ask(thing, lead), sha256_now=SHA, by=account.actor_for(other)).state == (
        "given"
    )


def test_two_accounts_of_one_person_are_not_two_people(thing, engineer, lead, ada):
    other = second_account(ada)
    tied(ada, "sso", "sub-of-ada")
    tied(other, "saml", "sub-of-ada")
    request = ask(thing, engineer, needed=2)
    approval.give(request, sha256_now=SHA, by=lead)
    with pytest.raises(NotAllowed, match="has approved this by another account"):
        approval.give(request, sha256_now=SHA, by=account.actor_for(other))
    assert request.approvals.count() == 1
