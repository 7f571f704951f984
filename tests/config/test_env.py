"""The environment is read loudly: what is wrong is said with what was expected."""

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.fixture
def say(monkeypatch):
    return lambda value: monkeypatch.setenv("STRATA_TRIED", value)


@pytest.mark.parametrize("known", ["cpu", "cuda", "cuda:0-3"])
def test_a_device_is_one_that_the_scanner_knows(say, known):
    assert env.env_device("STRATA_TRIED") == "cpu"
    say(known)
    assert env.env_device("STRATA_TRIED") == known


@pytest.mark.parametrize("wrong", ["tpu", "cuda:0,1", "cuda:0-31", "cpu "])
def test_what_is_no_device_is_refused(say, wrong):
    say(wrong)
    with pytest.raises(
        ImproperlyConfigured, match=f"expected cpu, cuda or cuda:0-3; came '{wrong}'"
    ):
        env.env_device("STRATA_TRIED")


def test_a_policy_is_an_object_identifier(say):
    assert env.env_oid("STRATA_TRIED") == ""
    say("1.3.6.1.4.1.4146.2.3")
    assert env.env_oid("STRATA_TRIED") == "1.3.6.1.4.1.4146.2.3"


@pytest.mark.parametrize("wrong", ["1", "3.1", "1.02.3", "1.2.", "1.2.x", "qualified"])
def test_what_is_no_object_identifier_is_refused(say, wrong):
    say(wrong)
    with pytest.raises(ImproperlyConfigured, match=r"expected an OID, as 1\.2\.3\.4; came"):
        env.env_oid("STRATA_TRIED")


def test_a_price_has_an_amount_and_a_currency(say):
    assert env.env_price("STRATA_TRIED") is None
    say("2.50 EUR")
    assert env.env_price("STRATA_TRIED") == (Decimal("2.50"), "EUR")
    say("3 USD")
    assert env.env_price("STRATA_TRIED") == (Decimal(3), "USD")


@pytest.mark.parametrize("wrong", ["2.50", "EUR", "-1 EUR", "1,5 EUR", "2.50 euro", "1e9 EUR"])
def test_what_is_no_price_is_refused(say, wrong):
    say(wrong)
    with pytest.raises(ImproperlyConfigured, match=r"as 2\.50 EUR; came"):
        env.env_price("STRATA_TRIED")
