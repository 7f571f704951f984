import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.sealing import (
    OVERHEAD_BYTES,
    WRAPPED_BYTES,
    Keyring,
    KeyringError,
    SealingError,
    seal,
    unseal,
)

KEY = bytes(range(32))


@given(st.binary(max_size=2_000), st.binary(max_size=50))
def test_what_was_sealed_opens_with_its_key_and_place(plaintext, aad):
    sealed = seal(KEY, plaintext, aad)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert unseal(KEY, sealed, aad) == plaintext


def test_the_same_text_never_seals_to_the_same_bytes():
    assert seal(KEY, b"text", b"row 1") != seal(KEY, b"text", b"row 1")


def test_every_flipped_byte_is_noticed():
    sealed = seal(KEY, b"the prompt", b"row 1")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(SealingError):
            unseal(KEY, bytes(altered), b"row 1")


@pytest.mark.parametrize(
    ("key", "aad"), [(bytes(32), b"row 1"), (KEY, b"row 2"), (KEY, b""), (b"short", b"row 1")]
)
def test_another_key_or_place_does_not_open(key, aad):
    with pytest.raises(SealingError):
        unseal(key, seal(KEY, b"the prompt", b"row 1"), aad)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), bytes(28)])
def test_bytes_that_were_never_sealed_are_refused(sealed):
    with pytest.raises(SealingError, match="sealed bytes"):
        unseal(KEY, sealed, b"")


def test_a_data_key_opens_with_its_keyring_and_purpose():
    ring = Keyring.fresh()
    key, wrapped = ring.new_data_key(b"subject 7")
    assert len(wrapped) == WRAPPED_BYTES
    assert ring.unwrap(wrapped, b"subject 7") == key


def test_a_data_key_does_not_open_for_another_purpose_or_ring():
    ring = Keyring.fresh()
    _, wrapped = ring.new_data_key(b"subject 7")
    with pytest.raises(SealingError, match="belongs to something else"):
        ring.unwrap(wrapped, b"subject 8")
    with pytest.raises(SealingError, match="which the key file does not hold"):
        Keyring.fresh().unwrap(wrapped, b"subject 7")
    with pytest.raises(SealingError, match=str(WRAPPED_BYTES)):
        ring.unwrap(wrapped[:-1], b"subject 7")


def test_after_rotation_old_keys_open_and_new_ones_use_the_new_key():
    old = Keyring.fresh()
    key, wrapped = old.new_data_key()
    new = old.rotated()
    assert new.unwrap(wrapped) == key
    with pytest.raises(SealingError):
        old.unwrap(new.new_data_key().wrapped)


def test_a_key_file_is_made_only_when_asked_and_only_for_its_owner(tmp_path: Path):
    path = tmp_path / "keys" / "kek"
    with pytest.raises(KeyringError, match="no key file"):
        Keyring.from_file(path)
    made = Keyring.from_file(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Keyring.from_file(path) == Keyring.from_file(path, create=True) == made
    assert [entry.name for entry in path.parent.iterdir()] == ["kek"]


def test_a_key_file_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "kek"
    Keyring.from_file(path, create=True)
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring.from_file(path)


def test_a_folder_in_place_of_a_key_file_is_named(tmp_path: Path):
    with pytest.raises(KeyringError, match="cannot be read"):
        Keyring.from_file(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "strata-keyring v1\n",
        "strata-keyring v2\n00 11\n",
        "strata-keyring v1\nnot-hex AAAA\n",
        "strata-keyring v1\n0011223344556677 AAAA\n",
        "strata-keyring v1\n0011223344556677\n",
    ],
)
def test_a_file_that_is_no_key_file_is_refused(text):
    with pytest.raises(KeyringError):
        Keyring.from_text(text)


def test_a_keyring_with_one_id_twice_is_refused():
    ring = Keyring.fresh()
    line = ring.to_text().splitlines()[1]
    with pytest.raises(KeyringError, match="same id"):
        Keyring.from_text(ring.to_text() + line)


def test_keys_are_not_shown_in_tracebacks():
    ring = Keyring.fresh()
    assert ring.keys[0][1].hex() not in repr(ring)
    assert str(ring.keys[0][1]) not in repr(ring)


def test_two_processes_that_begin_at_once_end_with_one_key(tmp_path: Path):
    path, told, children = tmp_path / "kek", tmp_path / "told", []
    told.mkdir()
    for number in range(4):
        child = os.fork()
        if child == 0:  # pragma: no cover  The child leaves no coverage behind.
            code = 1
            try:
                ring = Keyring.from_file(path, create=True)
                (told / str(number)).write_text(ring.to_text())
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    assert {file.read_text() for file in told.iterdir()} == {path.read_text()}
