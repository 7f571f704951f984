from pathlib import Path

import pytest

from compliance.egress import Egress, Policy
from compliance.timestamps import load as loading
from compliance.timestamps.base import TimeStampError

EGRESS = Egress(Policy(frozenset({"tsa.example"})))


def test_an_answer_is_small_and_soon(stamper):
    made = loading.load("https://tsa.example/", stamper.root, "1.2.3", egress=EGRESS)
    assert made.egress.policy.max_bytes == 64 << 10
    assert made.egress.policy.total_seconds == 10
    assert made.egress.policy.hosts == EGRESS.policy.hosts
    assert made.trusted.policy == "1.2.3"


def test_without_certificates_nobody_is_asked():
    with pytest.raises(TimeStampError, match="certificates cannot be read") as caught:
        loading.load("https://tsa.example/", Path("/nowhere.pem"), egress=EGRESS)
    assert caught.value.permanent
