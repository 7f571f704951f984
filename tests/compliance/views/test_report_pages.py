"""Pages about what a report is: its kind and language, what follows it, its translations, its law."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from compliance.models import Report
from compliance.permissions import Role
from compliance.services import account, report, report_translation
from tests.compliance.papers import answered, draft, make_incident
from tests.compliance.services.test_report_languages import translated
from tests.compliance.services.test_report_stages import UNKNOWN, high_risk, in_2028, sent  # noqa: F401

pytestmark = pytest.mark.django_db


def at(name: str, *args: object) -> str:
    return reverse(f"compliance:{name}", args=args)


def test_kind_and_language_are_declared_on_a_page(rae, as_actor, client_as) -> None:
    made = draft(make_incident(), by=as_actor(rae))
    client = client_as(rae)
    assert b"Initial and final report in one" in client.get(at("declare_report", made.uuid)).content
    client.post(at("declare_report", made.uuid), {"what": "combined", "language": "de"})
    made.refresh_from_db()
    assert (made.what, made.language) == ("combined", "de")
    shown = client.get(at("report", made.uuid)).content.decode()
    assert "Initial and final report in one" in shown
    assert 'lang="en"' in shown, "pages stay in the installation's language"


def test_a_further_report_is_begun_from_a_filed_one(rae, as_actor, client_as) -> None:
    filed = answered(make_incident(), by=as_actor(rae))
    client = client_as(rae)
    before = client.get(at("report", filed.uuid)).content.decode()
    assert "Further report or withdrawal" not in before
    sent(filed, by=as_actor(rae))
    assert "Further report or withdrawal" in client.get(at("report", filed.uuid)).content.decode()
    client.post(at("follow_report", filed.uuid), {"what": "withdrawal", "reason": "Another one."})
    made = Report.objects.get(what="withdrawal")
    assert "Another one." in client.get(at("report", made.uuid)).content.decode()
    assert client.post(at("follow_report", filed.uuid), {"what": "withdrawal"}).status_code == 422


def test_a_translation_is_typed_beside_the_original_and_approved_by_another(
    rae, ada, as_actor, client_as
) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    page = client_as(rae).get(at("translate_report", made.uuid, "de")).content.decode()
    assert "A key was sent" in page
    typed = {
        f"{name}-{part}": text
        for name, parts in translated(made).items()
        for part, text in parts.items()
    }
    answer = client_as(rae).post(at("translate_report", made.uuid, "de"), typed)
    assert answer.status_code == 302
    tab = at("report_tab", made.uuid, "translations")
    assert "Approve the translation" not in client_as(rae).get(tab).content.decode()
    shown = client_as(ada).get(tab).content.decode()
    assert "Approve the translation" in shown
    assert "The authoritative text is the original, not this translation." in shown
    client_as(ada).post(at("approve_translation", made.uuid, "de"))
    assert [each.language for each in report_translation.approved(made)] == ["de"]
    assert client_as(rae).get(at("translate_report", made.uuid, "en")).status_code == 404


def test_who_wrote_part_of_a_report_is_offered_no_approval_by_another_account(
    rae, ada, root, as_actor, client_as
) -> None:
    roles = [Role.FILING_OFFICER, Role.GOVERNANCE_LEAD]
    lea = account.make("lea@example.org", "Lea", roles, by=root)
    again = account.make("lea+lead@example.org", "Lea", roles, by=root)
    made = draft(make_incident(), by=as_actor(rae))
    report.revise(made, {"harm": {"value": "None."}}, by=as_actor(lea))
    rest = {each.id: UNKNOWN for each in report.missing(made)}
    report.revise(made, rest, by=as_actor(rae))
    report.submit(made, by=as_actor(rae))
    for person, reason in (
        (lea, "Lea has written part of this report;"),
        (again, "by another account: both share a mailbox"),
        (ada, ""),
    ):
        page = client_as(person).get(at("report", made.uuid)).content.decode()
        assert reason in page
        assert ("Approve report" in page) is (not reason), person
        assert "Return for changes" in page
    assert client_as(again).post(at("approve_report", made.uuid)).status_code == 403


def test_who_asked_for_approval_is_offered_no_answer(rae, root, as_actor, client_as) -> None:
    roles = [Role.FILING_OFFICER, Role.GOVERNANCE_LEAD]
    lea = account.make("lea@example.org", "Lea", roles, by=root)
    again = account.make("lea+lead@example.org", "Lea", roles, by=root)
    made = draft(make_incident(), by=as_actor(rae))
    report.revise(made, {each.id: UNKNOWN for each in report.missing(made)}, by=as_actor(rae))
    report.submit(made, by=as_actor(lea))
    for person in (lea, again):
        page = client_as(person).get(at("report", made.uuid)).content.decode()
        assert "asked for this approval" in page
        assert "Approve report" not in page
        assert "Return for changes" not in page
        assert client_as(person).post(at("approve_report", made.uuid)).status_code == 403


def test_an_open_field_leads_to_the_article_that_asks_for_it(
    rae,
    as_actor,
    client_as,
    in_2028,  # noqa: F811
) -> None:
    by = as_actor(rae)
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    facts = report.IncidentFacts(reference="INC-1", title="Keys left the house")
    made = report.start(incident, first, incident_facts=facts, by=by)
    page = client_as(rae).get(at("report", made.uuid)).content.decode()
    law = at("regime_version", "eu-aia-73", made.regime_version)
    anchors = set(re.findall(rf'href="{law}#([\w-]+)"', page))
    assert "art-73" in anchors
    held = set(re.findall(r'id="([\w-]+)"', client_as(rae).get(law).content.decode()))
    assert anchors <= held
    assert "not an admission" in page


def test_a_stage_is_compared_with_what_was_filed_before(
    rae,
    as_actor,
    client_as,
    in_2028,  # noqa: F811
) -> None:
    by = as_actor(rae)
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    facts = report.IncidentFacts(reference="INC-1", title="Keys left the house")
    filed = report.start(incident, first, incident_facts=facts, by=by)
    report.revise(filed, {"affected": {"value": "Two people."}}, by=by)
    following = next(each for each in sent(filed, by=by) if each.regime == "eu-aia-73")
    report.revise(following, {"affected": {"value": "Three people."}}, by=by)
    page = client_as(rae).get(at("report_tab", following.uuid, "revisions")).content.decode()
    assert "Against what was filed before" in page
    assert "<del>Two people.</del>" in page
    assert "<ins>Three people.</ins>" in page


def test_the_pages_are_closed_to_whoever_may_not_read_reports(bo, rae, as_actor, client_as) -> None:
    made = draft(make_incident(restricted=True), by=as_actor(rae))
    for name, args in (
        ("declare_report", ()),
        ("follow_report", ()),
        ("translate_report", ("de",)),
    ):
        assert client_as(bo).get(at(name, made.uuid, *args)).status_code == 404


def test_a_wrong_answer_comes_back_with_everything_that_was_typed(
    rae,
    as_actor,
    client_as,
    in_2028,  # noqa: F811
) -> None:
    by = as_actor(rae)
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    facts = report.IncidentFacts(reference="INC-1", title="Keys left the house")
    made = report.start(incident, first, incident_facts=facts, by=by)
    address, client = at("edit_report", made.uuid), client_as(rae)
    page = client.get(address).content.decode()
    assert "Goes to:" in page
    assert "<strong>personal data</strong>" in page
    assert 'type="datetime-local" name="awareness-value"' in page
    typed = {f"{each.id}-status": "value" for each in report.fields_of(made)}
    typed |= {"awareness-value": "next Tuesday", "affected-value": "Two people."}
    answer = client.post(address, typed)
    again = answer.content.decode()
    assert answer.status_code == 422
    assert "Nothing was saved yet." in again
    assert "“next Tuesday” is no date with a time." in again
    assert 'value="next Tuesday"' in again
    assert "Two people." in again
    assert report.newest(made).number == 1
    typed |= {"awareness-value": "2028-01-10T09:00", "submitter_role-value": "provider"}
    assert client.post(address, typed).status_code == 302
    fields = report.newest(made).fields
    assert fields["awareness"]["value"] == "2028-01-10T08:00:00Z"
    assert fields["affected"]["value"] == "Two people."
    shown = client.get(at("report", made.uuid)).content.decode()
    assert "10 January 2028, 09:00" in shown
    assert "Provider" in shown


def test_a_withdrawal_that_the_form_does_not_know_is_not_offered_and_the_page_says_why(
    rae,
    as_actor,
    client_as,
    in_2028,  # noqa: F811
) -> None:
    by = as_actor(rae)
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    facts = report.IncidentFacts(reference="INC-1", title="Keys left the house")
    filed = report.start(incident, first, incident_facts=facts, by=by)
    sent(filed, by=by)
    client = client_as(rae)
    page = client.get(at("report", filed.uuid)).content.decode()
    assert "Further report" in page
    assert "Further report or withdrawal" not in page
    form = client.get(at("follow_report", filed.uuid)).content.decode()
    assert 'value="withdrawal"' not in form
    assert "knows none" in form
    assert "Send a final report that finds the incident not reportable" in form
    said = {"what": "withdrawal", "reason": "Another one."}
    assert client.post(at("follow_report", filed.uuid), said).status_code == 422
    assert not Report.objects.filter(what="withdrawal").exists()
