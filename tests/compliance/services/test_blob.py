"""Files: sealed where they lie, one a digest, held by count, erased with their subject's words."""

import pytest

from compliance.actors import system
from compliance.audit import log, sequencer
from compliance.audit.models import SubjectKey
from compliance.filestore import Damaged, NotStored
from compliance.models import Blob
from compliance.services import blob, subject
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("files")]
MAKER = system("tests")
DATA = b"what the model said, byte for byte"


def keep(place, name="said.txt", data=DATA):
    return blob.keep(place, name, "text/plain", data, retention="incident", by=MAKER)


@pytest.fixture
def place(db):
    return subject.make("incident", "Leak")


def test_what_is_kept_is_had_back(place):
    kept = keep(place)
    assert (kept.size, blob.read(kept)) == (len(DATA), DATA)


def test_the_bytes_lie_sealed(place, files):
    keep(place)
    stored = [path for path in files.rglob("*") if path.is_file()]
    assert stored
    assert not any(DATA in path.read_bytes() for path in stored)


def test_the_same_bytes_are_one_file_in_one_subject_and_two_rows_in_two(place):
    assert keep(place) == keep(place, name="again.txt")
    other = keep(subject.make("incident", "Other"))
    assert Blob.objects.count() == 2
    assert blob.read(other) == DATA
    kept = [line for line in log.entries(subjects=[place.uuid]) if line.action == "blob.keep"]
    assert len(kept) == 1


def test_an_unknown_retention_is_refused(place):
    with pytest.raises(ValueError, match="forever"):
        blob.keep(place, "x", "text/plain", DATA, retention="forever", by=MAKER)
    assert not Blob.objects.exists()


def test_a_flipped_bit_is_noticed(place, files):
    kept = keep(place)
    (stored,) = [path for path in files.rglob("*") if path.is_file()]
    spoilt = bytearray(stored.read_bytes())
    spoilt[10] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(spoilt)
    with pytest.raises(Damaged):
        blob.read(kept)


def test_a_missing_file_is_said_to_be_missing(place, files):
    kept = keep(place)
    for path in files.rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(NotStored):
        blob.read(kept)


def test_holds_are_counted_and_never_go_below_none(place):
    kept = keep(place)
    for verb in (blob.hold, blob.hold, blob.release, blob.release, blob.release):
        verb(kept, by=MAKER)
    kept.refresh_from_db()
    assert kept.n_holds == 0
    said = [line.action for line in log.entries(objects=[kept.uuid])]
    assert said.count("blob.hold") == said.count("blob.release") == 2


def test_erasing_a_subjects_key_takes_the_words_and_leaves_the_proof():
    version = factories.make_version()
    while sequencer.sequence():
        pass
    head = sequencer.newest()
    SubjectKey.objects.filter(subject_uuid=version.subject.uuid).delete()
    line = log.entries(objects=[version.uuid])[0]
    assert line.erased
    assert line.words == {}
    assert line.facts["weights_sha256"] == version.weights_sha256
    factories.make_version()
    while sequencer.sequence():
        pass
    grown = sequencer.newest()
    assert grown.size > head.size
