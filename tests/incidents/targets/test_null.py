import logging

import pytest

from incidents.targets.base import DeploymentTarget, TargetError
from incidents.targets.null import NullTarget


def test_the_null_target_switches_nothing_and_says_so(caplog):
    target: DeploymentTarget = NullTarget()
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(TargetError, match="nothing was switched") as caught,
    ):
        target.switch("a" * 64, "k1")
    assert caught.value.permanent
    assert caplog.messages == ["NOT SWITCHED to aaaaaaaaaaaa, no target is configured (key k1)"]


def test_the_null_target_does_not_know_what_is_served():
    with pytest.raises(TargetError, match="not known here") as caught:
        NullTarget().serving()
    assert caught.value.permanent
