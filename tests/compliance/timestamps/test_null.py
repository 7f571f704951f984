import pytest

from compliance.egress import Egress, Policy
from compliance.timestamps.base import TimeStampError
from compliance.timestamps.load import load
from compliance.timestamps.null import NullAuthority


def test_without_an_address_nobody_stamps_and_it_says_so():
    nobody = load("", None, egress=Egress(Policy(frozenset())))
    assert isinstance(nobody, NullAuthority)
    with pytest.raises(
        TimeStampError, match="No time-stamping authority is configured; nothing was stamped"
    ) as caught:
        nobody.stamp(b"once")
    assert caught.value.permanent
