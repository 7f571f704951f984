import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from compliance.filestore import (
    SEGMENT_BYTES,
    Damaged,
    FileStore,
    FileStoreError,
    LocalFileStore,
    MemoryFileStore,
    NotStored,
)
from compliance.sealing import WRAPPED_BYTES, Keyring

TEXT = b"what the model said, word for word"


@pytest.fixture
def local(tmp_path: Path) -> LocalFileStore:
    return LocalFileStore(tmp_path / "files", Keyring.fresh())


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, local: LocalFileStore) -> FileStore:
    return local if request.param == "local" else MemoryFileStore()


def where(store: LocalFileStore, sha256: str) -> Path:
    return store.folder / sha256[:2] / sha256


class Dribble(io.RawIOBase):
    """A stream that yields a few bytes at a time, as a network does."""

    def __init__(self, content: bytes) -> None:
        self.inner = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self.inner.read(min(size, 70_001))


@pytest.mark.parametrize(
    "size", [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES]
)
def test_what_is_put_can_be_read_back(store, size):
    content = hashlib.shake_256(b"content").digest(size)
    stored = store.put(content)
    assert (stored.sha256, stored.size) == (hashlib.sha256(content).hexdigest(), size)
    assert store.read(stored.sha256) == content
    with store.open(stored.sha256) as stream:
        assert b"".join(iter(lambda: stream.read(65_537), b"")) == content


def test_a_stream_is_stored_as_its_bytes_are(store):
    content = b"0123456789" * 250_000
    assert store.put(Dribble(content)) == store.put(content)


def test_exists_and_delete_speak_of_the_same_file(store):
    digest = store.put(TEXT).sha256
    assert store.exists(digest)
    store.delete(digest)
    store.delete(digest)
    assert not store.exists(digest)
    with pytest.raises(NotStored, match=digest):
        store.open(digest)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_name_that_is_no_digest_is_refused(store, name):
    for ask in (store.open, store.read, store.exists, store.delete):
        with pytest.raises(FileStoreError, match="64 lower-case"):
            ask(name)


def test_the_plain_bytes_are_nowhere_on_the_disk(local):
    digest = local.put(TEXT).sha256
    assert TEXT not in where(local, digest).read_bytes()
    assert [path.name for path in local.folder.rglob("*") if path.is_file()] == [digest]
    assert where(local, digest).stat().st_mode & 0o077 == 0


def test_the_same_bytes_are_kept_once_and_putting_them_again_repairs(local):
    digest = local.put(TEXT).sha256
    where(local, digest).write_bytes(b"rot")
    local.put(TEXT)
    assert local.read(digest) == TEXT


def test_nothing_is_left_behind_when_the_source_fails(local):
    class Broken(io.RawIOBase):
        def read(self, _size: int = -1) -> bytes:
            raise OSError("the line went dead")

    with pytest.raises(OSError, match="went dead"):
        local.put(Broken())
    assert list(local.folder.iterdir()) == []


def test_every_flipped_byte_is_noticed(local):
    digest = local.put(TEXT).sha256
    whole = where(local, digest).read_bytes()
    for place in range(len(whole)):
        altered = bytearray(whole)
        altered[place] ^= 1
        where(local, digest).write_bytes(altered)
        with pytest.raises(Damaged, match=digest):
            local.read(digest)


SEALED = SEGMENT_BYTES + 29


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole + b"\x00",
        lambda whole: whole[:1] + whole[1 + SEALED :],
        lambda whole: whole[: 1 + SEALED] + whole[-WRAPPED_BYTES:],
        lambda whole: whole[:1] + whole[1 + SEALED : 1 + 2 * SEALED] + whole[1:],
        lambda whole: (
            whole[:1]
            + whole[1 + SEALED : 1 + 2 * SEALED]
            + whole[1 : 1 + SEALED]
            + whole[1 + 2 * SEALED :]
        ),
    ],
    ids=["emptied", "cut", "longer", "first-gone", "end-gone", "doubled", "swapped"],
)
def test_segments_cannot_be_cut_added_or_moved(local, spoil: Callable[[bytes], bytes]):
    digest = local.put(b"ab" * SEGMENT_BYTES + b"end").sha256
    where(local, digest).write_bytes(spoil(where(local, digest).read_bytes()))
    with pytest.raises(Damaged):
        local.read(digest)


def test_a_file_put_in_anothers_place_does_not_open(local):
    one, other = local.put(b"approved").sha256, local.put(b"rejected").sha256
    where(local, one).write_bytes(where(local, other).read_bytes())
    with pytest.raises(Damaged, match="belongs to something else"):
        local.open(one)


def test_another_keyring_does_not_open_it(local):
    digest = local.put(TEXT).sha256
    with pytest.raises(Damaged, match="does not hold"):
        LocalFileStore(local.folder, Keyring.fresh()).read(digest)


def test_files_survive_the_rotation_of_the_key(local):
    digest = local.put(TEXT).sha256
    assert LocalFileStore(local.folder, local.keyring.rotated()).read(digest) == TEXT
