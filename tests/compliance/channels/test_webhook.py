import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from compliance import clock, loopback
from compliance.channels.base import ChannelError, DeliveryState, Message
from compliance.channels.webhook import (
    TOLERANCE,
    Secret,
    SignatureRefused,
    WebhookChannel,
    signed_headers,
    verify,
)
from compliance.egress import Egress, Policy
from compliance.loopback import Reply, Request

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
KEY = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
OLD, NEW = (Secret(bytes([n]) * 32) for n in (1, 2))
MESSAGE = Message(
    key=KEY,
    to="ada",
    subject="Served\r\nwithout authorisation",
    body="The digest \u202eis not the one.",
    url="https://strata.example/r/incident/42",
    severity="sev1",
)


class Receiver:
    """The other side: remembers what came and answers as told."""

    def __init__(self, *replies: Reply) -> None:
        self.requests: list[Request] = []
        self.replies = list(replies)

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0) if self.replies else Reply(204, b"")


def send(receiver: Receiver, message: Message = MESSAGE, secrets=(OLD,)):
    with loopback.serving(receiver) as base:
        egress = Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True))
        return WebhookChannel(f"{base}/hook", secrets, egress).send(message)


def test_the_example_of_standard_webhooks_has_its_signature():
    secret = Secret.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_arrives_cleaned_signed_and_under_its_key():
    receiver = Receiver()
    with clock.held(NOON):
        delivery = send(receiver)
        (request,) = receiver.requests
        assert verify([OLD], request.headers, request.body, at=NOON) == str(KEY)
    said = json.loads(request.body)["data"]
    assert (delivery.state, delivery.reference, delivery.at) == (DeliveryState.SENT, str(KEY), NOON)
    assert said["subject"] == "Served without authorisation"
    assert said["body"] == "The digest [U+202E]is not the one."
    assert said["key"] == str(KEY)


def test_a_message_sent_again_has_the_same_id_so_that_the_receiver_can_tell():
    receiver = Receiver(Reply(503, b""))
    with pytest.raises(ChannelError):
        send(receiver)
    send(receiver)
    assert {request.headers["webhook-id"] for request in receiver.requests} == {str(KEY)}


def test_while_a_secret_is_replaced_both_receivers_understand():
    headers = signed_headers([NEW, OLD], "id", NOON, b"body")
    assert verify([OLD], headers, b"body", at=NOON) == "id"
    assert verify([NEW], headers, b"body", at=NOON) == "id"


@pytest.mark.parametrize(
    ("spoil", "body", "at"),
    [
        ({}, b"other", NOON),
        ({"webhook-id": "another"}, b"body", NOON),
        ({"webhook-timestamp": str(int(NOON.timestamp()) + 1)}, b"body", NOON),
        ({"webhook-timestamp": "soon"}, b"body", NOON),
        ({"webhook-signature": "v1,"}, b"body", NOON),
        ({"webhook-signature": "v2,AAAA \u00e9"}, b"body", NOON),
        ({}, b"body", NOON + TOLERANCE + timedelta(seconds=1)),
        ({}, b"body", NOON - TOLERANCE - timedelta(seconds=1)),
    ],
)
def test_a_call_that_is_not_theirs_or_not_of_now_is_refused(spoil, body, at):
    with pytest.raises(SignatureRefused):
        verify([OLD], signed_headers([OLD], "id", NOON, b"body") | spoil, body, at=at)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_call_without_one_of_the_headers_is_refused(missing):
    headers = signed_headers([OLD], "id", NOON, b"body")
    del headers[missing]
    with pytest.raises(SignatureRefused, match=missing):
        verify([OLD], headers, b"body", at=NOON)


def test_another_secret_does_not_verify():
    with pytest.raises(SignatureRefused, match="no signature"):
        verify([NEW], signed_headers([OLD], "id", NOON, b"body"), b"body", at=NOON)


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(301, True), (400, True), (404, True), (410, True), (408, False), (429, False), (500, False)],
)
def test_a_status_says_whether_trying_again_helps(status, permanent):
    with pytest.raises(ChannelError, match=str(status)) as caught:
        send(Receiver(Reply(status, b"", headers={"Location": "/"})))
    assert caught.value.permanent is permanent


def test_a_receiver_that_asks_for_patience_is_heard():
    with pytest.raises(ChannelError) as caught:
        send(Receiver(Reply(429, b"", headers={"Retry-After": "30"})))
    assert caught.value.retry_after_seconds == 30


def test_a_url_that_is_not_allowed_fails_for_good_and_a_dead_one_for_now():
    with loopback.serving(Receiver()) as base:
        pass
    allowed = Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True))
    for egress, permanent in ((Egress(Policy(frozenset())), True), (allowed, False)):
        with pytest.raises(ChannelError) as caught:
            WebhookChannel(base, [OLD], egress).send(MESSAGE)
        assert caught.value.permanent is permanent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_****",
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_a_secret_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="whsec_"):
        Secret.parse(text)


def test_a_secret_is_not_shown():
    assert "key" not in repr(OLD)
