import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from uuid import UUID

import pytest

from compliance import clock
from compliance.channels.base import ChannelError, DeliveryState, Message
from compliance.channels.email import EmailChannel, message_id

KEY = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
MESSAGE = Message(
    key=KEY,
    to="ada@example.org",
    subject="A tool outside the manifest was called",
    body="The tool is called shell. ü",
    url="https://strata.example/r/incident/42",
    severity="sev1",
)


class Sink(socketserver.TCPServer):
    """A mail server that keeps what it is given, or answers as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers = {"EHLO": "250 sink", "RCPT": "250 known", ".": "250 kept"}
        self.mails: list[EmailMessage] = []


class Conversation(socketserver.StreamRequestHandler):
    """As much of SMTP as one mail needs."""

    server: Sink
    timeout = 5

    def handle(self) -> None:
        self.say("220 sink")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].decode().strip().upper()
            self.say("354 go on" if verb == "DATA" else self.server.answers.get(verb, "250 fine"))
            if verb == "DATA":
                self.read_mail()
            if verb == "QUIT":
                return

    def read_mail(self) -> None:
        lines = list(iter(self.rfile.readline, b".\r\n"))
        self.server.mails.append(message_from_bytes(b"".join(lines), policy=default))
        self.say(self.server.answers["."])

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def sink(settings) -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        settings.EMAIL_USE_TLS = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.DEFAULT_FROM_EMAIL = "strata@example.org"
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_arrives_and_says_what_it_is(sink):
    delivery = EmailChannel().send(MESSAGE)
    (mail,) = sink.mails
    assert (mail["To"], mail["From"]) == ("ada@example.org", "strata@example.org")
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == [MESSAGE.body, "", MESSAGE.url]
    assert delivery.state is DeliveryState.SENT
    assert delivery.reference == mail["Message-ID"] == f"<{KEY}@strata.invalid>"
    assert delivery.at <= clock.now()


def test_a_mail_sent_again_is_the_same_mail(sink):
    channel = EmailChannel(sender="Strata <safety@example.org>")
    channel.send(MESSAGE)
    channel.send(MESSAGE)
    assert {mail["Message-ID"] for mail in sink.mails} == {f"<{KEY}@example.org>"}
    assert {mail["From"] for mail in sink.mails} == {"Strata <safety@example.org>"}


def test_a_subject_cannot_add_a_header(sink):
    EmailChannel().send(replace(MESSAGE, subject="Hello\r\nBcc: dee@example.org"))
    (mail,) = sink.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Hello Bcc: dee@example.org"


@pytest.mark.parametrize(
    "to", ["", "ada", "ada@", "ada@example.org, dee@example.org", "ada@example.org\nBcc: dee@a.org"]
)
def test_what_is_no_single_address_is_refused_for_good(sink, to):
    with pytest.raises(ChannelError, match="no e-mail address") as caught:
        EmailChannel().send(replace(MESSAGE, to=to))
    assert caught.value.permanent
    assert sink.mails == []


@pytest.mark.parametrize(
    ("verb", "answer", "permanent"),
    [
        ("RCPT", "550 no such mailbox", True),
        ("RCPT", "450 come back later", False),
        (".", "554 refused", True),
        (".", "451 busy", False),
    ],
)
def test_a_server_that_refuses_says_whether_for_good(sink, verb, answer, permanent):
    sink.answers[verb] = answer
    with pytest.raises(ChannelError, match=answer) as caught:
        EmailChannel().send(MESSAGE)
    assert caught.value.permanent is permanent


@pytest.mark.usefixtures("sink")
def test_a_server_that_is_away_is_tried_again(settings):
    settings.EMAIL_PORT = 1
    with pytest.raises(ChannelError, match="cannot be reached") as caught:
        EmailChannel().send(MESSAGE)
    assert not caught.value.permanent


def test_a_log_in_that_is_refused_is_tried_again_because_people_can_mend_it(sink, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "strata", "wrong"
    sink.answers |= {"EHLO": "250-sink\r\n250 AUTH PLAIN", "AUTH": "535 not you"}
    with pytest.raises(ChannelError, match="check the mail settings") as caught:
        EmailChannel().send(MESSAGE)
    assert not caught.value.permanent


def test_a_message_id_has_a_domain_even_without_a_sender():
    assert message_id(KEY, "") == f"<{KEY}@strata.invalid>"
