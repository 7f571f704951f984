"""A filing's package and receipt get an outside word on their time, and the filing waits for none."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from compliance import clock, lease, phrase
from compliance.actors import Actor
from compliance.clock import now
from compliance.filing.sandbox.time_stamper import TimeStamper
from compliance.loopback import Reply
from compliance.machines import TransitionRefused
from compliance.models import Blob, Filing, Report, TimeStamp, WayBreaker
from compliance.permissions import NotAllowed
from compliance.queries import blobs_for, time_stamps_for, timeline_of
from compliance.services import (
    account,
    audit_export,
    blob,
    circuit,
    receipt,
    report,
    submission,
    sweep,
    time_stamp,
)
from compliance.timestamps.base import TimeStampError, TokenRefused
from tests.compliance.papers import answered, make_incident
from tests.compliance.services.test_submission import regulator
from tests.compliance.timestamps.double import Asked, authority

pytestmark = pytest.mark.django_db


@pytest.fixture
def there(tmp_path, settings) -> Iterator[Asked]:
    """An authority that is configured and answers."""
    settings.STRATA_RETRY_SECONDS = 1
    with authority(tmp_path / "authority") as found:
        found.configure(settings)
        yield found


@pytest.fixture
def approved(rae, ada, as_actor) -> Report:
    """An approved report with a paper."""
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    report.approve(begun, by=as_actor(ada))
    keep = {"retention": Blob.Retention.INCIDENT.value, "by": as_actor(ada)}
    begun.pdf = blob.keep(begun.subject, "r.pdf", "application/pdf", b"%PDF-1.7 paper", **keep)
    begun.twin = blob.keep(begun.subject, "r.json", "application/json", b"{}", **keep)
    begun.save(update_fields=["pdf", "twin"])
    return begun


@pytest.fixture
def filing(approved, rae, as_actor) -> Filing:
    """Filed by hand, so that no recipient is needed."""
    config = {"portal": "post", "steps": []}
    return submission.file(approved, way="manual", way_config=config, by=as_actor(rae))


def only(filing: Filing, what: str = "package") -> TimeStamp:
    return filing.time_stamps.get(what=what)


def entered(filing: Filing, by: Actor, proof: bytes = b"scan") -> None:
    """A person brought the receipt back."""
    filing.refresh_from_db()
    submission.enter(filing, reference="A1", received_at=now(), proof=proof, by=by)
    filing.refresh_from_db()


def tried(filing: Filing, what: str = "package") -> TimeStamp:
    """Carried out now, whenever the next try was due."""
    row = only(filing, what)
    TimeStamp.objects.filter(pk=row.pk).update(next_try_at=None)
    time_stamp.carry_out(row.pk)
    row.refresh_from_db()
    return row


def test_package_and_receipt_are_stamped(
    there, approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path / "sandbox", settings) as sandbox:
        settings.STRATA_EGRESS = [*settings.STRATA_EGRESS, there.host]
        filing = submission.file(approved, way="http", way_config=sandbox.config, by=as_actor(rae))
        assert only(filing).state == "queued", "in the filing's own transaction"
        manifest = submission.package(filing).manifest()
        submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "acknowledged", "whatever becomes of its time-stamps"
    package, came = tried(filing), tried(filing, "receipt")
    assert (package.state, came.state) == ("stamped", "stamped")
    assert package.imprint_sha256 == hashlib.sha256(manifest).hexdigest()
    assert blob.read(package.stamped) == manifest
    assert (came.stamped, came.imprint_sha256) == (filing.receipt, filing.receipt.sha256)
    assert abs(package.stamped_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert package.authority == "SIMULATION time-stamping authority, Regulator sandbox"
    assert package.serial != came.serial
    assert package.token.media_type == "application/timestamp-reply"
    assert package.token.name.endswith("-package.tsr")
    assert (package.lease_until, package.problem) == (None, "")


def test_the_log_says_what_was_stamped_when_and_under_which_number(there, filing, ada, as_actor):
    row = tried(filing)
    line = next(
        each
        for each in timeline_of([filing.subject], as_actor(ada))
        if each.action == "time_stamp.keep"
    )
    assert line.facts["imprint_sha256"] == row.imprint_sha256
    assert line.facts["token_sha256"] == row.token.sha256
    assert line.facts["stamped_at"] == clock.stamp(row.stamped_at)
    assert line.facts["serial"] == row.serial
    assert line.words["authority"] == row.authority
    assert (line.before, line.after) == ("queued", "stamped")


def test_however_often_it_rings_there_is_one_stamp(there, filing):
    row = tried(filing)
    for _ in range(3):
        time_stamp.carry_out(row.pk)
        sweep.ring_waiting()
    assert len(there.seen) == 1
    again = time_stamp.ask_over_package(filing, row.manifest.encode())
    assert again.pk == row.pk
    assert filing.time_stamps.count() == 1
    row.refresh_from_db()
    assert (row.attempts, row.state) == (1, "stamped")


def test_a_bell_while_it_is_being_asked_for_goes_home(there, filing):
    row = only(filing)
    assert lease.claim(TimeStamp, row.pk, waiting="queued", running="asking")
    time_stamp.carry_out(row.pk)
    assert there.seen == []


def test_one_is_asked_for_at_a_time(there, filing, rae, as_actor):
    """An authority that hangs holds up one worker, never all of them."""
    submission.send(filing.pk)
    entered(filing, as_actor(rae))
    busy = TimeStamp.objects.filter(pk=only(filing).pk)
    busy.update(state="asking", lease_until=now() + timedelta(seconds=30))
    assert tried(filing, "receipt").state == "queued"
    assert there.seen == []
    busy.update(lease_until=now() - timedelta(seconds=1))
    assert tried(filing, "receipt").state == "stamped"


def test_while_the_authority_is_down_the_filing_goes_on_and_the_stamp_follows(
    there, filing, rae, ada, as_actor
) -> None:
    there.spoil = lambda _request, _reply: Reply(503, b"", headers={"Retry-After": "7"})
    row = tried(filing)
    assert (row.state, row.attempts) == ("queued", 1)
    assert row.next_try_at > now() + timedelta(seconds=5), "as it was asked to wait"
    assert phrase.said(row.problem, Plain()) == "The authority answered with status 503."
    time_stamp.carry_out(row.pk)
    assert len(there.seen) == 1, "not before its time"
    submission.send(filing.pk)
    entered(filing, as_actor(rae))
    receipt.check(filing, by=as_actor(ada))
    assert filing.state == "acknowledged"
    there.spoil = lambda _request, reply: reply
    assert tried(filing).state == "stamped"
    assert tried(filing, "receipt").state == "stamped"


def test_after_five_failures_the_authority_is_left_alone_for_a_while(there, filing):
    there.spoil = lambda _request, _reply: Reply(500, b"")
    with clock.held(now()) as at:
        for _ in range(6):
            row = tried(filing)
        assert len(there.seen) == 5
        assert WayBreaker.objects.get(name=time_stamp.CIRCUIT).state == "open"
        assert row.next_try_at >= at.at + timedelta(seconds=30)
        at.pass_by(timedelta(minutes=2))
        there.spoil = lambda _request, reply: reply
        assert tried(filing).state == "stamped"
    assert circuit.free_at(time_stamp.CIRCUIT) is None


def test_after_some_days_it_is_given_up_and_a_person_may_ask_again(
    there, filing, rae, bo, as_actor
) -> None:
    TimeStamp.objects.update(attempts=TimeStamp.MOST_ATTEMPTS)
    sweep.ring_waiting()
    row = only(filing)
    assert row.state == "refused"
    with pytest.raises(NotAllowed):
        time_stamp.ask_again(row, by=as_actor(bo))
    time_stamp.ask_again(row, by=as_actor(rae))
    assert tried(filing).state == "stamped"
    with pytest.raises(TransitionRefused):
        time_stamp.ask_again(only(filing), by=as_actor(rae))


def test_a_worker_that_died_leaves_it_to_the_next(there, filing):
    TimeStamp.objects.update(
        state="asking", lease_until=now() - timedelta(seconds=1), fence=1, attempts=1
    )
    sweep.take_back_lapsed()
    assert only(filing).state == "queued"
    assert tried(filing).state == "stamped"


def test_what_was_taken_from_a_worker_is_not_written_by_it(there, filing):
    """Its lease ran out while it waited for the answer, and another has the row."""
    row = lease.claim(TimeStamp, only(filing).pk, waiting="queued", running="asking")
    content = row.manifest.encode()
    came = there.loaded().stamp(content)
    TimeStamp.objects.filter(pk=row.pk).update(fence=F("fence") + 1)
    with pytest.raises(TransitionRefused):
        time_stamp._keep(row, content, came)
    assert not Blob.objects.filter(media_type=time_stamp.TOKEN_TYPE).exists()
    assert only(filing).state == "asking"


class Plain:
    """The language the house is written in."""

    def gettext(self, message):
        return message

    def ngettext(self, singular, plural, number):
        return singular if number == 1 else plural


def asked_by_another(folder, content: bytes) -> bytes:
    """A question over these bytes with a nonce of its own."""
    (folder / "asked").write_bytes(content)
    subprocess.run(
        ["openssl", "ts", "-query", "-data", "asked", "-sha256", "-cert", "-out", "asked.tsq"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "asked.tsq").read_bytes()


def refused(filing: Filing, by: Actor, says: str) -> None:
    """It ends there, and the record says why."""
    row = tried(filing)
    assert (row.state, row.token, row.stamped_at) == ("refused", None, None)
    assert says in phrase.said(row.problem, Plain())
    line = timeline_of([filing.subject], by)[-1]
    assert line.action == "time_stamp.refuse"
    assert says in line.note
    tried(filing)
    assert only(filing).attempts == 1, "no bell asks again; a person does"


@pytest.mark.parametrize(
    ("content", "says"), [(b"other", "is for other bytes"), (None, "its nonce is not ours")]
)
def test_an_answer_to_another_question_is_refused_and_recorded(
    there, filing, ada, as_actor, tmp_path, content, says
) -> None:
    question = asked_by_another(tmp_path, content or only(filing).manifest.encode())
    answer = there.stamper.stamp(question)
    there.spoil = lambda _request, reply: replace(reply, body=answer)
    refused(filing, as_actor(ada), says)


def test_a_stranger_is_refused_and_recorded(there, filing, ada, as_actor, settings, tmp_path):
    settings.STRATA_TSA_CERTIFICATES = TimeStamper.at(tmp_path / "stranger").root
    refused(filing, as_actor(ada), "does not hold")


def test_another_policy_is_refused_and_recorded(there, filing, ada, as_actor, settings):
    settings.STRATA_TSA_POLICY = "1.2.3.4.9"
    refused(filing, as_actor(ada), "expected was 1.2.3.4.9")


def test_where_nobody_is_configured_nobody_is_asked_and_no_row_is_made(filing, rae, as_actor):
    submission.send(filing.pk)
    entered(filing, as_actor(rae))
    assert not time_stamp.is_configured()
    assert not TimeStamp.objects.exists()


def test_a_row_that_waits_for_an_authority_that_is_gone_says_so(there, filing, settings):
    settings.STRATA_TSA_URL = ""
    row = tried(filing)
    assert row.state == "refused"
    assert row.problem == "No time-stamping authority is configured; nothing was stamped."


def test_an_authority_whose_certificates_are_gone_holds_up_no_filing(
    there, approved, rae, as_actor, settings
) -> None:
    settings.STRATA_TSA_CERTIFICATES = there.stamper.folder / "absent.pem"
    config = {"portal": "post", "steps": []}
    filing = submission.file(approved, way="manual", way_config=config, by=as_actor(rae))
    row = tried(filing)
    assert row.state == "refused"
    assert "certificates cannot be read" in phrase.said(row.problem, Plain())
    assert there.seen == []


def test_what_cannot_be_stored_now_is_asked_for_again(files, there, filing):
    moved = files.rename(files.with_name("away"))
    files.write_text("a file where the folder was")
    row = tried(filing)
    assert (row.state, row.token) == ("queued", None)
    assert "cannot be read or written" in phrase.said(row.problem, Plain())
    files.unlink()
    moved.rename(files)
    assert tried(filing).state == "stamped"


def test_a_receipt_that_was_turned_down_keeps_its_stamp_and_the_next_gets_its_own(
    there, filing, rae, ada, as_actor
) -> None:
    submission.send(filing.pk)
    for proof in (b"out of office", b"the receipt"):
        entered(filing, as_actor(rae), proof)
        if proof == b"out of office":
            receipt.turn_down(filing, by=as_actor(ada), note="It is none.")
    receipts = filing.time_stamps.filter(what="receipt").order_by("pk")
    digests = [hashlib.sha256(each).hexdigest() for each in (b"out of office", b"the receipt")]
    assert [each.imprint_sha256 for each in receipts] == digests


def test_a_kept_token_is_checked_again_without_asking_anybody(there, filing, settings):
    row = tried(filing)
    settings.STRATA_TSA_URL, settings.STRATA_EGRESS = "", []
    assert time_stamp.verify(row, time_stamp.trusted()).at == row.stamped_at
    row.stamped_at += timedelta(days=1)
    with pytest.raises(TokenRefused, match="another time or number"):
        time_stamp.verify(row, time_stamp.trusted())
    row.token = None
    with pytest.raises(TransitionRefused, match="no token"):
        time_stamp.verify(row, time_stamp.trusted())


def test_a_token_holds_under_the_policy_of_its_own_time(there, filing, settings):
    stamp = tried(filing)
    settings.STRATA_TSA_POLICY = "1.2.3.4.5"
    assert time_stamp.verify(stamp, time_stamp.trusted()).policy == stamp.policy


def test_the_command_names_what_does_not_hold(there, filing, rae, as_actor, settings, tmp_path):
    out, err = StringIO(), StringIO()
    good = tried(filing)
    call_command("check_time_stamps", stdout=out, stderr=err)
    assert f"{good.uuid} package: holds, {clock.stamp(good.stamped_at)}" in out.getvalue()
    submission.send(filing.pk)
    entered(filing, as_actor(rae))
    swapped = tried(filing, "receipt")
    TimeStamp.objects.filter(pk=swapped.pk).update(token=good.token)
    with pytest.raises(CommandError, match="1 time-stamps do not hold"):
        call_command("check_time_stamps", stdout=out, stderr=err)
    assert f"{swapped.uuid} receipt: The time-stamp is for other bytes." in err.getvalue()
    settings.STRATA_TSA_CERTIFICATES = None
    with pytest.raises(CommandError, match="certificates cannot be read"):
        call_command("check_time_stamps", stdout=out, stderr=err)


def test_whoever_may_not_read_the_report_does_not_see_its_time_stamps(there, filing, cy, dee):
    row = tried(filing)
    assert list(time_stamps_for(account.actor_for(cy))) == [row]
    assert not time_stamps_for(account.actor_for(dee)).exists()
    assert row.token in blobs_for(account.actor_for(cy))
    assert row.token not in blobs_for(account.actor_for(dee))


def test_the_auditor_takes_token_and_stamped_bytes_home(there, filing, cy, as_actor, tmp_path):
    row = tried(filing)
    out = tmp_path / "export.zip"
    audit_export.write(out, by=as_actor(cy))
    with zipfile.ZipFile(out) as archive:
        names = set(archive.namelist())
        assert archive.read(f"blobs/{row.stamped.sha256}") == row.manifest.encode()
        assert row.token.name in archive.read("manifest.json").decode()
    assert f"blobs/{row.token.sha256}" in names


def test_a_time_stamp_error_says_what_it_is():
    error = TimeStampError(phrase.Phrase("Nothing came."), permanent=False)
    assert (str(error), error.retry_after_seconds) == ("Nothing came.", None)
