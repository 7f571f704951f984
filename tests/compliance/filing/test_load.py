from base64 import b64encode

import pytest

from compliance.egress import Egress, Policy
from compliance.filing.base import FilingError
from compliance.filing.email import EmailFiling
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
EMAIL = {
    "host": "mail.example",
    "port": 465,
    "security": "implicit",
    "sender": "a@b.example",
    "to": "c@d.example",
    "simulation": False,
}
WHOLE = {
    FilingKind.EMAIL: (EmailFiling, EMAIL),
    FilingKind.HTTP: (HttpFiling, HTTP),
    FilingKind.MANUAL: (ManualFiling, {"portal": "https://a.example", "steps": ["Log in."]}),
    FilingKind.NULL: (NullFiling, {}),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_every_kind_loads(kind):
    channel, config = WHOLE[kind]
    assert isinstance(load(kind, config, egress=EGRESS), channel)


def test_no_kind_is_forgotten():
    # SFTP wants a key file; test_sftp loads it.
    assert {*WHOLE, FilingKind.SFTP} == set(FilingKind)


def test_a_token_comes_by_its_name_and_both_forms_still_load():
    named = load("http", HTTP | {"secret_ref": "MSA"}, egress=EGRESS, secrets={"MSA": "t"}.get)
    inline = load("http", HTTP | {"token": "t"}, egress=EGRESS)
    assert named.token == inline.token == "t"
    assert "token" not in repr(named)


def test_a_secret_that_is_not_set_is_told_for_good(monkeypatch):
    monkeypatch.delenv("STRATA_FILING_SECRET_MSA", raising=False)
    with pytest.raises(FilingError, match="STRATA_FILING_SECRET_MSA") as caught:
        load("http", HTTP | {"secret_ref": "MSA"}, egress=EGRESS)
    assert caught.value.permanent


def test_a_way_may_have_a_time_of_its_own():
    assert load("http", HTTP, egress=EGRESS).egress is EGRESS
    slow = load("http", HTTP | {"timeout_seconds": 60}, egress=EGRESS)
    assert slow.egress.policy.total_seconds == 60


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("pigeon", {}, "pigeon"),
        ("http", {}, "'simulation'"),
        ("http", {"simulation": True}, "'url'"),
        ("http", HTTP | {"simulation": "false"}, "said outright"),
        ("http", HTTP | {"public_key": "short"}, "32 bytes"),
        ("http", HTTP | {"client_certificate": "/a.pem"}, "given together"),
        ("http", HTTP | {"client_certificate": "/a.pem", "client_key": "/a.key"}, "TLS: "),
        ("http", HTTP | {"authorities": "/nowhere.pem"}, "TLS: "),
        ("http", HTTP | {"timeout_seconds": 0}, "1 to 100"),
        ("email", EMAIL | {"port": "x"}, "invalid literal"),
        ("email", {}, "'security'"),
        ("sftp", {"simulation": True}, "'host'"),
        ("manual", {"portal": "https://a.example"}, "'steps'"),
    ],
)
def test_a_configuration_that_lacks_something_is_refused_for_good(kind, config, message):
    with pytest.raises(FilingError, match=message) as caught:
        load(kind, config, egress=EGRESS)
    assert caught.value.permanent
