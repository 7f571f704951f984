"""The second floor's pages: each answers, hides itself from outsiders, and does what it offers."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from compliance.clock import now
from compliance.models import ClockInstance
from compliance.services import fact
from incidents.models import Alert, Event, Incident, Rollback, Shift
from incidents.services import hold, incident, review, rollback, rule
from incidents.views import shown
from tests.incidents import cast
from tests.incidents.services.test_review import RULE

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(burning, bo, rae, as_actor):
    """An incident with an alert, a classification, a hold and a rollback that waits."""
    key = burning.deployment.key
    hostile = "send_mail\u202e<script>alert(1)</script>"
    cast.judge(burning.deployment, cast.body(cast.tool_call(1, hostile), key=key))
    incident.classify(
        burning.incident,
        facts={"aware_at": cast.minutes_ago(5).isoformat()},
        limbs=["cyber_breach"],
        serious=True,
        reasons="Credentials left.",
        by=as_actor(rae),
    )
    incident.choose(burning.incident, choice="emergency", reason="It leaks.", by=as_actor(rae))
    hold.place(burning.incident, reason="Before acting.", by=as_actor(bo))
    rollback.request(burning.incident, burning.good, reason="It leaks.", by=as_actor(bo))
    burning.incident.refresh_from_db()
    return burning


def addresses(stage) -> list[str]:
    """Every page that shows something of the scene."""
    named = {
        "incidents:incident": stage.incident.uuid,
        "incidents:classify": stage.incident.uuid,
        "incidents:deployment": stage.deployment.uuid,
        "incidents:alert": Alert.objects.first().uuid,
        "incidents:event": Event.objects.first().uuid,
        "incidents:rollback": Rollback.objects.get().uuid,
    }
    return [reverse(name, args=[uuid]) for name, uuid in named.items()]


def test_what_matched_is_named_in_words(scene, ada, client_as):
    alert = Alert.objects.get(rule_key="tool_outside_manifest")
    html = client_as(ada).get(reverse("incidents:alert", args=[alert.uuid])).content.decode()
    assert "<dt>Tool</dt>" in html
    assert "gen_ai.tool.name" not in html
    page = client_as(ada).get(reverse("incidents:incident", args=[scene.incident.uuid]))
    assert b"gen_ai." not in page.content


def test_a_field_that_has_no_name_here_stands_as_its_instrument_calls_it():
    (digest, other) = shown.matched({"x.sha256": "a" * 64, "app.colour": "red"})
    assert (digest.kind, digest.label) == ("digest", "")
    assert (other.name, other.kind) == ("app.colour", "text")
    (who, since) = shown.matched({"said_by": "target", "silent since": "2026-11-22T20:33:56+00:00"})
    assert str(who.value) == "answered by the target"
    assert since.value.isoformat() == "2026-11-22T20:33:56+00:00"


def test_the_wizard_names_the_zone_of_its_times(scene, rae, client_as):
    html = client_as(rae).get(reverse("incidents:classify", args=[scene.incident.uuid])).content
    assert b"Times are in your zone, Europe/Berlin." in html


LISTS = ["observe", "alerts", "rules", "respond", "rota"]


def test_every_page_answers_for_those_who_read(scene, rae, ada, client_as):
    for person in (rae, ada):
        browser = client_as(person)
        for address in [*addresses(scene), *(reverse(f"incidents:{name}") for name in LISTS)]:
            answer = browser.get(address)
            assert answer.status_code == 200, (address, person)
            assert b"<script>alert(1)" not in answer.content
            assert "\u202e".encode() not in answer.content


def test_objects_do_not_exist_for_an_outsider(scene, dee, client_as):
    browser = client_as(dee)
    assert {browser.get(address).status_code for address in addresses(scene)} == {404}
    assert {browser.get(reverse(f"incidents:{name}")).status_code for name in LISTS} <= {200, 403}


def test_a_restricted_incident_hides_itself_but_not_its_alert(scene, cy, client_as):
    scene.incident.subject.restricted = True
    scene.incident.subject.save()
    browser = client_as(cy)
    assert browser.get(reverse("incidents:incident", args=[scene.incident.uuid])).status_code == 404
    alert = browser.get(reverse("incidents:alert", args=[Alert.objects.first().uuid]))
    assert alert.status_code == 200
    assert scene.incident.reference.encode() not in alert.content


def test_the_auditor_is_offered_no_act(scene, cy, client_as):
    answer = client_as(cy).get(reverse("incidents:incident", args=[scene.incident.uuid]))
    assert answer.status_code == 200
    for word in (b"Hold evidence", b"Roll back</button>", b"Acknowledge</button>", b"Write note"):
        assert word not in answer.content


def test_one_press_acknowledges(scene, bo, client_as):
    browser = client_as(bo)
    browser.post(reverse("incidents:acknowledge", args=[scene.incident.uuid]))
    scene.incident.refresh_from_db()
    assert scene.incident.acknowledged_by == bo


def test_the_wizard_shows_what_would_follow_and_saves_nothing(burning, rae, client_as):
    browser = client_as(rae)
    asked = {
        "at_aware_at": now().strftime("%Y-%m-%dT%H:%M"),
        "serious": "yes",
        "limb_cyber_breach": "on",
    }
    address = reverse("incidents:preview", args=[burning.incident.uuid])
    part = browser.post(address, asked, headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert b"<html" not in part.content
    assert b"72" in part.content
    assert not ClockInstance.objects.exists()
    whole = browser.post(
        reverse("incidents:classify", args=[burning.incident.uuid]), {**asked, "look": "1"}
    )
    assert whole.status_code == 200
    assert not burning.incident.classifications.exists()


def test_the_wizard_saves_when_told_to(burning, rae, client_as):
    asked = {
        "at_aware_at": cast.minutes_ago(30).astimezone().strftime("%Y-%m-%dT%H:%M"),
        "serious": "yes",
        "limb_cyber_breach": "on",
        "word_data_affected": "API keys",
        **cast.why("Credentials left."),
        "confirmed": "on",
        "save": "1",
    }
    rae.zone = "UTC"
    rae.save()
    answer = client_as(rae).post(reverse("incidents:classify", args=[burning.incident.uuid]), asked)
    assert answer.status_code == 302
    classified = burning.incident.classifications.get()
    assert classified.limbs == ["cyber_breach"]
    assert classified.details == {"data_affected": "API keys"}
    assert ClockInstance.objects.filter(regime="house-72h").exists()


def test_the_wizard_names_what_is_missing(burning, rae, client_as):
    answer = client_as(rae).post(
        reverse("incidents:classify", args=[burning.incident.uuid]), {"save": "1"}
    )
    assert answer.status_code == 422
    assert not burning.incident.classifications.exists()


def high_risk(stage, **columns) -> None:
    """The system of the scene as its record classifies it."""
    system = stage.deployment.system
    for name, value in {"risk_class": "annex_iii", "member_states": ["DE"], **columns}.items():
        setattr(system, name, value)
    system.save()


def chosen(page: str, name: str) -> str:
    """What a question's input stands at."""
    options = re.search(rf'<select name="{name}".*?</select>', page, re.DOTALL)[0]
    found = re.search(r'<option value="(\w*)" selected', options)
    return found[1] if found else ""


def wizard(**answers: str) -> dict[str, str]:
    """A finding of harm to health, of which somebody knew half an hour ago."""
    at = cast.minutes_ago(30).strftime("%Y-%m-%dT%H:%M")
    said = {"at_aware_at": at, "serious": "yes", "limb_health": "on"}
    return {**said, **cast.why("Somebody fell."), "save": "1", **answers}


@pytest.fixture
def officer(rae, client_as):
    rae.zone = "UTC"
    rae.save()
    return client_as(rae)


def test_the_wizard_suggests_what_the_systems_record_says_and_names_it(burning, officer):
    high_risk(burning)
    shown = officer.get(
        reverse("incidents:classify", args=[burning.incident.uuid])
    ).content.decode()
    assert chosen(shown, "is_annex_iii") == "yes"
    assert chosen(shown, "is_annex_i") == "no"
    assert "from the system&#x27;s record: risk class high-risk, Annex III" in shown
    assert "from the system&#x27;s record: Member States DE" in shown
    fact.answer(burning.deployment.system, {"controller": True}, reason="R-17.", by=cast.MAKER)
    again = officer.get(reverse("incidents:classify", args=[burning.incident.uuid]))
    assert again.content.decode().count("from the system&#x27;s record") > shown.count(
        "from the system&#x27;s record"
    )
    assert shown.index('name="is_annex_iii"') < shown.index("that the register does not answer")


def test_the_wizard_guesses_nothing_for_a_system_that_is_not_classified(burning, officer):
    high_risk(burning, risk_class="unknown", member_states=[])
    shown = officer.get(
        reverse("incidents:classify", args=[burning.incident.uuid])
    ).content.decode()
    for name in ("is_annex_iii", "is_annex_i", "is_eu_market"):
        assert chosen(shown, name) == ""
    in_force = {"aware_at": "2029-01-10T09:00:00Z"}
    found = incident.preview(burning.incident, facts=in_force, limbs=["health"], serious=True)
    assert next(each for each in found if each.key == "eu-aia-73").applies == "facts_needed"


def test_a_suggestion_counts_only_once_the_person_confirms_it(burning, officer):
    high_risk(burning)
    address = reverse("incidents:classify", args=[burning.incident.uuid])
    refused = officer.post(address, wizard(is_annex_iii="yes"))
    assert refused.status_code == 422
    assert b"Confirm these answers" in refused.content
    assert not burning.incident.classifications.exists()
    officer.post(address, wizard(is_annex_iii="yes", confirmed="on"))
    facts = burning.incident.classifications.get().facts
    assert facts["annex_iii"] is True
    assert "annex_iii" in facts["stated"]


def test_a_suggestion_that_the_person_takes_back_is_not_known(burning, officer):
    high_risk(burning)
    address = reverse("incidents:classify", args=[burning.incident.uuid])
    officer.post(address, wizard(is_annex_iii="", is_annex_i="no", confirmed="on"))
    assert "annex_iii" not in burning.incident.classifications.get().facts


def test_the_engineer_does_not_classify(burning, bo, client_as):
    assert (
        client_as(bo).get(reverse("incidents:classify", args=[burning.incident.uuid])).status_code
        == 403
    )


def test_a_hold_by_the_dialog(burning, bo, client_as):
    address = reverse("incidents:hold", args=[burning.incident.uuid])
    browser = client_as(bo)
    browser.post(address, {"reason": ""})
    assert not burning.incident.holds.exists()
    browser.post(address, {"reason": "Before acting."})
    assert burning.incident.holds.get().placed_by == bo


def test_a_rollback_is_approved_by_another_person_in_the_browser(scene, bo, ada, client_as):
    asked = Rollback.objects.get()
    own = client_as(bo)
    assert (
        b"somebody else must approve"
        in own.get(reverse("incidents:rollback", args=[asked.uuid])).content
    )
    assert own.post(reverse("incidents:approve_rollback", args=[asked.uuid])).status_code == 403
    answer = client_as(ada).post(reverse("incidents:approve_rollback", args=[asked.uuid]))
    assert answer.status_code == 302
    asked.refresh_from_db()
    assert asked.approved_by == ada


def test_a_rollback_is_asked_for_in_the_dialog(burning, bo, rae, as_actor, client_as):
    incident.choose(burning.incident, choice="emergency", reason="It leaks.", by=as_actor(rae))
    address = reverse("incidents:ask_rollback", args=[burning.incident.uuid])
    answer = client_as(bo).post(
        address, {"to_version": str(burning.good.uuid), "reason": "It leaks."}
    )
    assert answer.status_code == 302
    assert Rollback.objects.get().to_version == burning.good


def test_a_refused_rollback_says_what_is_missing(burning, bo, client_as):
    address = reverse("incidents:ask_rollback", args=[burning.incident.uuid])
    answer = client_as(bo).post(
        address, {"to_version": str(burning.good.uuid), "reason": "It leaks."}
    )
    assert answer.status_code == 409
    assert b"Art. 73(6)" in answer.content


def test_the_panel_of_a_rollback_is_a_part_of_the_page(scene, ada, client_as):
    asked = Rollback.objects.get()
    part = client_as(ada).get(
        reverse("incidents:rollback", args=[asked.uuid]), headers={"HX-Request": "true"}
    )
    assert b"rollback-panel" in part.content
    assert b"<html" not in part.content


def test_an_alert_is_worked_in_the_browser(bo, client_as):
    deployment, _ = cast.watched("staging")
    cast.judge(deployment, cast.body(cast.tool_call(1, "send_mail"), key=deployment.key))
    Incident.objects.all()
    raised = Alert.objects.get(rule_key="tool_outside_manifest")
    browser = client_as(bo)
    assert b"send_mail" in browser.get(reverse("incidents:alert", args=[raised.uuid])).content
    browser.post(
        reverse("incidents:resolve_alert", args=[raised.uuid]),
        {"disposition": "benign_expected", "reason": "Known."},
    )
    raised.refresh_from_db()
    assert (raised.state, raised.disposition) == ("resolved", "benign_expected")


def test_the_rota_takes_a_shift_and_names_the_gaps(ada, bo, client_as):
    browser = client_as(ada)
    before = browser.get(reverse("incidents:rota"))
    assert b"Nobody on the first rung" in before.content
    ada.zone = "UTC"
    ada.save()
    start = now() - timedelta(hours=1)
    answer = browser.post(
        reverse("incidents:rota"),
        {
            "person": str(bo.uuid),
            "rung": "1",
            "starts_at": start.strftime("%Y-%m-%dT%H:%M"),
            "ends_at": (start + timedelta(days=40)).strftime("%Y-%m-%dT%H:%M"),
        },
    )
    assert answer.status_code == 302
    assert Shift.objects.get().person == bo
    assert b"Somebody stands on the first rung" in browser.get(reverse("incidents:rota")).content
    browser.post(reverse("incidents:remove_shift", args=[Shift.objects.get().uuid]))
    assert not Shift.objects.exists()


def test_the_auditor_changes_no_rota(cy, bo, client_as):
    answer = client_as(cy).post(
        reverse("incidents:set_step"), {"rung": "1", "wait_minutes": "5", "channels": ["null"]}
    )
    assert answer.status_code == 403


def test_a_week_that_is_no_date_is_this_week(ada, client_as):
    assert client_as(ada).get(reverse("incidents:rota"), {"week": "2026-13-99"}).status_code == 200


def test_a_review_takes_a_rule_and_shows_its_replay(burning, bo, as_actor, client_as):
    cast.judge(
        burning.deployment, cast.body(cast.tool_call(1, "send_mail"), key=burning.deployment.key)
    )
    Incident.objects.filter(pk=burning.incident.pk).update(state="resolved")
    burning.incident.refresh_from_db()
    browser = client_as(bo)
    browser.post(reverse("incidents:begin_review", args=[burning.incident.uuid]))
    begun = burning.incident.review
    address = reverse("incidents:review", args=[begun.uuid])
    assert browser.get(address).status_code == 200
    bad = browser.post(
        reverse("incidents:add_rule", args=[begun.uuid]), {"title": "x", "source": "a: b"}
    )
    assert bad.status_code == 422
    browser.post(
        reverse("incidents:add_rule", args=[begun.uuid]), {"title": "Mail", "source": RULE}
    )
    lesson = begun.lessons.get()
    assert b"not replayed yet" in browser.get(address).content
    browser.post(reverse("incidents:replay", args=[lesson.uuid]))
    assert b"would have caught it" in browser.get(address).content
    added = review.rule_of(lesson)
    assert browser.get(reverse("incidents:rule", args=[added.uuid])).status_code == 200
    browser.post(reverse("incidents:activate_rule", args=[added.uuid]))
    assert "agent_sends_mail" in rule.in_force().by_key
    browser.post(
        reverse("incidents:write_review", args=[begun.uuid]),
        {"summary": "Mail.", "causes": "No rule."},
    )
    browser.post(reverse("incidents:finish_review", args=[begun.uuid]))
    begun.refresh_from_db()
    assert begun.state == "finished"
    assert browser.get(address).status_code == 200


def test_a_person_opens_an_incident(burning, bo, client_as):
    browser = client_as(bo)
    address = reverse("incidents:open")
    assert browser.get(address).status_code == 200
    answer = browser.post(
        address,
        {
            "deployment": str(burning.deployment.uuid),
            "title": "A customer called",
            "severity": "sev2",
        },
    )
    assert answer.status_code == 302
    assert Incident.objects.latest("pk").version == burning.good


def test_working_an_incident_to_its_end(scene, bo, ada, as_actor, client_as):
    browser = client_as(bo)
    Rollback.objects.update(state="rejected")

    def press(name: str, **said: str) -> str:
        browser.post(reverse(f"incidents:{name}", args=[scene.incident.uuid]), said)
        scene.incident.refresh_from_db()
        return scene.incident.state

    assert press("acknowledge") == "acknowledged"
    assert press("note", text="The tool is off.") == "acknowledged"
    assert press("contain", reason="The tool is off.") == "contained"
    assert press("resolve", reason="Two keys were replaced.") == "resolved"
    assert press("reopen", reason="It came back.") == "open"
    page = browser.get(reverse("incidents:incident", args=[scene.incident.uuid])).content
    assert b"The tool is off." in page
    assert b"reopened the incident" in page
