"""Facts are refused by name when they are unknown, misspelt or ambiguous."""

import json
from datetime import UTC, datetime

import pytest

from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.vocabulary import Instant, Limb


def test_facts_are_read_from_one_json_object() -> None:
    facts = Facts.from_json(
        json.dumps(
            {
                "aware_at": "2027-12-07T10:00:00+01:00",
                "resolved_at": None,
                "submitted": {
                    "initial": "2027-12-08T10:00:00Z",
                    "intermediate": ["2028-02-01T00:00:00Z", "2028-01-01T00:00:00Z"],
                },
                "limbs": ["health", "death", "death"],
                "recipient_zone": "Europe/Berlin",
                "calendar": "DE",
                "entity": "credit_institution",
                "annex_iii": True,
                "predicates": {"provider": False, "deployer": None},
            }
        )
    )
    assert facts.instants == {Instant.AWARE: datetime(2027, 12, 7, 9, tzinfo=UTC)}
    assert facts.limbs == (Limb.DEATH, Limb.HEALTH)
    assert facts.predicates == {"annex_iii": True, "provider": False}
    assert len(facts.submitted["intermediate"]) == 2
    assert facts.submitted["initial"] == (datetime(2027, 12, 8, 10, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"aware": "2027-12-07T10:00:00Z"}, "unknown fact 'aware'"),
        ({"aware_at": "2027-12-07T10:00:00"}, "aware_at: expected an offset"),
        ({"aware_at": "2027-12-07"}, "aware_at: expected an ISO 8601 instant"),
        ({"aware_at": "yesterday at noon"}, "aware_at"),
        ({"aware_at": 1828000000}, "aware_at"),
        ({"aware_at": "0001-01-01T00:00:00+14:00"}, "aware_at: expected a year from 1970"),
        ({"aware_at": "9999-12-31T23:59:59Z"}, "aware_at: expected a year from 1970 to 2200"),
        ({"limbs": ["deth"]}, "unknown limb 'deth'"),
        ({"limbs": "death"}, "limbs: expected a list"),
        ({"limbs": [["death"]]}, "unknown limb"),
        ({"recipient_zone": "Europe/Bonn"}, "unknown zone 'Europe/Bonn'"),
        ({"recipient_zone": "../../etc/passwd"}, "unknown zone"),
        ({"recipient_zone": 1}, "recipient_zone"),
        ({"calendar": "XX"}, "unknown calendar 'XX'"),
        ({"calendar": "DE-QQ"}, "unknown calendar 'DE-QQ'"),
        ({"calendar": ["DE"]}, "calendar: expected a name"),
        ({"entity": "bank"}, "unknown entity 'bank'"),
        ({"annex_iii": "yes"}, "annex_iii: expected true or false"),
        ({"predicates": {"annex_4": True}}, "unknown predicate 'annex_4'"),
        ({"predicates": [1]}, "predicates: expected an object"),
        ({"predicates": {"provider": True}, "provider": True}, "provider: expected once"),
        ({"submitted": {"first": "2027-12-07T10:00:00Z"}}, "unknown stage 'first'"),
        ({"training_flop": "many"}, "training_flop: expected a number such as 3e25, got 'many'"),
        ({"training_flop": True}, "training_flop: expected a number"),
        ({"annual_revenue_usd": -1}, "annual_revenue_usd: expected a number from 0 upwards"),
        ({"training_flop": float("inf")}, "training_flop: expected a number from 0 upwards"),
        ({"training_flop": 10**400}, "training_flop: expected a number from 0 upwards"),
        ({"submitted": ["initial"]}, "submitted: expected an object"),
        ({"submitted": {"initial": ["2027-12-07T10:00:00"]}}, "submitted.initial"),
    ],
)
def test_a_wrong_fact_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(FactsError) as caught:
        Facts.from_json(given)
    assert named in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"aware_at"', "[" * 100_000])
def test_anything_but_one_object_is_refused(text: str) -> None:
    with pytest.raises(FactsError, match="expected one JSON object"):
        Facts.from_json(text)


def test_a_name_said_twice_is_a_question_not_a_fact() -> None:
    text = '{"aware_at": "2027-12-07T10:00:00Z", "aware_at": "2027-12-01T10:00:00Z"}'
    with pytest.raises(FactsError, match="'aware_at': expected once"):
        Facts.from_json(text)


def test_what_is_echoed_is_short_and_printable() -> None:
    hostile = "\x1b[31m\u202egnp" + "A" * 5000
    for given in ({hostile: True}, {"limbs": [hostile]}, {"calendar": hostile}):
        with pytest.raises(FactsError) as caught:
            Facts.from_json(given)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 700


def test_recording_a_limb_says_the_incident_is_serious() -> None:
    assert Facts(limbs=(Limb.DEATH,)).holds("serious_incident") is True
    assert Facts().holds("serious_incident") is None
    denied = Facts(limbs=(Limb.DEATH,), predicates={"serious_incident": False})
    assert denied.holds("serious_incident") is False
