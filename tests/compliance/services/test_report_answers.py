"""What a person says of a typed field: checked, worded in the report's language, kept back or not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Report, Revision
from compliance.regimes.terms import ReportKind, UnknownPolicy
from compliance.services import deadline, release_watch, report, report_translation
from compliance.services.report_answers import MAY_STAND
from tests.compliance.papers import answered, draft, facts_known, make_incident, serious
from tests.compliance.services.test_report_stages import high_risk, in_2028, sent  # noqa: F401

pytestmark = pytest.mark.django_db
UNKNOWN = {"status": "unknown", "why": "asked the provider"}


@pytest.fixture
def made(rae, as_actor, in_2028) -> Report:  # noqa: F811
    """A draft under Article 73."""
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=as_actor(rae)) if c.stage == "initial")
    return report.start(incident, first, incident_facts=facts_known(), by=as_actor(rae))


def standing(found: Report, name: str) -> dict[str, str]:
    return report.newest(found).fields[name]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("awareness", "next Tuesday", "Date of awareness: expected date and time with their zone"),
        ("submitter_role", "king", "Role of whoever submits: expected one of the choices"),
        ("classification", "bad luck", "Kind of harm: expected kinds of harm of this regime"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(made, rae, as_actor, name, value, says) -> None:
    before = Revision.objects.count()
    with pytest.raises(ValueError, match=says):
        report.revise(made, {name: {"value": value}}, by=as_actor(rae))
    assert Revision.objects.count() == before


def test_codes_stand_in_records_and_words_in_the_report(made, rae, as_actor) -> None:
    by = as_actor(rae)
    report.declare(made, what="initial", language="de", by=by)
    said = {
        "submitter_role": {"value": "provider"},
        "awareness": {"value": "2028-01-09T09:00:00Z"},
        "classification": {"value": "health"},
    }
    report.revise(made, said, by=by)
    assert (
        standing(made, "submitter_role")["value"],
        standing(made, "submitter_role")["words"],
    ) == (
        "provider",
        "Anbieter",
    )
    assert "9. Januar 2028, 10:00" in standing(made, "awareness")["words"]
    assert standing(made, "classification")["words"].startswith("Schwere")
    report.declare(made, what="initial", language="fr", by=by)
    assert standing(made, "submitter_role")["words"] == "Fournisseur"
    twin = {each["id"]: each for each in report.content(made)["fields"]}
    assert twin["submitter_role"]["type"] == "choice"
    assert (twin["submitter"]["sensitivity"], twin["submitter"]["care"]) == (
        "personal_data",
        "données à caractère personnel",
    )
    assert twin["what_happened"]["care"] == ""


def test_the_same_answer_again_is_no_new_revision(made, rae, as_actor) -> None:
    first = report.revise(made, {"submitter_role": {"value": "provider"}}, by=as_actor(rae))
    again = report.revise(made, {"submitter_role": {"value": "provider"}}, by=as_actor(rae))
    assert again == first


def test_an_early_answer_in_other_words_may_stand(made, rae, as_actor) -> None:
    row = report.newest(made)
    early = {"value": "we made it", "status": "value", "mark": "attested", "source": "Rae",
             "why": "", "at": "2026-11-22T10:00:00Z"}  # fmt: skip
    row.fields["submitter_role"] = early
    row.save()
    report.revise(
        made,
        {"submitter_role": {"value": "we made it"}, "affected": {"value": "Two people."}},
        by=as_actor(rae),
    )
    assert standing(made, "submitter_role") == early
    told = {each["id"]: each for each in report.content(made)["fields"]}
    assert told["submitter_role"]["value"] == "we made it"


def test_what_must_be_answered_takes_no_statement_in_its_place(made, rae, as_actor) -> None:
    with pytest.raises(ValueError, match="Kind of report: this rule takes no such statement"):
        report.revise(made, {"report_type": UNKNOWN}, by=as_actor(rae))
    assert set(MAY_STAND) == set(UnknownPolicy)


def test_what_is_kept_back_is_on_record_and_in_no_paper(rae, as_actor) -> None:
    by = as_actor(rae)
    aware = now() - timedelta(hours=3)
    incident = make_incident()
    facts = serious(
        aware, limbs=["death"], gpai_systemic_risk_provider=True, eu_market=True,
        legacy_gpai_model=False, model_involvement_aware_at="2026-11-30T09:00:00Z",
    )  # fmt: skip
    clocks = deadline.compute(incident.subject, incident, facts, by=by)
    first = next(c for c in clocks if (c.regime, c.stage) == ("eu-gpai-55-cop9", "initial"))
    made = report.start(incident, first, incident_facts=facts_known(), by=by)
    report.revise(made, {"awareness": {"value": "2026-11-30T09:00:00Z"}}, by=by)
    assert "awareness" in {each.id for each in report.fields_of(made)}
    assert "awareness" not in {each["id"] for each in report.content(made)["fields"]}
    assert standing(made, "awareness")["status"] == "value"
    assert "awareness" not in report_translation.to_translate(made)


def test_taking_an_offered_report_leaves_open_what_must_be_answered(rae, as_actor, made) -> None:
    row = report.newest(made)
    row.fields["report_type"] = {"value": "", "status": "missing", "mark": "missing"}
    row.save()
    Report.objects.filter(pk=made.pk).update(is_incomplete=True)
    made.refresh_from_db()
    with pytest.raises(TransitionRefused, match="Kind of report"):
        release_watch.accept(made, by=as_actor(rae))


def test_kinds_of_report_are_those_that_the_recipient_knows() -> None:
    assert {each.value for each in ReportKind} == set(Report.What.values)


def test_no_withdrawal_where_the_form_knows_none_and_what_to_do_instead(
    made, rae, as_actor
) -> None:
    by = as_actor(rae)
    sent(made, by=by)
    assert set(report.further(made)) == {"follow_up", "final", "final_non_reportable"}
    with pytest.raises(
        TransitionRefused, match=r"the recipient's form knows none.* not reportable"
    ):
        report.follow(made, "withdrawal", note="wrong system", by=by)
    with pytest.raises(TransitionRefused, match=r"Intermediate report.*is not offered") as refused:
        report.follow(made, "intermediate", note="news", by=by)
    assert "not reportable" not in str(refused.value)
    assert "replaced by a correction" in str(refused.value)
    made.refresh_from_db()
    assert made.state == "acknowledged"


def test_where_nobody_found_out_the_page_says_so(rae, as_actor) -> None:
    by = as_actor(rae)
    aware = now() - timedelta(minutes=5)
    incident = make_incident()
    facts = serious(aware, nis2_entity_in_scope=True, significant_incident=True)
    clocks = deadline.compute(incident.subject, incident, facts, by=by)
    first = next(c for c in clocks if (c.regime, c.stage) == ("eu-nis2-23", "early_warning"))
    made = report.start(incident, first, incident_facts=facts_known(), by=by)
    assert "nobody found out" in report.not_offered(made, "withdrawal")
    assert "correction" in report.not_offered(made, "withdrawal")
    assert report.not_offered(made, "final_non_reportable") == ""


def test_the_house_knows_every_kind(rae, as_actor) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    assert set(report.further(made)) == report.FURTHER
    assert draft(make_incident(), by=as_actor(rae)).what == "initial"
