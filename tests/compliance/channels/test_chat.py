import json
from dataclasses import replace
from uuid import UUID

import pytest

from compliance import loopback
from compliance.channels.base import ChannelError, DeliveryState, Message
from compliance.channels.chat import MAX_BODY, ChatChannel, room_text
from compliance.egress import Egress, Policy
from compliance.loopback import Reply, Request

MESSAGE = Message(
    key=UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    to="ada",
    subject="A tool outside the manifest was called",
    body="Tool: shell",
    url="https://strata.example/r/incident/42",
    severity="sev1",
)


def test_a_room_sees_a_line_a_block_and_where_to_read_on():
    assert room_text(MESSAGE) == (
        "SEV1 · ada · A tool outside the manifest was called\n"
        "```\nTool: shell\n```\n"
        "https://strata.example/r/incident/42\n"
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    )


@pytest.mark.parametrize(
    ("hostile", "absent"),
    [
        ("<!channel> now", "<"),
        ("<https://evil.example|our page>", "<"),
        ("@channel @all @here", "@c"),
        ("![](https://evil.example/pixel.png)", "]("),
        ("[our page](https://evil.example)", "]("),
        ("*bold* _slanted_ ~gone~ `code`", "*"),
        ("line\r\n# heading", "#"),
    ],
)
def test_a_subject_can_call_nobody_and_draw_nothing(hostile, absent):
    assert absent not in room_text(replace(MESSAGE, subject=hostile, body=""))


@pytest.mark.parametrize("hostile", ["```\n@channel", "`````", "<!here> ```"])
def test_a_body_cannot_leave_its_block(hostile):
    shown = room_text(replace(MESSAGE, body=hostile))
    assert shown.count("`") == 6
    assert "<" not in shown


def test_a_long_body_is_cut():
    assert len(room_text(replace(MESSAGE, body="x" * 100_000))) < MAX_BODY + 300


def post(status: int) -> tuple[list[Request], object]:
    requests: list[Request] = []

    def room(request: Request) -> Reply:
        requests.append(request)
        return Reply(status, b"ok", "text/plain")

    with loopback.serving(room) as base:
        egress = Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True))
        return requests, ChatChannel(f"{base}/hooks/secret", egress).send(MESSAGE)


def test_a_message_is_posted_as_both_rooms_understand_it():
    (request,), delivery = post(200)
    assert json.loads(request.body) == {"text": room_text(MESSAGE)}
    assert request.headers["content-type"] == "application/json"
    assert delivery.state is DeliveryState.SENT


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (403, True), (503, False)])
def test_a_room_that_refuses_says_whether_for_good(status, permanent):
    with pytest.raises(ChannelError) as caught:
        post(status)
    assert caught.value.permanent is permanent


def test_the_url_is_a_secret_and_not_shown():
    assert "hooks" not in repr(
        ChatChannel("https://chat.example/hooks/s", Egress(Policy(frozenset())))
    )
