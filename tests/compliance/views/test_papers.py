"""Pages of duties, reports, documents and the record: what each person finds there and may do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from compliance.audit import sequencer
from compliance.clock import now
from compliance.models import AuditExport, Blob, Document, Report
from compliance.services import audit_export, blob, deadline, dossier, report, submission
from tests import factories
from tests.compliance.papers import (
    answered,
    draft,
    facts_known,
    house_clock,
    make_incident,
    serious,
)

pytestmark = pytest.mark.django_db


def page(client, name, *args, **query):
    return client.get(reverse(f"compliance:{name}", args=args), query)


def said(answer) -> str:
    return answer.content.decode()


@pytest.fixture
def drafted(rae, as_actor) -> Report:
    return draft(make_incident(), by=as_actor(rae))


def test_the_board_shows_what_counts_and_whose_report_it_is(drafted, rae, client_as) -> None:
    answer = page(client_as(rae), "duties")
    assert answer.status_code == 200
    assert "INC-1: keys left the house" in said(answer)
    assert "left" in said(answer)
    assert "Rae" in said(answer)


def test_an_empty_board_says_how_clocks_start(rae, client_as) -> None:
    shown = said(page(client_as(rae), "duties"))
    assert "No clock stands here." in shown
    assert "Clocks start when a person classifies an incident" in shown


def test_a_clock_shows_its_rule_and_its_history(rae, as_actor, client_as) -> None:
    incident = make_incident()
    first = house_clock(incident, by=as_actor(rae))
    second = house_clock(incident, by=as_actor(rae), aware_at=now() - timedelta(hours=9))
    shown = said(page(client_as(rae), "clock", first.uuid))
    assert "Recomputed since" in shown
    assert str(second.uuid) in shown


def test_every_regime_has_its_page(rae, client_as) -> None:
    from compliance.regimes import load

    client = client_as(rae)
    assert page(client, "regimes").status_code == 200
    for each in load.current():
        shown = said(page(client, "regime", each.key))
        assert each.reference in shown
    assert page(client, "regime", "no-such-law").status_code == 404


def test_a_draft_names_what_is_missing_with_the_place_that_asks(drafted, rae, client_as) -> None:
    shown = said(page(client_as(rae), "report", drafted.uuid))
    assert "fields are not answered" in shown or "field is not answered" in shown
    assert "Harm and who is affected" in shown
    assert "measured" in shown
    assert "/r/event/0193" in shown


@pytest.mark.parametrize("tab", ["revisions", "approvals", "timeline"])
def test_the_other_tabs_open(drafted, rae, client_as, tab) -> None:
    assert page(client_as(rae), "report_tab", drafted.uuid, tab).status_code == 200


def test_answers_are_saved_as_a_new_revision(drafted, rae, client_as) -> None:
    form = {}
    for each in report.fields_of(drafted):
        form |= {f"{each.id}-value": "Said.", f"{each.id}-status": "value", f"{each.id}-why": ""}
    answer = client_as(rae).post(reverse("compliance:edit_report", args=[drafted.uuid]), form)
    assert answer.status_code == 302
    assert report.newest(drafted).number == 2
    assert "<ins>Said.</ins>" in said(page(client_as(rae), "report_tab", drafted.uuid, "revisions"))


def test_a_stated_unknown_is_shown_with_who_and_when_and_not_as_missing(
    rae, as_actor, client_as
) -> None:
    shown = said(page(client_as(rae), "report", answered(make_incident(), by=as_actor(rae)).uuid))
    assert "stated as unknown, Rae, " in shown
    assert "provenance-missing" not in shown


def test_reasons_for_delay_are_shown_as_needed_only_if_late(rae, as_actor, client_as) -> None:
    incident = make_incident()
    breach = {"controller": True, "personal_data_breach": True, "eu_personal_data": True}
    facts = serious(**breach, risk_unlikely=False)
    clocks = deadline.compute(incident.subject, incident, facts, by=as_actor(rae))
    counting = next(each for each in clocks if each.regime == "eu-gdpr-33")
    begun = report.start(incident, counting, incident_facts=facts_known(), by=as_actor(rae))
    for name in ("report", "edit_report"):
        assert "Only needed if late: the target is" in said(page(client_as(rae), name, begun.uuid))


def test_not_known_without_a_reason_is_sent_back(drafted, rae, client_as) -> None:
    form = {f"{each.id}-status": "unknown" for each in report.fields_of(drafted)}
    answer = client_as(rae).post(reverse("compliance:edit_report", args=[drafted.uuid]), form)
    assert answer.status_code == 422
    assert "Say why." in said(answer)
    assert report.newest(drafted).number == 1


def test_submitting_too_early_says_what_is_missing(drafted, rae, client_as) -> None:
    answer = client_as(rae).post(reverse("compliance:submit_report", args=[drafted.uuid]))
    assert answer.status_code == 409
    assert "Not answered yet" in said(answer)


def test_the_whole_way_in_the_browser(rae, ada, as_actor, client_as, settings, tmp_path) -> None:
    settings.STRATA_FILING_WAYS = tmp_path / "none.json"
    begun = answered(make_incident(), by=as_actor(rae))
    officer, lead = client_as(rae), client_as(ada)
    officer.post(reverse("compliance:submit_report", args=[begun.uuid]))
    assert officer.post(reverse("compliance:approve_report", args=[begun.uuid])).status_code == 403
    assert "Approve report" in said(page(lead, "report", begun.uuid))
    lead.post(reverse("compliance:approve_report", args=[begun.uuid]))
    begun.refresh_from_db()
    assert begun.state == "approved"
    assert "The paper is being made" in said(page(officer, "report", begun.uuid))
    keep = {"retention": Blob.Retention.INCIDENT.value, "by": as_actor(ada)}
    begun.pdf = blob.keep(begun.subject, "r.pdf", "application/pdf", b"%PDF-1.7", **keep)
    begun.twin = blob.keep(begun.subject, "r.json", "application/json", b"{}", **keep)
    begun.save(update_fields=["pdf", "twin"])
    way = {"way": submission.BY_HAND}
    officer.post(reverse("compliance:file_report", args=[begun.uuid]), way)
    filing = begun.filings.get()
    submission.send(filing.pk)
    assert "needs a person" in said(page(officer, "report", begun.uuid))
    from django.core.files.uploadedfile import SimpleUploadedFile

    form = {
        "reference": "A-7",
        "received_at": (now() - timedelta(minutes=1)).astimezone().strftime("%Y-%m-%dT%H:%M"),
        "proof": SimpleUploadedFile("scan.pdf", b"%PDF-scan"),
    }
    rae.zone = "UTC"
    rae.save()
    answer = officer.post(reverse("compliance:filing_receipt", args=[filing.uuid]), form)
    assert answer.status_code == 302, said(answer)
    begun.refresh_from_db()
    assert begun.state == "filing", "a second person must have seen the receipt"
    check = reverse("compliance:check_receipt", args=[filing.uuid])
    assert officer.post(check).status_code == 403
    assert "I saw the receipt" in said(page(lead, "report", begun.uuid))
    assert lead.post(check).status_code == 302
    begun.refresh_from_db()
    assert begun.state == "acknowledged"
    assert "A-7" in said(page(officer, "report", begun.uuid))


def test_an_outsider_finds_nothing(drafted, dee, client_as) -> None:
    client = client_as(dee)
    assert page(client, "report", drafted.uuid).status_code == 404
    assert page(client, "duties").status_code == 403
    assert page(client, "reports").status_code == 403
    assert page(client, "prove").status_code == 403
    assert page(client, "record").status_code == 403
    assert client.post(reverse("compliance:new_export")).status_code == 403


def test_reports_about_restricted_incidents_are_not_listed(rae, as_actor, client_as) -> None:
    hidden = make_incident("the hidden one", restricted=True)
    house_clock(hidden, by=as_actor(rae))
    assert "the hidden one" not in said(page(client_as(rae), "duties"))


def test_a_document_is_drawn_up_and_shows_its_progress(ada, client_as) -> None:
    version = factories.make_version()
    client = client_as(ada)
    address = reverse("compliance:new_document", args=[version.uuid, "annex_iv"])
    assert client.post(address).status_code == 302
    made = Document.objects.get()
    shown = said(page(client, "document", made.uuid))
    assert "Making the paper" in shown
    assert "Risk management system" in shown
    assert "Technical documentation" in said(page(client, "documents"))
    assert (
        client.post(reverse("compliance:new_document", args=[version.uuid, "poster"])).status_code
        == 404
    )


def test_a_reader_cannot_draw_up_documents(cy, client_as) -> None:
    address = reverse("compliance:new_document", args=[factories.make_version().uuid, "annex_iv"])
    assert client_as(cy).post(address).status_code == 403


def test_a_file_comes_as_an_inert_attachment(rae, as_actor, client_as) -> None:
    keep = {"retention": Blob.Retention.INCIDENT.value, "by": as_actor(rae)}
    kept = blob.keep(
        make_incident().subject, 'a"\nb.html', "text/html", b"<script>1</script>", **keep
    )
    answer = page(client_as(rae), "blob", kept.uuid)
    assert answer.content == b"<script>1</script>"
    assert answer["Content-Disposition"] == "attachment; filename*=UTF-8''a%22%0Ab.html"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_a_restricted_file_is_not_there_for_others(rae, as_actor, client_as) -> None:
    keep = {"retention": Blob.Retention.INCIDENT.value, "by": as_actor(rae)}
    kept = blob.keep(make_incident(restricted=True).subject, "x", "text/plain", b"x", **keep)
    assert page(client_as(rae), "blob", kept.uuid).status_code == 404


def test_the_auditor_reads_the_record_and_takes_it_home(cy, client_as, tmp_path) -> None:
    while sequencer.sequence():
        pass
    client = client_as(cy)
    shown = said(page(client, "prove"))
    assert (
        sequencer.verification_key().replace("+", "&#43;") in shown
        or sequencer.verification_key() in shown
    )
    assert "made an account" in said(page(client, "record"))
    assert "made an account" not in said(page(client, "record", family="report"))
    assert page(client, "checkpoint").content.decode() == sequencer.newest().note
    client.post(reverse("compliance:new_export"))
    made = AuditExport.objects.get()
    assert "Packing the record" in said(page(client, "export", made.uuid))
    audit_export.pack(made.pk)
    made.refresh_from_db()
    assert "Download the export" in said(page(client, "export", made.uuid))
    assert page(client, "blob", made.blob.uuid).status_code == 200


def test_a_report_shows_what_was_done_as_a_dated_list(rae, as_actor, client_as) -> None:
    incident = make_incident()
    exact = "2026-11-22T20:33:53Z detected\n2026-11-22T20:40:00Z rolled back"
    known = {"incident.timeline": report.Known(exact, report.Mark.MEASURED, "incident:0193")}
    facts = report.IncidentFacts("INC-1", "Keys left the house", known=known)
    begun = report.start(
        incident,
        house_clock(incident, by=as_actor(rae)),
        incident_facts=facts,
        by=as_actor(rae),
    )
    shown = said(page(client_as(rae), "report", begun.uuid))
    assert "<dt>22 November 2026, 21:40:00 CET</dt><dd>rolled back</dd>" in shown
    assert "2026-11-22T20:" not in shown
    assert "House rule: 72 hours, 1.0.0" in shown, "the regime by its title"
    form = said(page(client_as(rae), "edit_report", begun.uuid))
    assert "22 November 2026, 21:40:00 CET: rolled back" in form


def test_the_record_says_states_in_words(cy, rae, ada, as_actor, client_as) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    shown = said(page(client_as(cy), "record", family="clock"))
    assert "facts needed" in shown
    assert "facts_needed" not in shown
    assert "drafting → waiting for the second person" in said(
        page(client_as(cy), "record", family="report")
    )


def test_an_export_is_not_for_others(cy, bo, as_actor, client_as) -> None:
    made = audit_export.request(by=as_actor(cy))
    assert page(client_as(bo), "export", made.uuid).status_code == 404


def test_the_part_that_changes_is_answered_alone(ada, as_actor, client_as) -> None:
    made = dossier.annex_iv(factories.make_version(), by=as_actor(ada))
    address = reverse("compliance:document", args=[made.uuid])
    part = said(client_as(ada).get(address, headers={"HX-Request": "true"}))
    assert 'id="paper"' in part
    assert "<html" not in part
