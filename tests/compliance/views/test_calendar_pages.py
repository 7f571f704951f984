"""The calendar, requests of authorities and unattended filing, as people walk through them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from compliance import clock
from compliance.clock import now
from compliance.models import (
    AuthorityRequest,
    Blob,
    ReleaseAuthorisation,
    StandingDuty,
)
from compliance.services import authority_request, blob, duty

pytestmark = pytest.mark.django_db
START = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture
def files(tmp_path, settings):
    """A store of its own for the bytes of one test."""
    settings.STRATA_FILES = tmp_path / "files"
    blob.store.cache_clear()
    yield
    blob.store.cache_clear()


@pytest.fixture
def held():
    with clock.held(START) as it:
        yield it


def address(name, *args):
    return reverse(f"compliance:{name}", args=args)


def standing(rae, as_actor, **more):
    return duty.set_own(
        "Restore a backup",
        rule={"how": "every", "first": "2026-12-15", "amount": 1, "unit": "month"},
        zone="Europe/Berlin",
        charge=duty.Charge(owner=rae),
        by=as_actor(rae),
        **more,
    )


def test_a_duty_of_a_pack_is_taken_into_the_calendar(held, rae, client_as) -> None:
    browser = client_as(rae)
    page = browser.get(address("new_duty")).content.decode()
    assert "Registered with EU SEND" in page
    form = address("new_pack_duty", "eu-gpai-code-standing", "eu_send_registered")
    assert "3 business days" not in browser.get(form).content.decode()
    answer = browser.post(
        form, {"owner": str(rae.uuid), "placed_on_market_at": "2027-03-01T09:00"}, follow=True
    )
    made = StandingDuty.objects.get()
    assert made.next_due == datetime(2027, 2, 23, 23, tzinfo=UTC)
    assert "clear days" in answer.content.decode()
    again = browser.post(form, {"owner": str(rae.uuid)})
    assert again.status_code == 422
    assert "stands in the calendar already" in again.content.decode()


def test_a_registration_comes_from_the_authoritys_file(held, rae, client_as) -> None:
    page = client_as(rae).get(address("new_registration")).content.decode()
    assert 'value="eu-ai-office"' in page
    assert 'value="uk-ico"' not in page
    client_as(rae).post(
        address("new_registration"),
        {"authority": "eu-ai-office", "before": "2027-03-01", "owner": str(rae.uuid)},
    )
    assert StandingDuty.objects.get().next_due == datetime(2027, 2, 23, 23, tzinfo=UTC)


def test_it_is_entered_as_done_with_its_proof(held, rae, as_actor, client_as, files) -> None:
    made = standing(rae, as_actor)
    first = made.occurrences.get()
    browser = client_as(rae)
    form = address("complete_duty", first.uuid)
    bare = browser.post(form, {"done_at": "2026-12-01T09:00"})
    assert bare.status_code == 422
    assert "Attach the proof" in bare.content.decode()
    proof = SimpleUploadedFile("log.html", b"<script>1</script>", content_type="text/html")
    browser.post(form, {"done_at": "2026-12-01T09:00", "note": "All there.", "proof": proof})
    first.refresh_from_db()
    assert (first.state, first.note) == ("done", "All there.")
    assert Blob.objects.get().media_type == "application/octet-stream"
    page = browser.get(address("duty", made.uuid)).content.decode()
    assert "log.html" in page
    assert "All there." in page


def test_waiving_needs_its_reason_and_its_permission(held, rae, bo, as_actor, client_as) -> None:
    made = standing(rae, as_actor)
    first = made.occurrences.get()
    assert "Not needed this time" not in client_as(bo).get(made_page(made)).content.decode()
    refused = client_as(bo).post(address("waive_duty", first.uuid), {"reason": "Why not."})
    assert refused.status_code == 403
    client_as(rae).post(address("waive_duty", first.uuid), {"reason": ""})
    first.refresh_from_db()
    assert first.state == "open"
    client_as(rae).post(address("waive_duty", first.uuid), {"reason": "Nothing is stored yet."})
    first.refresh_from_db()
    assert first.state == "waived"


def made_page(made):
    return address("duty", made.uuid)


def test_the_month_puts_a_midnight_on_the_day_that_it_ends(held, rae, as_actor, client_as) -> None:
    standing(rae, as_actor)
    rae.zone = "Europe/Berlin"
    rae.save()
    page = client_as(rae).get(address("calendar_month"), {"month": "2026-12"}).content.decode()
    cell = re.search(r'<time datetime="2026-12-15">.*?</td>', page, re.DOTALL)
    assert cell is not None
    assert "Restore a backup" in cell[0]
    for odd in ("2026-13", "9999-01", "x", "", "２０２６-01"):
        assert client_as(rae).get(address("calendar_month"), {"month": odd}).status_code == 200
    empty = client_as(rae).get(address("calendar_month"), {"month": "2020-01"})
    assert "Nothing falls due" in empty.content.decode()


def test_the_outsider_sees_no_calendar(held, rae, dee, as_actor, client_as) -> None:
    made = standing(rae, as_actor)
    assert client_as(dee).get(address("calendar")).status_code == 403
    assert client_as(dee).get(made_page(made)).status_code == 404
    assert client_as(dee).get(address("authority_requests")).status_code == 403


def recorded(rae, client_as, **more):
    said = {
        "title": "Logs of March",
        "authority": "Bundesnetzagentur",
        "basis": "documents_handed_over",
        "zone": "Europe/Berlin",
        "received_at": "2026-11-30T10:00",
        "due": "2026-12-10",
        "questions": "What was logged?\nFor how long?",
        "owner": str(rae.uuid),
        **more,
    }
    client_as(rae).post(address("new_authority_request"), said)
    return AuthorityRequest.objects.latest("pk")


def test_a_request_is_recorded_answered_and_closed(held, rae, client_as, files) -> None:
    letter = SimpleUploadedFile("letter.pdf", b"%PDF-1.4", content_type="application/pdf")
    made = recorded(rae, client_as, letter=letter)
    assert made.due_at == datetime(2026, 12, 10, 23, tzinfo=UTC)
    assert made.legal_basis.startswith("AI Act Art. 21")
    browser = client_as(rae)
    page = browser.get(address("authority_request", made.uuid)).content.decode()
    assert "2 questions are not answered yet" in page
    assert "Answer question 1</a>" in page
    reply = address("reply_authority_request", made.uuid)
    paper = {"answered_at": "2026-12-01T09:00", "reply": pdf()}
    refused = browser.post(reply, paper)
    assert refused.status_code == 422
    assert "question 1, 2" in refused.content.decode()
    for question in made.questions.all():
        browser.post(address("answer_authority_question", question.uuid), {"text": "Six months."})
    browser.post(reply, {"answered_at": "2026-12-01T10:30", "reply": pdf()})
    made.refresh_from_db()
    assert made.state == "open"  # half past ten has not come
    browser.post(reply, {"answered_at": "2026-12-01T10:00", "reply": pdf()})
    made.refresh_from_db()
    assert made.state == "answered"
    browser.post(address("close_authority_request", made.uuid), {"reason": "They are content."})
    made.refresh_from_db()
    assert made.state == "closed"


def pdf():
    return SimpleUploadedFile("reply.pdf", b"%PDF-1.4 reply", content_type="application/pdf")


def test_the_law_shortens_what_nobody_set(held, rae, client_as) -> None:
    received = {"received_at": "2026-11-30T10:00", "basis": "corrective_action"}
    free = recorded(rae, client_as, **{**received, "due": ""})
    # Fifteen working days from 30 November 2026.
    assert free.due_at == datetime(2026, 12, 21, 23, tzinfo=UTC)
    shorter = recorded(rae, client_as, **{**received, "due": "2026-12-04"})
    assert shorter.due_at == datetime(2026, 12, 4, 23, tzinfo=UTC)
    longer = recorded(rae, client_as, **{**received, "due": "2027-02-01"})
    assert longer.due_at == free.due_at


def test_a_restricted_request_is_open_to_those_let_in_alone(
    held, rae, ada, cy, dee, client_as, files
) -> None:
    letter = SimpleUploadedFile("letter.pdf", b"%PDF-1.4", content_type="application/pdf")
    made = recorded(rae, client_as, restricted="on", letter=letter)
    page, file = address("authority_request", made.uuid), address("blob", made.letter.uuid)
    for person in (ada, cy, dee):
        assert client_as(person).get(page).status_code == 404
        assert client_as(person).get(file).status_code == 404
    assert client_as(rae).get(page).status_code == 200
    client_as(rae).post(address("let_in_authority_request", made.uuid), {"person": str(dee.uuid)})
    assert client_as(dee).get(page).status_code == 200
    assert client_as(dee).get(file).status_code == 200
    assert "Logs of March" in client_as(dee).get(address("authority_requests")).content.decode()
    assert client_as(ada).get(page).status_code == 404


def test_hostile_words_of_an_authority_stay_words(held, rae, client_as) -> None:
    made = recorded(
        rae, client_as, title="<script>alert(1)</script>", authority="\u202eevil<b>",
        questions="<img src=x onerror=alert(1)>",
    )  # fmt: skip
    page = client_as(rae).get(address("authority_request", made.uuid)).content.decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page


def asked(rae, client_as, **more):
    form = address("new_release_for", "house-72h")
    said = {
        "stages": ["report"], "reports": ["initial"], "authorities": ["-"],
        "expires": "2026-12-31", "reasons": "The night has no approver.", **more,
    }  # fmt: skip
    return client_as(rae).post(form, said)


def test_an_authorisation_is_asked_by_one_and_given_by_another(held, rae, ada, client_as) -> None:
    asked(rae, client_as)
    made = ReleaseAuthorisation.objects.get()
    page = address("release", made.uuid)
    assert "Authorise unattended filing" not in client_as(rae).get(page).content.decode()
    assert client_as(rae).post(address("give_release", made.uuid)).status_code == 403
    assert "What went out cannot be called back" in client_as(ada).get(page).content.decode()
    client_as(ada).post(address("give_release", made.uuid))
    made.refresh_from_db()
    assert made.state == "given"
    client_as(ada).post(address("revoke_release", made.uuid), {"reason": "No longer needed."})
    made.refresh_from_db()
    assert (made.state, made.revoked_by) == ("revoked", ada)


def test_an_authorisation_ends_and_says_what_it_covers(held, rae, client_as) -> None:
    late = asked(rae, client_as, expires="2027-12-31")
    assert late.status_code == 422
    assert "within 180 days" in late.content.decode()
    assert asked(rae, client_as, stages=[]).status_code == 422
    assert asked(rae, client_as, authorities=["nobody-knows"]).status_code == 422
    assert not ReleaseAuthorisation.objects.exists()


def test_every_list_teaches_when_it_is_empty(held, rae, client_as) -> None:
    browser = client_as(rae)
    assert "No duty stands in the calendar" in browser.get(address("calendar")).content.decode()
    requests = browser.get(address("authority_requests")).content.decode()
    assert "No authority has asked" in requests
    assert (
        "Nothing may go out without a person" in browser.get(address("releases")).content.decode()
    )


def test_a_letter_that_came_tomorrow_is_refused(held, rae, as_actor) -> None:
    letter = authority_request.Letter("A", "B", received_at=now() + timedelta(days=1))
    with pytest.raises(ValueError, match="future"):
        authority_request.take_in(letter, by=as_actor(rae))
