"""What holds is believed, and nothing else is, whatever is wrong with it."""

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import rfc3161_client as rfc3161
from hypothesis import given
from hypothesis import strategies as st

from compliance import phrase
from compliance.filing.sandbox.time_stamper import POLICY
from compliance.timestamps import token
from compliance.timestamps.base import TimeStampError, TokenRefused

CONTENT = b'{"v": "strata.filing/v1"}'


def asked(content=CONTENT, *, algorithm=rfc3161.HashAlgorithm.SHA256, nonce=True, cert=True):
    made = rfc3161.TimestampRequestBuilder().data(content).hash_algorithm(algorithm)
    return made.nonce(nonce=nonce).cert_request(cert_request=cert).build()


@pytest.fixture
def trusted(stamper):
    return token.trust(stamper.root)


def test_a_good_token_says_when_and_by_whom(stamper, trusted):
    question = asked()
    answer = stamper.stamp(question.as_bytes())
    found = token.check(answer, CONTENT, trusted, nonce=question.nonce)
    assert abs(found.at - datetime.now(UTC)) < timedelta(seconds=5)
    assert found.at.tzinfo is UTC
    assert found.imprint_sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert found.authority == "SIMULATION time-stamping authority, Regulator sandbox"
    assert (found.policy, found.token) == (POLICY, answer)
    assert int(found.serial, 16) > 0


def test_a_stored_token_holds_without_its_nonce(stamper, trusted):
    answer = stamper.stamp(asked().as_bytes())
    assert token.check(answer, CONTENT, trusted) == token.check(answer, CONTENT, trusted)


def test_every_token_has_a_number_of_its_own(stamper, trusted):
    numbers = {
        token.check(stamper.stamp(asked().as_bytes()), CONTENT, trusted).serial for _ in range(3)
    }
    assert len(numbers) == 3


def refused(answer, content, trusted, **more):
    with pytest.raises(TokenRefused) as caught:
        token.check(answer, content, trusted, **more)
    assert caught.value.permanent
    assert isinstance(caught.value.why, phrase.Phrase)
    return str(caught.value)


def test_a_token_for_other_bytes_is_refused(stamper, trusted):
    answer = stamper.stamp(asked(b"something else").as_bytes())
    assert refused(answer, CONTENT, trusted) == "The time-stamp is for other bytes."


def test_a_token_over_another_digest_is_refused(stamper, trusted):
    answer = stamper.stamp(asked(algorithm=rfc3161.HashAlgorithm.SHA512).as_bytes())
    assert "another digest than the SHA-256" in refused(answer, CONTENT, trusted)


def test_an_answer_to_another_question_is_refused(stamper, trusted):
    earlier = stamper.stamp(asked().as_bytes())
    assert "its nonce is not ours" in refused(earlier, CONTENT, trusted, nonce=asked().nonce)
    without = stamper.stamp(asked(nonce=False).as_bytes())
    assert "its nonce is not ours" in refused(without, CONTENT, trusted, nonce=asked().nonce)


def test_a_token_of_a_stranger_is_refused(stamper, stranger, trusted):
    answer = stranger.stamp(asked().as_bytes())
    assert "does not hold" in refused(answer, CONTENT, trusted)
    both = token.Trust((*trusted.roots, *token.trust(stranger.root).roots))
    assert token.check(answer, CONTENT, both).imprint_sha256


def test_a_token_that_does_not_show_its_signer_is_refused(stamper, trusted):
    answer = stamper.stamp(asked(cert=False).as_bytes())
    assert "does not hold" in refused(answer, CONTENT, trusted)


def test_another_policy_than_the_expected_one_is_refused(stamper):
    answer = stamper.stamp(asked().as_bytes())
    assert token.check(answer, CONTENT, token.trust(stamper.root, POLICY)).policy == POLICY
    wrong = refused(answer, CONTENT, token.trust(stamper.root, "1.2.3.4.2"))
    assert wrong == "The time-stamp is under the policy 1.2.3.4.1; expected was 1.2.3.4.2."


def test_a_signature_over_changed_words_is_refused(stamper, trusted):
    """The time itself is moved by a year; everything else stays."""
    answer = stamper.stamp(asked().as_bytes())
    at = token.check(answer, CONTENT, trusted).at
    written = at.strftime("%Y%m%d%H%M%SZ").encode()
    assert answer.count(written) == 1
    earlier = b"%04d" % (at.year - 1) + written[4:]
    assert "does not hold" in refused(answer.replace(written, earlier), CONTENT, trusted)


def test_a_rejection_is_no_stamp_and_may_be_asked_again(stamper, trusted):
    with pytest.raises(TimeStampError, match=r"granted no time-stamp \(status 2\): ") as caught:
        token.check(stamper.stamp(b"hello"), CONTENT, trusted)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "came", [b"", b"<!doctype html>", b"\x30\x82\xff\xff", b"\x00" * 4096], ids=repr
)
def test_what_is_no_time_stamp_is_none(came, trusted):
    with pytest.raises(TimeStampError, match="What came is no time-stamp") as caught:
        token.check(came[:100], CONTENT, trusted)
    assert not caught.value.permanent


def test_half_a_token_is_none(stamper, trusted):
    answer = stamper.stamp(asked().as_bytes())
    for end in range(0, len(answer), 7):
        with pytest.raises(TimeStampError):
            token.check(answer[:end], CONTENT, trusted)
    with pytest.raises(TimeStampError):
        token.check(answer + b"x", CONTENT, trusted)


@pytest.fixture(scope="module")
def answer(stamper):
    return stamper.stamp(asked().as_bytes())


@given(place=st.integers(min_value=0), flips=st.integers(1, 255))
def test_a_changed_byte_changes_nothing_that_is_believed(stamper, answer, place, flips):
    """Wrapping that nobody signed may be changed; what the token says may not."""
    trusted, changed = token.trust(stamper.root), bytearray(answer)
    honest = token.check(answer, CONTENT, trusted)
    changed[place % len(answer)] ^= flips
    try:
        found = token.check(bytes(changed), CONTENT, trusted)
    except TimeStampError:
        return
    assert (found.at, found.serial, found.policy) == (honest.at, honest.serial, honest.policy)


def test_openssl_believes_it_too(stamper, trusted, tmp_path):
    answer = stamper.stamp(asked().as_bytes())
    token.check(answer, CONTENT, trusted)
    (tmp_path / "stamped").write_bytes(CONTENT)
    (tmp_path / "token.tsr").write_bytes(answer)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "stamped", "-in", "token.tsr", "-CAfile",
         str(stamper.root)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "Verification: OK")


def test_certificates_that_cannot_be_used_are_named(stamper, tmp_path):
    for missing in (None, tmp_path / "absent.pem", tmp_path):
        with pytest.raises(TimeStampError, match="certificates cannot be read") as caught:
            token.trust(missing)
        assert caught.value.permanent
    with pytest.raises(TimeStampError, match="hold no root"):
        token.trust(stamper.folder / "signer.pem")


def test_a_file_may_hold_roots_and_what_stands_between(stamper, stranger, tmp_path):
    bundle = tmp_path / "bundle.pem"
    parts = (stamper.root, stranger.root, stamper.folder / "signer.pem")
    bundle.write_bytes(b"".join(each.read_bytes() for each in parts))
    found = token.trust(bundle)
    assert (len(found.roots), len(found.intermediates)) == (2, 1)
    answer = stamper.stamp(asked().as_bytes())
    assert token.check(answer, CONTENT, found).authority
