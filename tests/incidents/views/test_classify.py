"""The wizard: groups, what would follow at once, corrections that start from what was said."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse

from compliance.clock import now
from compliance.models import ClockInstance
from compliance.regimes.questions import INSTANT_QUESTIONS, LIMB_QUESTIONS, PREDICATE_QUESTIONS
from incidents.forms.classify import COMMON, GROUPS
from incidents.services import incident, knowledge
from tests.incidents import cast

pytestmark = pytest.mark.django_db
AWARE = {"at_aware_at": "2026-11-20T08:00", "serious": "yes", "confirmed": "on"}


@pytest.fixture
def found(db):
    deployment, version = cast.watched("canary")
    return cast.opened(deployment, version)


@pytest.fixture
def officer(rae, client_as):
    rae.zone = "America/New_York"
    rae.save(update_fields=["zone"])
    return client_as(rae)


def text(answer):
    bare = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", unescape(bare))


def follows(client, found, **answers):
    address = reverse("incidents:preview", args=[found.uuid])
    return client.post(address, {**AWARE, **answers}, headers={"HX-Request": "true"})


def test_every_question_stands_in_one_group_with_its_definition(officer, found):
    grouped = [name for *_words, names in GROUPS for name in names]
    asked = {str(each.id) for each in (*PREDICATE_QUESTIONS, *INSTANT_QUESTIONS)}
    assert sorted([*grouped, *COMMON, "aware_at", "serious_incident"]) == sorted(asked)
    html = text(officer.get(reverse("incidents:classify", args=[found.uuid])))
    for each in (*PREDICATE_QUESTIONS, *INSTANT_QUESTIONS, *LIMB_QUESTIONS):
        if each.id != "serious_incident":
            assert re.sub(r"\s+", " ", str(each.definition)) in html


def test_what_follows_names_both_zones_every_reading_and_the_points_for_counsel(officer, found):
    said = text(
        follows(
            officer, found, is_personal_data_breach="yes", is_controller="yes",
            is_eu_personal_data="yes", is_risk_unlikely="no", is_financial_entity="yes",
            is_major_ict_incident="yes", is_product_manufacturer="no", at_classified_at="2026-11-20T09:00",
        )
    )  # fmt: skip
    assert "at the recipient:" in said
    assert re.search(r"\d\d:\d\d EST", said)
    assert re.search(r"\d\d:\d\d CET \(Europe/\w+\)", said)
    assert "target, strict to the hour" in said
    assert "latest arguable date, confirm with counsel:" in said
    assert "Delegated Regulation (EU) 2025/301 was read through four concordant" in said
    assert "do not apply, and why" in said
    assert not ClockInstance.objects.exists()
    assert not found.classifications.exists()


def test_day_duties_say_that_the_last_day_ends(officer, found):
    said = text(
        follows(
            officer, found, is_gpai_systemic_risk_provider="yes", is_code_signatory="yes",
            limb_death="on", is_legacy_gpai_model="no", is_eu_market="yes",
            at_model_involvement_aware_at="2026-11-20T08:00",
        )
    )  # fmt: skip
    assert "target, end of the last day" in said


def test_before_anybody_classified_the_wizard_and_the_incident_show_the_earliest_date(
    officer, found
):
    wizard = text(officer.get(reverse("incidents:classify", args=[found.uuid])))
    assert "earliest, if confirmed now:" in wizard
    page = text(officer.get(reverse("incidents:incident", args=[found.uuid])))
    assert "Facts needed" in page
    assert "earliest date, if confirmed now:" in page
    assert "An alert is not awareness" in page
    assert not ClockInstance.objects.exists()


def test_a_correction_starts_from_what_was_said(officer, found, rae, as_actor):
    aware = now() - timedelta(hours=3)
    incident.classify(
        found,
        facts={"aware_at": aware.isoformat(), "controller": True},
        limbs=["rights"],
        serious=True,
        reasons="Letters went astray.",
        details={"affected": "40 people"},
        oecd={"severity": "incident", "harm": ["rights"]},
        by=as_actor(rae),
    )
    html = officer.get(reverse("incidents:classify", args=[found.uuid])).content.decode()
    assert re.search(r'name="limb_rights"[^>]*checked', html)
    assert "40 people" in html
    assert re.search(r'name="is_controller".*?value="yes" selected', html, re.DOTALL)
    assert re.search(r'name="oecd_severity".*?value="incident" selected', html, re.DOTALL)
    assert "This corrects what was said before" in html
    assert "House rule: 72 hours" in html
    assert "Letters went astray" not in html


def test_the_criteria_are_kept_and_fill_what_reports_ask(officer, found):
    answers = {
        **AWARE, "save": "1", **cast.why("Somebody fell."), "limb_health": "on",
        "oecd_stakeholders": "Two visitors", "oecd_harm": ["physical", "psychological"],
        "oecd_severity": "serious_incident", "oecd_countries": "", "states": ["DE", "FR"],
    }  # fmt: skip
    answer = officer.post(reverse("incidents:classify", args=[found.uuid]), answers)
    assert answer.status_code == 302, text(answer)
    classified = found.classifications.get()
    assert classified.oecd == {
        "stakeholders": "Two visitors",
        "harm": ["physical", "psychological"],
        "severity": "serious_incident",
    }
    assert classified.facts["member_states"] == ["DE", "FR"]
    known = knowledge.of(found).known
    assert known["incident.affected"].value == "Two visitors"
    assert known["incident.affected"].source == "Rae"


def test_the_persons_own_words_stand_before_the_criteria(officer, found):
    answers = {
        **AWARE, "save": "1", **cast.why("Somebody fell."), "limb_health": "on",
        "oecd_stakeholders": "Two visitors", "word_affected": "Three visitors",
    }  # fmt: skip
    officer.post(reverse("incidents:classify", args=[found.uuid]), answers)
    assert knowledge.of(found).known["incident.affected"].value == "Three visitors"


def test_an_unknown_choice_is_refused(officer, found):
    answers = {**AWARE, "save": "1", **cast.why("x"), "oecd_severity": "mild"}
    answer = officer.post(reverse("incidents:classify", args=[found.uuid]), answers)
    assert answer.status_code == 422
    assert not found.classifications.exists()


def saved(officer, found, **answers):
    given = {**AWARE, **cast.why("Somebody fell."), "save": "1", "limb_health": "on", **answers}
    return officer.post(reverse("incidents:classify", args=[found.uuid]), given)


def test_each_matter_asks_for_its_reason_and_the_page_leads_to_what_is_missing(officer, found):
    answer = saved(officer, found, why_harm="", why_awareness="", why_laws="  ")
    assert answer.status_code == 422
    html = answer.content.decode()
    for name in ("why_harm", "why_awareness", "why_laws"):
        assert f'<a href="#id_{name}">' in html
        assert f'id="id_{name}_error"' in html
    assert html.count("Say why; a sentence is enough.") == 3
    assert not found.classifications.exists()


def test_whoever_only_looks_need_not_say_why(officer, found):
    looked = officer.post(
        reverse("incidents:classify", args=[found.uuid]),
        {**AWARE, "limb_health": "on", "look": "1"},
    )
    assert looked.status_code == 200
    assert "What is missing" not in text(looked)


def test_a_law_may_have_a_reason_of_its_own_whether_it_applies_or_not(officer, found):
    answers = {"is_personal_data_breach": "no", "note_house-72h": "Binds in any case."}
    looked = follows(officer, found, **answers)
    html = looked.content.decode()
    for key in ("house-72h", "eu-gdpr-33"):
        assert f'name="note_{key}"' in html
        assert f'id="own-note_{key}" hx-preserve' in html
    assert re.search(r'id="own-note_house-72h" hx-preserve open', html)
    assert "Binds in any case." in html
    assert html.index('name="note_house-72h"') < html.index('id="others"')
    assert html.index('name="note_eu-gdpr-33"') > html.index('id="others"')


def test_what_stands_in_the_way_takes_no_reason_from_the_page(officer, found):
    answers = {"at_detected_at": "1500-01-01T10:00", "note_house-72h": "Binds in any case."}
    html = follows(officer, found, **answers).content.decode()
    assert "expected a year from" in html
    assert "Binds in any case." in html
    assert "note_eu-gdpr-33" not in html


def test_the_incident_shows_the_reasons_by_matter_and_each_laws_own(officer, found):
    answer = saved(
        officer, found, **{"note_house-72h": "Binds in any case.", "note_eu-gdpr-33": "No names."}
    )
    assert answer.status_code == 302, text(answer)
    assert found.classifications.get().reasons_by["regimes"] == {
        "house-72h": "Binds in any case.",
        "eu-gdpr-33": "No names.",
    }
    page = text(officer.get(reverse("incidents:incident", args=[found.uuid])))
    assert re.search(r"Harm Somebody fell\. When we knew The person on call read the alert", page)
    assert "The person's reason: Binds in any case." in page
    assert "The person's reason: No names." in page


def test_a_correction_starts_from_the_reasons_and_asks_what_changed(officer, found):
    saved(officer, found, **{"note_house-72h": "Binds in any case."})
    html = officer.get(reverse("incidents:classify", args=[found.uuid])).content.decode()
    assert "Somebody fell." in html
    assert "Binds in any case." in html
    assert 'name="why_corrected"' in html
    refused = saved(officer, found)
    assert refused.status_code == 422
    assert '<a href="#id_why_corrected">' in refused.content.decode()
    assert saved(officer, found, why_corrected="The clinic called.").status_code == 302
    assert found.classifications.latest("number").reasons_by["corrected"] == "The clinic called."
    again = officer.get(reverse("incidents:classify", args=[found.uuid])).content.decode()
    assert "The clinic called." not in again
    page = text(officer.get(reverse("incidents:incident", args=[found.uuid])))
    assert "What changed The clinic called. Harm Somebody fell." in page


def test_where_one_reason_was_given_for_all_it_stands_as_it_is(officer, found, rae, as_actor):
    incident.classify(
        found, facts={"aware_at": cast.minutes_ago(5).isoformat()}, limbs=[], serious=True,
        reasons="Letters went astray.", by=as_actor(rae),
    )  # fmt: skip
    html = officer.get(reverse("incidents:incident", args=[found.uuid])).content.decode()
    assert "<blockquote>Letters went astray.</blockquote>" in html


def test_what_does_not_count_down_is_folded_with_its_earliest_date(officer, found):
    html = officer.get(reverse("incidents:classify", args=[found.uuid])).content.decode()
    [law] = re.findall(
        r'<details class="line-block" id="law-eu-gdpr-33".*?</summary>', html, re.DOTALL
    )
    assert "facts needed" in law
    assert "earliest:" in law
    assert " open>" not in law
    counting = follows(officer, found).content.decode()
    assert '<details class="line-block" id="law-house-72h" open>' in counting
