import pytest

from compliance.egress import Egress, Policy
from incidents.targets.base import TargetError
from incidents.targets.http import HttpTarget
from incidents.targets.load import TargetKind, load
from incidents.targets.null import NullTarget

EGRESS = Egress(Policy(frozenset()))
WHOLE = {
    TargetKind.HTTP: (HttpTarget, {"url": "https://a.example/", "token": "t"}),
    TargetKind.NULL: (NullTarget, {}),
}


@pytest.mark.parametrize("kind", TargetKind)
def test_every_kind_loads(kind):
    target, config = WHOLE[kind]
    assert isinstance(load(kind, config, egress=EGRESS), target)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("pigeon", {}, "pigeon"),
        ("http", {"token": "t"}, "'url'"),
        ("http", {"url": "u"}, "'token'"),
    ],
)
def test_a_configuration_that_lacks_something_is_refused_for_good(kind, config, message):
    with pytest.raises(TargetError, match=message) as caught:
        load(kind, config, egress=EGRESS)
    assert caught.value.permanent
