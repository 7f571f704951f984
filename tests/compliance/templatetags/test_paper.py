"""Exact values of frozen content as paper shows them."""

from __future__ import annotations

from datetime import UTC, datetime

from compliance.documents import paper as press_room
from compliance.templatetags import paper

DIGEST = "48d18883bc35cf65b4d1c198e0bd36cd19b2d864f911ccf4143bf207d87e883d"
EXACT = "2026-11-22T20:33:53.311375Z"


def test_an_instant_is_written_out_and_does_not_break_across_lines() -> None:
    assert (
        paper.instant(EXACT, "Europe/Berlin") == "22\u00a0November\u00a02026,\u00a021:33\u00a0CET"
    )
    assert paper.instant("", "UTC") == "\u2013"


def test_a_cell_shows_instants_in_words_and_digests_short() -> None:
    shown = paper.printed(f"by Bo, {EXACT}, sha256 {DIGEST}", "Europe/Berlin")
    assert shown == (
        "by Bo, 22 November 2026, 21:33 CET,"
        ' <span class="mono short-digest">sha256 48d18883bc35…f207d87e883d</span>'
    )


def test_a_reference_names_its_kind() -> None:
    uuid = "01a204f5-fd52-7e14-82f7-cd19dcccb870"
    assert paper.printed(f"alert:{uuid}") == f"alert {uuid}"
    assert paper.printed(f"prior_notice:{uuid}") == f"prior notice {uuid}"


def test_what_comes_from_outside_is_escaped() -> None:
    assert paper.printed("<b>x</b>") == "&lt;b&gt;x&lt;/b&gt;"
    assert paper.whole(f"<i>{DIGEST}").startswith("&lt;i&gt;")


def test_a_digest_that_a_report_is_about_stands_whole() -> None:
    assert paper.whole(f"its weights: {DIGEST}") == (
        f'its weights: <span class="mono">{DIGEST}</span>'
    )


def field(**more: object) -> dict[str, object]:
    return {"id": "f", "label": "Field", "cite": "", "status": "value", "mark": "measured", **more}


def printed(*fields: dict[str, object]) -> str:
    content = {
        "regime": {"title": "House rule", "reference": "house@1", "sha256": DIGEST},
        "stage_title": "Incident report",
        "about": "incident:0193",
        "clock": {"zone": "Europe/Berlin"},
        "fields": list(fields),
    }
    edition = press_room.Edition(
        "incident_report", "A report", 1, DIGEST, content, False, datetime(2026, 11, 22, tzinfo=UTC)
    )
    return " ".join(press_room.sheet(edition).html.split())


def test_a_report_prints_its_words_and_its_dated_list() -> None:
    html = printed(
        field(value=EXACT, words="22 November 2026, 21:33:53 CET", source="incident:x"),
        field(
            value=f"{EXACT} detected",
            words="22 November 2026, 21:33:53 CET: detected",
            moments=[["22 November 2026, 21:33:53 CET", "detected"]],
        ),
    )
    assert '<p class="said">22 November 2026, 21:33:53 CET</p>' in html
    assert "<dt>22 November 2026, 21:33:53 CET</dt><dd>detected</dd>" in html
    assert EXACT not in html


def test_content_that_was_frozen_before_there_were_words_is_printed_in_words() -> None:
    html = printed(
        field(value=f"{EXACT} detected"),
        field(value="cyber_breach", mark="attested", source=f"Rae, {EXACT}"),
    )
    assert "22 November 2026, 21:33:53 CET: detected" in html
    assert "Cyber breach. Includes" in html
    assert "Stated by: Rae, 22 November 2026, 21:33 CET" in html


def test_a_clock_that_was_frozen_before_there_were_words_is_told_in_words() -> None:
    kept = "72 hours elapsed from Sun 2026-11-22 21:32 +0100 (Europe/Berlin), counted in UTC."
    assert paper.reckoned(kept) == (
        "72 hours elapsed from Sun 22 November 2026, 21:32 CET, counted in UTC."
    )


def test_what_a_person_wrote_is_printed_as_it_was_written() -> None:
    html = printed(field(value=f"At {EXACT}.", mark="attested", source="Rae", at=EXACT))
    assert f'<p class="said">At {EXACT}.</p>' in html


def test_what_wants_care_is_named_beside_the_answer_and_nothing_else_is() -> None:
    assert "Treat with care: personal data" in printed(field(value="Ms N.", care="personal data"))
    assert "Treat with care" not in printed(field(value="Ms N.", care=""))
    assert "Treat with care" not in printed(field(value="Ms N."))
