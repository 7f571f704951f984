from base64 import b64encode

import pytest

from compliance.egress import Egress, Policy
from compliance.filing.base import FilingError
from compliance.filing.http import HttpFiling
from compliance.filing.load import FilingKind, load
from compliance.filing.manual import ManualFiling
from compliance.filing.null import NullFiling

EGRESS = Egress(Policy(frozenset()))
# The point of the first test key of RFC 8032.
KEY = b64encode(
    bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
).decode()
HTTP = {"url": "https://a.example/filings", "public_key": KEY, "simulation": False}
WHOLE = {
    FilingKind.HTTP: (HttpFiling, HTTP),
    FilingKind.MANUAL: (ManualFiling, {"portal": "https://a.example", "steps": ["Log in."]}),
    FilingKind.NULL: (NullFiling, {}),
}


@pytest.mark.parametrize("kind", FilingKind)
def test_every_kind_loads(kind):
    channel, config = WHOLE[kind]
    assert isinstance(load(kind, config, egress=EGRESS), channel)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("pigeon", {}, "pigeon"),
        ("http", {}, "'simulation'"),
        ("http", {"simulation": True}, "'url'"),
        ("http", HTTP | {"simulation": "false"}, "said outright"),
        ("http", HTTP | {"public_key": "short"}, "32 bytes"),
        ("manual", {"portal": "https://a.example"}, "'steps'"),
    ],
)
def test_a_configuration_that_lacks_something_is_refused_for_good(kind, config, message):
    with pytest.raises(FilingError, match=message) as caught:
        load(kind, config, egress=EGRESS)
    assert caught.value.permanent
