"""The way to the authority: one question, one bounded answer, checked before it is believed."""

from dataclasses import replace

import pytest

from compliance.egress import Egress, Policy
from compliance.loopback import Reply
from compliance.timestamps.base import TimeStampError, TokenRefused
from compliance.timestamps.load import load
from tests.compliance.timestamps.double import authority

REPLY = "application/timestamp-reply"


@pytest.fixture
def there(tmp_path):
    with authority(tmp_path / "authority") as found:
        yield found


def test_a_stamp_comes_back_checked(there):
    found = there.loaded().stamp(b"the manifest")
    assert found.authority.startswith("SIMULATION")
    (asked,) = there.seen
    assert asked.headers["content-type"] == "application/timestamp-query"
    assert asked.headers["accept"] == REPLY


def test_the_bytes_themselves_do_not_leave_the_house(there):
    there.loaded().stamp(b"a word that nobody outside reads")
    assert b"nobody outside" not in there.seen[0].body
    assert len(there.seen[0].body) < 100


def test_each_question_has_a_nonce_of_its_own(there):
    there.loaded().stamp(b"once")
    there.loaded().stamp(b"once")
    assert there.seen[0].body != there.seen[1].body


def test_an_answer_that_was_given_before_is_refused(there):
    first = []

    def replayed(_request, reply):
        first.append(reply)
        return first[0]

    there.spoil = replayed
    there.loaded().stamp(b"once")
    with pytest.raises(TokenRefused, match="its nonce is not ours"):
        there.loaded().stamp(b"once")


def test_a_stranger_in_its_place_is_refused(there, stranger):
    there.spoil = lambda request, reply: replace(reply, body=stranger.stamp(request.body))
    with pytest.raises(TokenRefused, match="does not hold"):
        there.loaded().stamp(b"once")


@pytest.mark.parametrize(
    ("reply", "permanent"),
    [
        (Reply(503, b"", headers={"Retry-After": "7"}), False),
        (Reply(429, b""), False),
        (Reply(500, b"oh"), False),
        (Reply(404, b"{}"), True),
        (Reply(302, b"", headers={"Location": "http://127.0.0.1/"}), True),
        (Reply(200, b"<html>Log in to this network</html>", "text/html; charset=utf-8"), False),
        (Reply(200, b"<html>\x1b]0;", REPLY), False),
        (Reply(200, b"", REPLY), False),
        (Reply(200, b"0" * (1 << 20), REPLY), False),
        (Reply(200, b"0" * 4000, REPLY, cut_at=100), False),
        (Reply(200, b"", cut_at=-1), False),
        (Reply(200, b"", REPLY, wait_seconds=3), False),
    ],
    ids=[
        "busy", "limited", "broken", "absent", "moved", "html", "html-disguised", "empty", "huge",
        "truncated", "hangs-up", "slow",
    ],
)  # fmt: skip
def test_a_hostile_answer_is_no_stamp(there, reply, permanent):
    there.spoil = lambda _request, _reply: reply
    with pytest.raises(TimeStampError) as caught:
        there.loaded().stamp(b"once")
    assert caught.value.permanent is permanent
    assert not isinstance(caught.value, TokenRefused)
    assert str(caught.value).isprintable()


def test_it_is_asked_again_when_it_says(there):
    there.spoil = lambda _request, _reply: Reply(503, b"", headers={"Retry-After": "7"})
    with pytest.raises(TimeStampError) as caught:
        there.loaded().stamp(b"once")
    assert caught.value.retry_after_seconds == 7


def test_an_authority_that_is_down_may_come_back(tmp_path):
    with authority(tmp_path) as gone:
        loaded = gone.loaded()
    with pytest.raises(TimeStampError, match="was not reached") as caught:
        loaded.stamp(b"once")
    assert not caught.value.permanent


def test_a_host_that_was_never_allowed_is_not_asked(there):
    shut = load(there.url, there.stamper.root, egress=Egress(Policy(frozenset(), loopback=True)))
    with pytest.raises(TimeStampError, match="not among the hosts") as caught:
        shut.stamp(b"once")
    assert caught.value.permanent
    assert there.seen == []
