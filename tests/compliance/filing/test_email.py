import email
import socket
import time
from dataclasses import replace
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path

import pytest

from compliance.egress import Egress, Policy
from compliance.filing import signing, wire
from compliance.filing.base import Delivered, FilingChannel, FilingError, OutcomeUnknown
from compliance.filing.email import EmailFiling
from compliance.filing.load import load
from tests.compliance.filing.doubles import (
    KEY,
    PACKAGE,
    SIGNER,
    Authority,
    Mailbox,
    mail_server,
)


def channel(mailbox: Mailbox, authority: Authority | None = None, **changes: object) -> EmailFiling:
    policy = Policy(frozenset({f"127.0.0.1:{mailbox.port}"}), loopback=True, total_seconds=5)
    config = {
        "host": "127.0.0.1",
        "port": mailbox.port,
        "security": "starttls" if authority else "none",
        "sender": "reports@provider.example",
        "to": "incidents@authority.example",
        "simulation": True,
        **({"authorities": str(authority.certificate)} if authority else {}),
        **changes,
    }
    return load("email", config, egress=Egress(policy), signer=SIGNER, secrets=SECRETS.__getitem__)


SECRETS = {"MAIL": "correct horse", "WRONG": "battery"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("implicit", [False, True])
def test_a_package_goes_as_an_attachment_over_tls(authority, implicit):
    security = "implicit" if implicit else "starttls"
    with mail_server(authority.server(), implicit=implicit) as mailbox:
        kept: FilingChannel = channel(mailbox, authority, security=security)
        done = kept.submit(PACKAGE, KEY)
    (envelope,) = mailbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "reports@provider.example",
        ["incidents@authority.example"],
    )
    mail = email.message_from_bytes(envelope.content, policy=SMTP)
    assert mail["Message-ID"] == done.reference == f"<{KEY}@provider.example>"
    assert mail["Subject"].startswith("SIMULATION: Incident report ")
    assert "This is an exercise." in mail.get_body().get_content()
    (attached,) = mail.iter_attachments()
    arrived = wire.unzipped(attached.get_content())
    assert (arrived.pdf, arrived.twin) == (PACKAGE.pdf, PACKAGE.twin)
    public = SIGNER.private.public_key()
    signing.check(arrived.signatures, signing.MANIFEST_TYPE, arrived.manifest_bytes, public)
    certificate = authority.folder / "server.pem"
    assert done.exchange.tls_sha256 == sha256(_der(certificate)).hexdigest()
    assert (done.exchange.status, done.exchange.body) == (250, b"2.0.0 taken as 7F")


def _der(path: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_taken_by_a_mail_server_is_not_accepted_by_the_recipient(authority):
    with mail_server(authority.server()) as mailbox:
        way = channel(mailbox, authority)
        done = way.submit(PACKAGE, KEY)
    assert isinstance(done, Delivered)
    assert any("enter it as the receipt" in step for step in done.steps)
    assert not way.is_idempotent
    with pytest.raises(FilingError, match="nobody can be asked") as caught:
        way.find(PACKAGE, KEY)
    assert caught.value.permanent


def test_a_log_in_uses_the_secret_that_is_named(authority):
    with mail_server(authority.server()) as mailbox:
        way = channel(mailbox, authority, username="strata", secret_ref="MAIL")
        way.submit(PACKAGE, KEY)
        assert mailbox.log_ins == ["strata:correct horse"]
        assert "correct horse" not in repr(way)
        wrong = channel(mailbox, authority, username="strata", secret_ref="WRONG")
        with pytest.raises(FilingError, match="535") as caught:
            wrong.submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert len(mailbox.mails) == 1


def test_cleartext_goes_to_loopback_alone():
    with mail_server() as mailbox:
        assert isinstance(channel(mailbox).submit(PACKAGE, KEY), Delivered)
        outside = Egress(
            Policy(frozenset({f"127.0.0.1:{mailbox.port}"}), loopback=True),
            resolve=lambda _host, _port: ["93.184.215.14"],
        )
        with pytest.raises(FilingError, match="plain smtp is open to loopback alone") as caught:
            replace(channel(mailbox), egress=outside).submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert len(mailbox.mails) == 1


def test_a_server_without_starttls_gets_nothing(authority):
    with mail_server() as mailbox, pytest.raises(FilingError, match="STARTTLS") as caught:
        channel(mailbox, authority).submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert mailbox.mails == []


@pytest.mark.parametrize("implicit", [False, True])
def test_a_certificate_that_nobody_vouches_for_gets_nothing(authority, tmp_path, implicit):
    stranger = Authority(tmp_path)
    security = "implicit" if implicit else "starttls"
    with (
        mail_server(stranger.server(), implicit=implicit) as mailbox,
        pytest.raises(FilingError, match="not trusted") as caught,
    ):
        channel(mailbox, authority, security=security).submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("at_rcpt", "answer", "permanent"),
    [
        ("550 nobody of that name", "250 OK", True),
        ("450 later", "250 OK", False),
        ("", "554 refused", True),
        ("", "451 later", False),
    ],
)
def test_a_mail_that_the_server_refuses_filed_nothing(at_rcpt, answer, permanent):
    with mail_server() as mailbox:
        mailbox.at_rcpt, mailbox.answer = at_rcpt, answer
        with pytest.raises(FilingError, match=r"refused: [45]5") as caught:
            channel(mailbox).submit(PACKAGE, KEY)
    assert caught.value.permanent is permanent
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_line_cut_after_the_mail_is_not_known_and_needs_a_person():
    with mail_server() as mailbox:
        mailbox.answer = ""
        with pytest.raises(OutcomeUnknown, match="may have been sent") as caught:
            channel(mailbox).submit(PACKAGE, KEY)
    assert caught.value.needs_human
    assert len(mailbox.mails) == 1


def test_a_mail_that_is_too_large_is_told_before_it_is_sent():
    with (
        mail_server(size=500) as mailbox,
        pytest.raises(FilingError, match="takes 500") as caught,
    ):
        channel(mailbox).submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert mailbox.mails == []


def test_a_server_that_is_away_filed_nothing():
    with mail_server() as mailbox:
        pass
    with pytest.raises(FilingError, match="nothing was filed") as caught:
        channel(mailbox).submit(PACKAGE, KEY)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "no address"}, "e-mail address"),
        ({"to": "a@b.example\nBcc: c@d.example"}, "e-mail address"),
        ({"to": "a@b.example, c@d.example"}, "e-mail address"),
        ({"to": "nobody"}, "e-mail address"),
        ({"security": "perhaps"}, "perhaps"),
        ({"username": "strata", "secret_ref": "MAIL"}, "needs TLS"),
        ({"simulation": None}, "said outright"),
    ],
)
def test_a_configuration_that_lacks_something_is_refused(change, message):
    with pytest.raises(FilingError, match=message) as caught:
        channel(Mailbox(25), **change)
    assert caught.value.permanent


def test_a_simulation_goes_nowhere_real():
    with mail_server() as mailbox, pytest.raises(FilingError, match="nothing was sent"):
        channel(mailbox, simulation=False).submit(PACKAGE, KEY)
    assert mailbox.mails == []


def test_words_of_any_script_travel_in_seven_bits():
    with mail_server() as mailbox:
        channel(mailbox).submit(replace(PACKAGE, recipient="Aufsichtsbeh\u00f6rde \u202e"), KEY)
    (envelope,) = mailbox.mails
    envelope.content.decode("ascii")
    body = email.message_from_bytes(envelope.content, policy=SMTP).get_body().get_content()
    assert "To: Aufsichtsbeh\u00f6rde [U+202E]" in body


def test_a_server_that_says_nothing_ends_with_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = channel(Mailbox(silent.getsockname()[1]), timeout_seconds=1)
        started = time.monotonic()
        with pytest.raises(FilingError, match="nothing was filed") as caught:
            way.submit(PACKAGE, KEY)
    assert not caught.value.permanent
    assert time.monotonic() - started < 4
