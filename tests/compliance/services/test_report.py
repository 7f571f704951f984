"""Reports: prefilled with provenance, missing fields named, four eyes, one digest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compliance import clock
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Document, Filing
from compliance.permissions import NotAllowed
from compliance.services import approval, deadline, report
from tests.compliance.papers import (
    answered,
    draft,
    facts_known,
    house_clock,
    make_incident,
    serious,
)

pytestmark = pytest.mark.django_db


def test_a_draft_says_what_is_known_and_how(rae, as_actor) -> None:
    fields = report.newest(draft(make_incident(), by=as_actor(rae))).fields
    assert fields["version"]["mark"] == "measured"
    assert fields["version"]["source"] == "event:0193"
    assert fields["what_happened"]["value"] == "A key was sent\nto a stranger."
    assert fields["harm"]["mark"] == "missing"


def test_the_regime_is_pinned(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    assert (begun.regime, begun.regime_version) == ("house-72h", "1.0.0")
    assert len(begun.regime_sha256) == 64


def test_missing_fields_are_named_and_keep_it_from_being_submitted(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    with pytest.raises(TransitionRefused, match="Harm and who is affected"):
        report.submit(begun, by=as_actor(rae))


def test_not_known_needs_a_reason_and_then_counts_as_an_answer(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    with pytest.raises(ValueError, match="say why"):
        report.revise(begun, {"harm": {"status": "unknown"}}, by=as_actor(rae))
    report.revise(begun, {"harm": {"status": "unknown", "why": "still counted"}}, by=as_actor(rae))
    assert "harm" not in {each.id for each in report.missing(begun)}


def test_a_stated_unknown_is_attested_by_whoever_states_it_and_not_missing(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    with clock.held(now()) as held:
        unknown = {"status": "unknown", "why": "still counted"}
        report.revise(begun, {"harm": unknown}, by=as_actor(rae))
        assert report.newest(begun).fields["harm"] == {
            "value": "",
            "status": "unknown",
            "mark": "attested",
            "source": "Rae",
            "why": "still counted",
            "at": clock.stamp(held.at),
        }
    assert dict_of(report.content(begun))["harm"]["mark"] == "attested"


def test_a_revision_that_marked_a_stated_unknown_as_missing_is_read_rightly(rae, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    old = report.newest(begun)
    old.fields["harm"]["mark"] = "missing"
    old.save()
    assert dict_of(report.content(begun))["harm"]["mark"] == "attested"


def dict_of(content) -> dict:
    return {each["id"]: each for each in content["fields"]}


def breach(rae, *, hours_ago: float):
    """A draft under the GDPR: 72 hours, and reasons where it comes later."""
    incident = make_incident()
    facts = serious(
        now() - timedelta(hours=hours_ago),
        controller=True, personal_data_breach=True, eu_personal_data=True, risk_unlikely=False,
    )  # fmt: skip
    clocks = deadline.compute(incident.subject, incident, facts, by=rae)
    counting = next(each for each in clocks if each.regime == "eu-gdpr-33")
    begun = report.start(incident, counting, incident_facts=facts_known(), by=rae)
    unknown = {"status": "unknown", "why": "the review is not over"}
    others = [f.id for f in report.fields_of(begun) if f.id != "late_reasons"]
    report.revise(begun, dict.fromkeys(others, unknown), by=rae)
    return begun


def test_reasons_for_delay_are_not_needed_while_the_report_would_be_in_time(rae, as_actor) -> None:
    begun = breach(as_actor(rae), hours_ago=2)
    assert report.missing(begun) == []
    said = dict_of(report.content(begun))["late_reasons"]
    assert (said["status"], said["mark"]) == ("not_needed", "")
    report.submit(begun, by=as_actor(rae))
    assert begun.state == "review"


def test_reasons_for_delay_are_needed_once_the_target_has_passed(rae, as_actor) -> None:
    begun = breach(as_actor(rae), hours_ago=2)
    limit = report.limit(begun)
    with clock.held(limit):
        assert report.missing(begun) == []
    with clock.held(limit + timedelta(seconds=1)):
        assert [each.id for each in report.missing(begun)] == ["late_reasons"]
        with pytest.raises(TransitionRefused, match="Reasons, where later than the period"):
            report.submit(begun, by=as_actor(rae))
        report.revise(begun, {"late_reasons": {"value": "Nobody was there."}}, by=as_actor(rae))
        report.submit(begun, by=as_actor(rae))
    assert begun.state == "review"


def test_a_report_that_became_late_while_it_waited_is_not_approved(rae, ada, as_actor) -> None:
    begun = breach(as_actor(rae), hours_ago=2)
    report.submit(begun, by=as_actor(rae))
    with clock.held(report.limit(begun) + timedelta(seconds=1)):
        with pytest.raises(TransitionRefused, match="time ran out while this report waited"):
            report.approve(begun, by=as_actor(ada))
        report.send_back(begun, by=as_actor(ada), note="say why it is late")
        report.revise(begun, {"late_reasons": {"value": "It waited."}}, by=as_actor(rae))
        report.submit(begun, by=as_actor(rae))
        report.approve(begun, by=as_actor(ada))
    assert begun.state == "approved"


def test_a_correction_of_what_was_in_time_is_not_late(rae, as_actor) -> None:
    begun = breach(as_actor(rae), hours_ago=2)
    sent = now()
    Filing.objects.create(
        report=begun, way="null", report_sha256="0" * 64, filed_by=rae,
        state="acknowledged", asked_at=sent, sent_at=sent,
    )  # fmt: skip
    with clock.held(report.limit(begun) + timedelta(days=9)):
        assert report.missing(begun) == []


def test_saving_what_stands_already_makes_no_revision(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    number = report.newest(begun).number
    same = {name: dict(answer) for name, answer in report.newest(begun).fields.items()}
    report.revise(begun, same, by=as_actor(rae))
    assert report.newest(begun).number == number


def test_changing_what_was_measured_makes_it_attested(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    report.revise(begun, {"version": {"value": "another"}}, by=as_actor(rae))
    said = report.newest(begun).fields["version"]
    assert said.pop("at")
    assert said == {
        "value": "another",
        "status": "value",
        "mark": "attested",
        "source": "Rae",
        "why": "",
    }


def test_a_field_that_the_regime_does_not_ask_for_is_refused(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    with pytest.raises(ValueError, match="does not ask"):
        report.revise(begun, {"favourite_colour": {"value": "green"}}, by=as_actor(rae))


def test_hostile_text_is_tamed_before_it_is_kept(rae, as_actor) -> None:
    begun = draft(make_incident(), by=as_actor(rae))
    report.revise(begun, {"harm": {"value": "a\u202eb\x00c"}}, by=as_actor(rae))
    assert report.newest(begun).fields["harm"]["value"] == "a[U+202E]bc"


def test_who_drafted_cannot_approve(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    with pytest.raises(NotAllowed):
        report.approve(begun, by=as_actor(rae))


def test_a_second_person_approves_exactly_this_revision(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    made = report.approve(begun, by=as_actor(ada))
    assert begun.state == "approved"
    assert begun.approved_sha256 == report.current_sha256(begun)
    assert made.content["revision_sha256"] == begun.approved_sha256
    assert made.content["approved_by"] == ["Ada"]
    assert made.content["record"]["verification_key"]
    assert made.is_simulation


def test_reopening_makes_the_approval_void(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    report.approve(begun, by=as_actor(ada))
    report.reopen(begun, by=as_actor(rae), note="a typo")
    assert begun.approved_sha256 == ""
    assert not approval.holds(begun, report.PURPOSE, report.current_sha256(begun))


def test_nothing_is_changed_while_a_second_person_looks(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    with pytest.raises(TransitionRefused, match="reopen it before changing it"):
        report.revise(begun, {"harm": {"value": "none"}}, by=as_actor(rae))
    report.send_back(begun, by=as_actor(ada), note="say more")
    report.revise(begun, {"harm": {"value": "none"}}, by=as_actor(rae))
    assert begun.state == "drafting"


def test_a_paper_of_older_text_is_not_attached(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    old = report.approve(begun, by=as_actor(ada))
    report.reopen(begun, by=as_actor(rae), note="a typo")
    report.attach(begun, Document.objects.get(pk=old.pk), by=as_actor(ada))
    assert begun.pdf is None


def test_a_machine_cannot_draft(root) -> None:
    with pytest.raises(NotAllowed, match="not a person"):
        draft(make_incident(), by=root)


def test_a_report_is_begun_once_for_each_clock(rae, as_actor) -> None:
    incident, facts = make_incident(), serious()
    deadline.compute(incident.subject, incident, facts, by=as_actor(rae))
    first = report.start_due(incident, facts_known(), by=as_actor(rae))
    assert first
    assert report.start_due(incident, facts_known(), by=as_actor(rae)) == []


EXACT = "2026-11-22T20:33:53.311375Z"
SAID = "22 November 2026, 21:33:53 CET"


def known(**more: report.Known) -> report.IncidentFacts:
    """What the records know exactly: a kind of harm, an instant, what was done when."""
    at = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
    return report.IncidentFacts(
        reference="INC-1",
        title="Keys left the house",
        is_simulation=True,
        known={
            "incident.classification.limbs": report.Known(
                "cyber_breach", report.Mark.ATTESTED, "Rae", at
            ),
            "incident.aware_at": report.Known(EXACT, report.Mark.ATTESTED, "Rae", at),
            "incident.timeline": report.Known(
                f"{EXACT} detected\n2026-11-22T20:40:00Z acknowledged",
                report.Mark.MEASURED,
                "incident:0193",
            ),
            **more,
        },
    )


def worded(rae):
    """A draft from exact records; the house's clock goes by Berlin."""
    incident = make_incident()
    return report.start(incident, house_clock(incident, by=rae), incident_facts=known(), by=rae)


def test_words_stand_beside_the_exact_value_and_both_are_in_the_digest(rae, as_actor) -> None:
    begun = worded(as_actor(rae))
    fields = report.newest(begun).fields
    assert (fields["awareness"]["value"], fields["awareness"]["words"]) == (EXACT, SAID)
    assert fields["awareness"]["at"] == "2026-11-22T20:40:00.000000Z"
    assert fields["harm"]["value"] == "cyber_breach"
    assert fields["harm"]["words"].startswith("Cyber breach. Includes weights taken out")
    assert fields["measures"]["words"].splitlines()[0] == f"{SAID}: detected"


def test_the_twin_holds_the_exact_value_the_words_and_the_dated_list(rae, as_actor) -> None:
    content = report.content(worded(as_actor(rae)))
    said = dict_of(content)
    assert said["awareness"]["value"] == EXACT
    assert said["measures"]["moments"] == [
        [SAID, "detected"],
        ["22 November 2026, 21:40:00 CET", "acknowledged"],
    ]
    assert "moments" not in said["awareness"]
    assert "The clock starts at the moment of awareness" in content["clock"]["trace"][0]
    assert "aware_at" not in str(content["clock"]["trace"])


def test_words_that_come_back_unchanged_keep_the_exact_value(rae, as_actor) -> None:
    begun = worded(as_actor(rae))
    number = report.newest(begun).number
    shown = {f.id: {"value": a.get("words", a["value"])} for f, a in report.answers(begun)}
    answered = {name: answer for name, answer in shown.items() if answer["value"]}
    report.revise(begun, answered, by=as_actor(rae))
    assert report.newest(begun).number == number


def test_words_that_a_person_changes_are_that_persons(rae, as_actor) -> None:
    begun = worded(as_actor(rae))
    report.revise(begun, {"awareness": {"value": f"{SAID}, by a call"}}, by=as_actor(rae))
    said = report.newest(begun).fields["awareness"]
    assert (said["value"], said["source"]) == (f"{SAID}, by a call", "Rae")
    assert "words" not in said


def test_what_a_person_wrote_is_shown_as_it_was_written(rae, as_actor) -> None:
    begun = worded(as_actor(rae))
    report.revise(begun, {"awareness": {"value": f"At {EXACT}."}}, by=as_actor(rae))
    said = dict_of(report.content(begun))["awareness"]
    assert said["value"] == f"At {EXACT}."
    assert "words" not in said


def test_a_revision_of_exact_values_alone_is_told_in_words(rae, as_actor) -> None:
    """As revisions were kept before they held words: codes, instants, and who with when."""
    begun = worded(as_actor(rae))
    old = report.newest(begun)
    for answer in old.fields.values():
        answer.pop("words", None)
        if answer.pop("at", None):
            answer["source"] = f"{answer['source']}, 2026-11-22T20:40:00.000000Z"
    old.save()
    said = {f.id: a for f, a in report.answers(begun)}
    assert said["awareness"]["words"] == SAID
    assert (said["awareness"]["source"], said["awareness"]["at"]) == (
        "Rae",
        "2026-11-22T20:40:00.000000Z",
    )
    assert said["harm"]["words"].startswith("Cyber breach.")
    assert report.newest(begun).fields["awareness"]["source"].endswith("Z"), "what is kept stays"


def test_refilling_takes_in_what_was_measured_since_with_its_words(rae, as_actor) -> None:
    begun = worded(as_actor(rae))
    later = report.Known(
        f"{EXACT} detected\n2026-11-22T21:00:00Z rolled back", report.Mark.MEASURED, "incident:0193"
    )
    report.refill(begun, known(**{"incident.timeline": later}), by=as_actor(rae))
    words = report.newest(begun).fields["measures"]["words"]
    assert words.splitlines()[1] == "22 November 2026, 22:00:00 CET: rolled back"
    number = report.newest(begun).number
    report.refill(begun, known(**{"incident.timeline": later}), by=as_actor(rae))
    assert report.newest(begun).number == number
