"""Documents: frozen first, printed once, kept in two forms, attached to their report."""

from __future__ import annotations

import io
import json

import pytest

pikepdf = pytest.importorskip("pikepdf")
pypdf = pytest.importorskip("pypdf")
pytest.importorskip("weasyprint")

from compliance.audit import canonical
from compliance.charts.spec import Pair, paired_dots
from compliance.documents import paper
from compliance.machines import TransitionRefused
from compliance.models import Document, Report
from compliance.permissions import NotAllowed
from compliance.services import blob, document, dossier, evidence, printing, report
from tests import factories
from tests.compliance.papers import answered, make_incident

pytestmark = pytest.mark.django_db


def text_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def make_evidence(version, by, **more):
    chart = paired_dots([Pair("cyber", 3.0, 42.0)], title="Prompts with a hit", unit="%")
    return evidence.attest(
        version,
        "sae_scan",
        layer=1,
        status="not_met",
        summary="Deception fired on 12 % of prompts; the criterion is 5 %.",
        payload={
            "coverage": {"fvu": 0.1234567, "l0_mean": 42.1},
            "checks": [
                {"what": "Hit rate", "expected": "at most 5 %", "came": "12 %", "status": "not_met"}
            ],
            "chart": {"spec": json.dumps(chart.spec), "alt": chart.alt},
            **more,
        },
        source="scan:0193",
        by=by,
    )


def test_an_approved_report_is_printed_and_attached(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    made = report.approve(begun, by=as_actor(ada))
    printing.render(made.pk)
    begun = Report.objects.get(pk=begun.pk)
    made.refresh_from_db()
    assert made.state == "ready", made.problem
    assert begun.pdf == made.pdf
    assert blob.read(made.twin) == canonical.dumps(made.content)
    pages = text_of(blob.read(made.pdf))
    assert all("SIMULATION" in page for page in pages)
    assert all(made.sha256 in page for page in pages)
    said = "\n".join(pages)
    assert "A key was sent" in said
    assert "Not known: the review is not over" in said
    assert "stated as unknown" in said
    assert "Stated by: Rae, " in said
    assert said.count("missing") == 1, "in the legend alone: nothing is missing"
    assert "strata.local/log" in said, "the key that verifies the log"


def test_a_report_in_earnest_does_not_say_simulation(rae, ada, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae), simulation=False)
    report.submit(begun, by=as_actor(rae))
    made = report.approve(begun, by=as_actor(ada))
    printing.render(made.pk)
    made.refresh_from_db()
    assert "SIMULATION" not in "".join(text_of(blob.read(made.pdf)))


def test_the_assessment_report_says_what_was_found_and_what_is_missing(ada, root, as_actor) -> None:
    version = factories.make_version()
    factories.make_manifest(version)
    make_evidence(version, root)
    made = dossier.assessment_report(version, by=as_actor(ada))
    assert made.content["answer"]["sentence"] == "Of 1 examination on record, 1 did not."
    assert "Rollback drill" in {gap["title"] for gap in made.content["gaps"]}
    printing.render(made.pk)
    made.refresh_from_db()
    assert made.state == "ready", made.problem
    said = " ".join("\n".join(text_of(blob.read(made.pdf))).split())
    assert "Deception fired on 12 % of prompts" in said
    assert "12.3 %" in said
    assert "not met" in said


def section_of(made, id_):
    return next(each for each in made.content["sections"] if each["id"] == id_)


def test_what_could_have_been_missed_is_printed_once_and_says_whose_limit_it_is(
    ada, root, as_actor
) -> None:
    version = factories.make_version()
    make_evidence(version, root)
    made = dossier.assessment_report(version, by=as_actor(ada))
    (scan,) = section_of(made, "3")["items"][:1]
    assert "Coverage" not in {block.get("caption") for block in scan["blocks"]}
    assert ["Limits", "what it could not have seen stands under 7"] in scan["blocks"][-1]["rows"]
    limits = section_of(made, "7")["items"][0]["blocks"]
    assert limits[0]["text"] == "Scan with sparse autoencoders"
    assert ["Unexplained share of variance", "12.3\u202f%"] in limits[1]["rows"]


def test_figures_are_printed_as_a_reader_wants_them(ada, root, as_actor) -> None:
    version = factories.make_version()
    make_evidence(
        version,
        root,
        n_prompts=2_880,
        n_pairs=1_440,
        sensitivity={"cyber": {"minimum_detectable_ratio": 1.01e304}},
        checks=[{"what": "hit rate of evaluation_awareness", "came": "0.1"}],
        tests=[{"scope": "concern", "concern": "cyber", "ratio": 1.5, "verdict": "detected"}],
    )
    made = dossier.assessment_report(version, by=as_actor(ada))
    blocks = section_of(made, "3")["items"][0]["blocks"]
    facts, checks, tests = [b for b in blocks if b["type"] in {"facts", "table"}][:3]
    assert facts["rows"] == [["Pairs", "1,440"], ["Prompts", "2,880"]], "together, not one by one"
    assert checks["rows"][0][0] == "hit rate of evaluation awareness"
    assert tests["heads"] == ["Concern", "Ratio", "Verdict"]
    assert tests["rows"] == [["cyber", "1.5", "weaker under evaluation"]]
    (ratio,) = section_of(made, "7")["items"][1]["blocks"][1]["rows"]
    assert ratio[1] == "more than 1,000,000"


def test_a_gap_reads_as_a_gap_and_days_as_days(ada, as_actor) -> None:
    made = dossier.annex_iv(factories.make_version(), by=as_actor(ada))
    html = " ".join(paper.sheet(printing.edition(made)).html.split())
    assert "Gap: nothing is on record. Asked for: the declaration under Article 47." in html
    assert str(made.asked_at.year) in html
    assert f"{made.asked_at:%Y-%m-%d}" not in html.replace(f'content="{made.asked_at:%Y-%m-%d}', "")


def test_annex_iv_has_all_its_letters_and_shows_gaps_as_gaps(ada, root, as_actor) -> None:
    version = factories.make_version()
    make_evidence(version, root)
    made = dossier.annex_iv(version, by=as_actor(ada))
    items = {item["id"]: item for section in made.content["sections"] for item in section["items"]}
    assert [section["id"] for section in made.content["sections"]] == list("123456789")
    assert items["1(a)"]["mark"] == "attested"
    assert items["2(g)"]["mark"] == "measured"
    assert items["5"]["mark"] == "missing"
    assert items["5"]["asks"]
    assert items["8"]["blocks"] == []


def test_a_letter_that_nobody_measures_may_be_stated(ada, as_actor) -> None:
    version = factories.make_version()
    system = version.model.system
    system.facts = {"annex_iv": {"5": "The risk file is RM-7."}}
    system.save()
    made = dossier.annex_iv(version, by=as_actor(ada))
    items = {item["id"]: item for section in made.content["sections"] for item in section["items"]}
    assert items["5"]["mark"] == "attested"
    assert items["5"]["blocks"][0]["text"] == "The risk file is RM-7."


def test_hostile_words_stay_words(ada, root, as_actor) -> None:
    version = factories.make_version()
    make_evidence(version, root, note="<img src=file:///etc/passwd><script>x</script>\u202e")
    made = dossier.assessment_report(version, by=as_actor(ada))
    printing.render(made.pk)
    made.refresh_from_db()
    assert made.state == "ready", made.problem
    assert "<script>x</script>[U+202E]" in "".join(text_of(blob.read(made.pdf)))


def test_a_chart_that_would_fetch_fails_the_document_aloud(ada, root, as_actor) -> None:
    version = factories.make_version()
    spec = {"data": {"url": "file:///etc/passwd"}, "mark": "bar"}
    make_evidence(version, root, chart={"spec": json.dumps(spec), "alt": "x"})
    made = dossier.assessment_report(version, by=as_actor(ada))
    printing.render(made.pk)
    made.refresh_from_db()
    assert made.state == "failed"
    assert "may not name an address" in made.problem


def test_a_second_bell_finds_nothing_to_do(ada, as_actor) -> None:
    made = dossier.assessment_report(factories.make_version(), by=as_actor(ada))
    printing.render(made.pk)
    made.refresh_from_db()
    before = made.pdf_id
    printing.render(made.pk)
    made.refresh_from_db()
    assert made.pdf_id == before
    assert made.attempts == 1


def test_an_unknown_kind_fails_and_may_be_tried_again(ada, as_actor) -> None:
    version = factories.make_version()
    made = document.request(
        version.subject,
        what="poster",
        title="A poster",
        content={},
        about=version,
        by=as_actor(ada),
    )
    printing.render(made.pk)
    made.refresh_from_db()
    assert made.state == "failed"
    document.retry(made, by=as_actor(ada))
    assert made.state == "queued"


def test_editions_count_up(ada, as_actor) -> None:
    version = factories.make_version()
    editions = [dossier.annex_iv(version, by=as_actor(ada)).edition for _ in range(2)]
    assert editions == [1, 2]
    assert Document.objects.filter(what="annex_iv").count() == 2


def test_who_may_not_draft_documents_gets_none(cy, as_actor) -> None:
    with pytest.raises(NotAllowed):
        dossier.annex_iv(factories.make_version(), by=as_actor(cy))


def test_a_result_under_an_old_fence_is_refused(ada, as_actor) -> None:
    made = dossier.assessment_report(factories.make_version(), by=as_actor(ada))
    taken = document.claim(made.pk)
    Document.objects.filter(pk=made.pk).update(fence=taken.fence + 1)
    with pytest.raises(TransitionRefused):
        document.finish(taken, b"%PDF-")
