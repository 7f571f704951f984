"""The environment is read loudly: what is wrong is said with what was expected."""

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.fixture
def say(monkeypatch):
    return lambda value: monkeypatch.setenv("STRATA_TRIED", value)


def test_a_choice_is_one_of_the_words_offered(say):
    assert env.env_choice("STRATA_TRIED", "cpu", "cuda") == "cpu"
    say("cuda")
    assert env.env_choice("STRATA_TRIED", "cpu", "cuda") == "cuda"
    say("tpu")
    with pytest.raises(ImproperlyConfigured, match="expected one of cpu, cuda; came 'tpu'"):
        env.env_choice("STRATA_TRIED", "cpu", "cuda")


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
