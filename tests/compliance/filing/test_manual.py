from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from compliance import clock
from compliance.filing.base import FilingChannel, FilingError, FilingPackage, HandOver, Proof
from compliance.filing.manual import MAX_PROOF_BYTES, ManualFiling

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
CHANNEL = ManualFiling("https://portal.example", ("Log in.", "Upload both files."))
PACKAGE = FilingPackage(UUID(int=7), "ai-office", b"%PDF-", b"{}", simulation=True)


def test_nothing_is_sent_and_a_person_gets_the_steps():
    channel: FilingChannel = CHANNEL
    assert channel.submit(PACKAGE, "k1") == HandOver("https://portal.example", CHANNEL.steps)
    assert not channel.is_idempotent


def test_nobody_can_be_asked():
    with pytest.raises(FilingError, match=r"look at https://portal\.example") as caught:
        CHANNEL.find(PACKAGE, "k1")
    assert caught.value.permanent


def test_a_receipt_brought_back_is_marked_as_such():
    with clock.held(NOON):
        receipt = CHANNEL.receive(reference=" AB\n12 ", received_at=NOON, proof=b"%PDF- scan")
    assert (receipt.reference, receipt.received_at) == ("AB 12", NOON)
    assert receipt.proof is Proof.BY_HAND
    assert receipt.raw == b"%PDF- scan"
    assert len(receipt.raw_sha256) == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": " "}, "reference"),
        ({"proof": b""}, "proof"),
        ({"proof": bytes(MAX_PROOF_BYTES + 1)}, "proof"),
        ({"received_at": NOON + timedelta(seconds=1)}, "still to come"),
    ],
)
def test_a_receipt_that_lacks_something_is_refused(change, message):
    whole = {"reference": "AB 12", "received_at": NOON, "proof": b"%PDF-"}
    with clock.held(NOON), pytest.raises(FilingError, match=message):
        CHANNEL.receive(**whole | change)
