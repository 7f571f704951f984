"""Reports in German and French: fixed text translated, typed text by a person with own approval."""

from __future__ import annotations

import pytest

from compliance.documents import paper
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from compliance.services import printing, report, report_translation
from tests.compliance.papers import answered, make_incident

pytestmark = pytest.mark.django_db


def translated(made, language: str = "de") -> dict[str, dict[str, str]]:
    """Every part rendered, marked by its language."""
    return {
        name: {part: f"[{language}] {text}" for part, text in parts.items()}
        for name, parts in report_translation.to_translate(made).items()
    }


@pytest.mark.parametrize(
    ("language", "label", "stage"),
    [
        ("de", "Schaden und wer betroffen ist", "Vorfallsmeldung"),
        ("fr", "Dommage et personnes concernées", "Rapport d’incident"),
    ],
)
def test_labels_stage_and_paper_stand_in_the_language(
    rae, ada, as_actor, language, label, stage
) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    report.declare(made, what="initial", language=language, by=as_actor(rae))
    content = report.content(made)
    assert (content["language"], content["stage_title"]) == (language, stage)
    assert label in {each["label"] for each in content["fields"]}
    report.submit(made, by=as_actor(rae))
    sheet = paper.sheet(printing.edition(report.approve(made, by=as_actor(ada))))
    assert f'lang="{language}"' in sheet.html
    for english in (
        "What is reported",
        "Not known:",
        "Approved by",
        "The clock",
        "How to check",
        "Target",
    ):
        assert english not in sheet.html


def test_words_made_from_records_follow_the_language(rae, as_actor) -> None:
    from tests.compliance.services.test_report import worded

    made = worded(as_actor(rae))
    report.declare(made, what="initial", language="de", by=as_actor(rae))
    fields = report.newest(made).fields
    assert fields["awareness"]["words"] == "22. November 2026, 21:33:53 CET"
    assert fields["harm"]["words"].startswith("Cybersicherheitsverletzung")
    assert fields["harm"]["value"] == "cyber_breach"


def test_a_translation_is_a_linked_revision_with_its_own_approval(rae, ada, as_actor) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    text = report.newest(made)
    linked = report_translation.translate(made, "de", translated(made), by=as_actor(rae))
    assert (linked.translation_of, linked.translator) == (text, rae)
    assert report.newest(made) == text, "a translation is not the text that stands"
    with pytest.raises(NotAllowed):
        report_translation.approve(made, "de", by=as_actor(rae))
    report.submit(made, by=as_actor(rae))
    with pytest.raises(TransitionRefused, match="translation is not approved yet: German"):
        report.approve(made, by=as_actor(ada))
    report_translation.approve(made, "de", by=as_actor(ada))
    document = report.approve(made, by=as_actor(ada))
    [frozen] = document.content["translations"]
    assert (frozen["translator"], frozen["approved_by"]) == ("Rae", ["Ada"])
    assert document.content["authoritative_language"] == "en"
    html = paper.sheet(printing.edition(document)).html
    assert "Maßgebend ist der ursprüngliche Wortlaut, nicht diese Übersetzung." in html
    assert "Übersetzung aus dem Englischen" in html
    assert "[de] A key was sent" in html


def test_the_authoritative_language_is_named_when_it_is_the_translation(rae, ada, as_actor) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    report_translation.translate(
        made, "fr", translated(made, "fr"), is_authoritative=True, by=as_actor(rae)
    )
    report_translation.approve(made, "fr", by=as_actor(ada))
    content = report.content(made)
    assert (content["authoritative_language"], content["authoritative_title"]) == ("fr", "French")


def test_a_change_of_the_text_voids_the_translation(rae, ada, as_actor) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    report_translation.translate(made, "de", translated(made), by=as_actor(rae))
    report_translation.approve(made, "de", by=as_actor(ada))
    assert report_translation.approved(made)
    report.revise(made, {"harm": {"value": "None."}}, by=as_actor(rae))
    assert report_translation.standing(made) == []
    assert report_translation.earlier(made, "de"), "the next translation begins from it"


def test_half_a_translation_is_refused_by_name(rae, as_actor) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    with pytest.raises(ValueError, match="what_happened"):
        report_translation.translate(made, "de", {}, by=as_actor(rae))
    with pytest.raises(ValueError, match="expected another language"):
        report_translation.translate(made, "en", translated(made), by=as_actor(rae))
