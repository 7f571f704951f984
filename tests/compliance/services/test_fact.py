"""Facts: stated by somebody, three-valued, never guessed; and what an incident is offered of them."""

from __future__ import annotations

import pytest

from compliance.audit import log
from compliance.models import AISystem, Statement
from compliance.permissions import NotAllowed
from compliance.regimes.facts import FactsError
from compliance.regimes.questions import PREDICATE_QUESTIONS
from compliance.services import fact, registry
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def system() -> AISystem:
    return factories.make_system()


def test_what_nobody_answered_is_not_known(system) -> None:
    known = fact.known(system)
    for name in ("annex_iii", "annex_i", "eu_market", "code_signatory"):
        assert name not in known
        assert name not in fact.standing(system)
    assert known["provider"] is True


def test_the_record_answers_by_role_risk_class_and_member_states(ada, as_actor) -> None:
    made = registry.register_system(
        factories.make_system().entity, "Sorter", intended_purpose="Sorts.", risk_class="annex_iii",
        eu_role="deployer", member_states=["DE"], by=as_actor(ada),
    )  # fmt: skip
    known = fact.known(made)
    assert (known["annex_iii"], known["annex_i"], known["eu_market"]) == (True, False, True)
    assert (known["provider"], known["deployer"]) == (False, True)
    standing = fact.standing(made)["annex_iii"]
    assert (standing.source, standing.column) == ("record", "risk_class")
    assert standing.statement.by == ada


def test_an_answer_is_kept_with_who_and_when_and_on_what_grounds(system, bo, as_actor) -> None:
    made = fact.answer(system, {"controller": True}, reason="Register of art. 30.", by=as_actor(bo))
    system.refresh_from_db()
    assert system.facts["controller"] is True
    assert fact.statements(system)["controller"] == made[0]
    assert (made[0].by, made[0].reason) == (bo, "Register of art. 30.")
    line = log.entries(objects=[system.uuid])[-1]
    assert (line.action, line.actor_label) == ("system.answer", "Bo")
    assert line.facts["answers"] == {"controller": "yes"}
    assert line.note == "Register of art. 30."


def test_a_stated_unknown_is_no_answer_but_somebodys(system, bo, as_actor) -> None:
    entity = system.entity
    fact.answer(entity, {"frontier_developer": False}, reason="Never.", by=as_actor(bo))
    fact.answer(system, {"frontier_developer": None}, reason="Its base.", by=as_actor(bo))
    assert fact.known(system)["frontier_developer"] is None
    assert fact.facts_of(system).holds("frontier_developer") is None
    assert fact.standing(system)["frontier_developer"].statement.by == bo


def test_what_is_withdrawn_falls_back_to_what_the_entity_said(system, bo, as_actor) -> None:
    fact.answer(system.entity, {"code_signatory": True}, reason="Signed.", by=as_actor(bo))
    fact.answer(system, {"code_signatory": False}, reason="Not for this.", by=as_actor(bo))
    assert fact.known(system)["code_signatory"] is False
    fact.answer(system, {}, withdrawn=["code_signatory"], reason="A slip.", by=as_actor(bo))
    standing = fact.standing(system)["code_signatory"]
    assert (standing.value, standing.source) == (True, "entity")
    assert Statement.objects.filter(name="code_signatory").count() == 3


def test_a_column_of_the_record_can_be_corrected(system, bo, as_actor) -> None:
    answers = {"risk_class": "annex_iii", "member_states": ["DE", "FR"]}
    fact.answer(system, answers, reason="Classified.", by=as_actor(bo))
    system.refresh_from_db()
    assert (system.risk_class, system.member_states) == ("annex_iii", ["DE", "FR"])
    assert fact.known(system)["annex_iii"] is True


@pytest.mark.parametrize(
    "answers",
    [
        {"serious_incident": True},
        {"controller": "yes"},
        {"risk_class": "high"},
        {"risk_class": None},
        {"member_states": ["Germany"]},
        {"calendar": "MOON"},
        {"recipient_zone": "Mars/Olympus"},
        {"simulation": False},
    ],
)
def test_an_answer_that_is_none_is_refused(system, bo, as_actor, answers) -> None:
    before = dict(system.facts)
    with pytest.raises(FactsError):
        fact.answer(system, answers, reason="Why not.", by=as_actor(bo))
    system.refresh_from_db()
    assert system.facts == before


def test_only_who_writes_the_inventory_answers(system, cy, as_actor) -> None:
    with pytest.raises(NotAllowed):
        fact.answer(system, {"controller": True}, reason="I know.", by=as_actor(cy))


def test_names_of_people_are_sealed_in_the_log(system, bo, as_actor) -> None:
    fact.answer(system.entity, {"dpo": "D. P. Officer"}, reason="Named.", by=as_actor(bo))
    line = log.entries(objects=[system.entity.uuid])[-1]
    assert line.facts["answers"] == {"dpo": "stated"}
    assert line.words["dpo"] == "D. P. Officer"


def test_an_answer_does_not_undo_what_somebody_else_answered_meanwhile(
    system, bo, ada, as_actor
) -> None:
    stale = AISystem.objects.get(pk=system.pk)
    fact.answer(system, {"controller": True}, reason="One.", by=as_actor(bo))
    fact.answer(stale, {"eu_personal_data": True}, reason="Two.", by=as_actor(ada))
    system.refresh_from_db()
    assert system.facts == {"controller": True, "eu_personal_data": True}


def test_imagining_changes_nothing(system) -> None:
    changed = fact.imagined(system, {"controller": True, "risk_class": "annex_i"})
    assert fact.known(changed)["annex_i"] is True
    assert "controller" not in fact.known(system)
    system.refresh_from_db()
    assert system.risk_class == "unknown"


def test_every_standing_question_is_asked_of_a_system_or_its_entity(system) -> None:
    from compliance.regimes.vocabulary import OF_INCIDENT, OF_ORGANISATION, OF_SYSTEM, PREDICATES

    assert not OF_SYSTEM & OF_ORGANISATION
    assert set(PREDICATES) >= OF_SYSTEM | OF_ORGANISATION
    asked = set(fact.asked_of(system)) | set(fact.asked_of(system.entity))
    assert {q.id for q in PREDICATE_QUESTIONS} - asked == set(OF_INCIDENT)


def test_a_figure_reaches_the_engine_and_answers_what_it_proves(bo, as_actor) -> None:
    model = factories.make_version().model
    system = model.system
    assert fact.facts_of(system).numbers == {}
    fact.answer(model, {"training_flop": "2e26"}, reason="The card.", by=as_actor(bo))
    fact.answer(
        system.entity, {"annual_revenue_usd": "600000000"}, reason="Accounts.", by=as_actor(bo)
    )
    facts = fact.facts_of(AISystem.objects.get(pk=system.pk))
    assert facts.numbers == {"training_flop": 2e26, "annual_revenue_usd": 6e8}
    for name in ("systemic_risk_threshold", "frontier_developer", "large_frontier_developer"):
        assert facts.holds(name) is True
    assert facts.predicates == {"provider": True, "deployer": False}


def test_a_figure_that_is_stated_as_unknown_stays_unknown(bo, as_actor) -> None:
    model = factories.make_version().model
    fact.answer(model, {"training_flop": None}, reason="Not told.", by=as_actor(bo))
    assert fact.facts_of(model.system).numbers == {}
    with pytest.raises(FactsError):
        fact.answer(
            model.system.entity, {"annual_revenue_usd": "a lot"}, reason="x", by=as_actor(bo)
        )
