"""The pages on which facts are answered: looked at first, saved as shown, signed."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from compliance.models import Statement
from compliance.services import fact
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def system():
    return factories.make_system("Sorter")


def address(name, thing) -> str:
    return reverse(f"compliance:{name}", args=[thing.uuid])


def said(answer) -> str:
    return answer.content.decode()


def filled(client, page) -> dict[str, str]:
    """The form as the browser would send it."""
    shown = said(client.get(page))
    form = dict(re.findall(r'<input type="text" name="(q_\w+)"(?: value="([^"]*)")?', shown))
    for name, options in re.findall(
        r'<select name="(q_\w+)"[^>]*>(.*?)</select>', shown, re.DOTALL
    ):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        form[name] = chosen[1] if chosen else ""
    return form


def seen(shown: str) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)
    return found[1] if found else ""


def test_the_page_shows_each_question_its_answer_and_whose_it_is(system, bo, as_actor, client_as):
    fact.answer(system, {"controller": True}, reason="The register says so.", by=as_actor(bo))
    fact.answer(system, {"eu_personal_data": None}, reason="Asked.", by=as_actor(bo))
    shown = said(client_as(bo).get(address("system_facts", system)))
    assert "Are we the controller of these data?" in shown
    assert "stated, Bo, " in shown
    assert "stated as unknown, Bo, " in shown
    assert "The register says so." in shown
    assert "from the system&#x27;s record: role provider" in shown
    assert "not answered" in shown
    assert address("system_facts", system) in said(client_as(bo).get(system.path, follow=True))


def test_nothing_is_chosen_for_a_question_that_nobody_answered(system, bo, client_as):
    form = filled(client_as(bo), address("edit_system_facts", system))
    assert form["q_controller"] == ""
    assert form["q_annex_iii"] == ""
    assert form["q_eu_role"] == "provider"


def test_what_would_change_is_shown_before_anything_is_saved(system, bo, client_as):
    client, page = client_as(bo), address("edit_system_facts", system)
    form = filled(client, page) | {"q_controller": "yes", "q_eu_personal_data": "yes"}
    looked = said(client.post(page, form | {"look": "1"}))
    assert "2 answers change." in looked
    assert "GDPR, personal data breach" in looked
    part = looked[looked.index('id="outcomes"') :]
    assert "facts needed" in part
    assert "applies" in part
    assert "regimes stay as they are." in part
    assert not Statement.objects.filter(name="controller").exists()
    alone = said(client.post(page, form, headers={"HX-Request": "true"}))
    assert "<html" not in alone
    assert seen(alone) == seen(looked)


def test_exactly_what_was_shown_is_saved(system, bo, client_as):
    client, page = client_as(bo), address("edit_system_facts", system)
    form = filled(client, page) | {"q_controller": "yes", "q_member_states": "fr de"}
    token = seen(said(client.post(page, form)))
    saved = client.post(page, form | {"save": "1", "seen": token, "reason": "Asked legal."})
    assert saved.status_code == 302
    system.refresh_from_db()
    assert (system.facts["controller"], system.member_states) == (True, ["DE", "FR"])
    assert Statement.objects.get(name="controller").by == bo
    assert "answered questions of fact about the system" in said(
        client.get(system.path, follow=True)
    )


def test_an_answer_that_was_not_looked_at_is_shown_and_not_saved(system, bo, client_as):
    client, page = client_as(bo), address("edit_system_facts", system)
    form = filled(client, page) | {"q_controller": "yes", "reason": "Asked legal."}
    token = seen(said(client.post(page, form)))
    other = form | {"q_controller": "no", "save": "1", "seen": token}
    answer = client.post(page, other)
    assert answer.status_code == 200
    assert "What would change" in said(answer)
    system.refresh_from_db()
    assert system.facts == {}


def test_what_somebody_else_answered_meanwhile_is_looked_at_again(
    system, bo, ada, as_actor, client_as
):
    client, page = client_as(bo), address("edit_system_facts", system)
    form = filled(client, page) | {"q_controller": "yes", "reason": "Asked legal."}
    token = seen(said(client.post(page, form)))
    fact.answer(system, {"controller": False}, reason="No.", by=as_actor(ada))
    assert client.post(page, form | {"save": "1", "seen": token}).status_code == 200
    system.refresh_from_db()
    assert system.facts == {"controller": False}


def test_saving_asks_on_what_grounds(system, bo, client_as):
    client, page = client_as(bo), address("edit_system_facts", system)
    form = filled(client, page) | {"q_controller": "yes"}
    token = seen(said(client.post(page, form)))
    assert client.post(page, form | {"save": "1", "seen": token}).status_code == 422
    system.refresh_from_db()
    assert system.facts == {}


def test_an_entity_says_what_changes_for_each_of_its_systems(system, bo, client_as):
    client, page = client_as(bo), address("edit_entity_facts", system.entity)
    form = filled(client, page) | {"q_financial_entity": "yes", "q_calendar": "de"}
    looked = said(client.post(page, form))
    assert "<h3>Sorter</h3>" in looked
    assert "DORA" in looked
    sent = form | {"save": "1", "seen": seen(looked), "reason": "Licence of 2019."}
    assert client.post(page, sent).status_code == 302
    system.entity.refresh_from_db()
    assert system.entity.facts == {"financial_entity": True, "calendar": "DE"}
    read = said(client.get(address("system_facts", system)))
    assert "from the legal entity&#x27;s record, Bo, " in read


def test_an_entitys_answer_is_named_where_a_system_may_differ(system, bo, as_actor, client_as):
    fact.answer(system.entity, {"code_signatory": True}, reason="Signed.", by=as_actor(bo))
    shown = said(client_as(bo).get(address("edit_system_facts", system)))
    assert "as recorded: yes" in shown


def test_the_compute_that_went_into_a_model_is_stated_there(bo, client_as):
    model = factories.make_version().model
    client, page = client_as(bo), address("edit_model_facts", model)
    wrong = client.post(page, {"q_training_flop": "a lot"})
    assert wrong.status_code == 422
    assert "Expected a number such as 3e25." in said(wrong)
    part = client.post(page, {"q_training_flop": "a lot"}, headers={"HX-Request": "true"})
    assert (part.status_code, seen(said(part))) == (200, "")
    assert "This answer cannot be read" in said(part)
    form = {"q_training_flop": "3e25"}
    token = seen(said(client.post(page, form)))
    client.post(page, form | {"save": "1", "seen": token, "reason": "The supplier's card."})
    model.refresh_from_db()
    assert model.facts == {"training_flop": "3e25"}


def test_a_reader_reads_and_is_offered_no_change(system, cy, dee, client_as):
    for name, thing in (("system_facts", system), ("entity_facts", system.entity)):
        answer = client_as(cy).get(address(name, thing))
        assert answer.status_code == 200
        assert "Answer or change" not in said(answer)
        assert client_as(cy).get(address(f"edit_{name}", thing)).status_code == 403
        assert client_as(dee).get(address(name, thing)).status_code == 404


def test_the_revenue_is_asked_of_the_legal_entity(system, bo, client_as):
    client, page = client_as(bo), address("edit_entity_facts", system.entity)
    wrong = client.post(page, {"q_annual_revenue_usd": "a lot"})
    assert wrong.status_code == 422
    assert "Expected a number such as 750000000." in said(wrong)
    form = {"q_annual_revenue_usd": "600000000"}
    token = seen(said(client.post(page, form)))
    client.post(page, form | {"save": "1", "seen": token, "reason": "The annual accounts."})
    system.entity.refresh_from_db()
    assert system.entity.facts == {"annual_revenue_usd": "600000000"}
