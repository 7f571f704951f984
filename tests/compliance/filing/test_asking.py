from dataclasses import dataclass, field
from typing import Any

import pytest

from compliance import clock
from compliance.filing.asking import carry
from compliance.filing.base import (
    FilingError,
    HandOver,
    OutcomeUnknown,
    Proof,
    Receipt,
    ReceiptPending,
)
from compliance.filing.manual import ManualFiling
from tests.compliance.filing.doubles import KEY, PACKAGE

SENT = HandOver("sent", ())
FOUND = Receipt("SIM-1", clock.now(), Proof.SIGNED, b"{}")


@dataclass
class Scripted:
    """A recipient that answers questions as told, and notes what it was asked."""

    found: Any
    is_idempotent: bool = True
    asked: list[str] = field(default_factory=list)

    def submit(self, package: Any, key: str) -> HandOver:  # noqa: ARG002  The Protocol's.
        self.asked.append("submit")
        return SENT

    def find(self, package: Any, key: str) -> Receipt | None:  # noqa: ARG002  The Protocol's.
        self.asked.append("find")
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_a_first_try_is_sent_and_nobody_is_asked():
    there = Scripted(None)
    assert carry(there, PACKAGE, KEY, may_be_there=False) is SENT
    assert there.asked == ["submit"]


@pytest.mark.parametrize("is_idempotent", [True, False])
def test_what_may_be_there_is_asked_about_first(is_idempotent):
    there = Scripted(FOUND, is_idempotent)
    assert carry(there, PACKAGE, KEY, may_be_there=True) is FOUND
    assert there.asked == ["find"]


def test_what_is_not_there_is_sent_again_where_one_key_files_once():
    there = Scripted(None)
    assert carry(there, PACKAGE, KEY, may_be_there=True) is SENT
    assert there.asked == ["find", "submit"]


def test_without_that_promise_it_stays_unknown_until_a_person_decides():
    there = Scripted(None, is_idempotent=False)
    with pytest.raises(OutcomeUnknown, match="a person asks there") as caught:
        carry(there, PACKAGE, KEY, may_be_there=True)
    assert caught.value.needs_human
    assert there.asked == ["find"]
    assert carry(there, PACKAGE, KEY, may_be_there=True, person_decided=True) is SENT
    assert there.asked == ["find", "find", "submit"]


@pytest.mark.parametrize("permanent", [True, False])
def test_failing_to_ask_settles_nothing(permanent):
    there = Scripted(FilingError("503", permanent=permanent, retry_after_seconds=7))
    with pytest.raises(OutcomeUnknown, match="cannot be asked: 503") as caught:
        carry(there, PACKAGE, KEY, may_be_there=True)
    assert (caught.value.needs_human, caught.value.retry_after_seconds) == (permanent, 7)
    assert there.asked == ["find"]


def test_a_receipt_that_is_on_its_way_is_waited_for():
    there = Scripted(ReceiptPending("later"))
    with pytest.raises(ReceiptPending):
        carry(there, PACKAGE, KEY, may_be_there=True)
    assert there.asked == ["find"]


def test_a_person_is_asked_where_only_people_can_know():
    by_hand = ManualFiling("https://portal.example", ())
    with pytest.raises(OutcomeUnknown) as caught:
        carry(by_hand, PACKAGE, KEY, may_be_there=True)
    assert caught.value.needs_human
