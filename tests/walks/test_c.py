"""An incident is classified, reported by two people, filed over a failing line, and acknowledged."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pypdf
import pytest

from tests.walks import acts
from tests.walks.conftest import Standing
from tests.walks.visitor import Page, Pick, Visitor

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("walks")]

WIZARD: dict[str, object] = {
    "serious": "yes",
    "limb_rights": "on",
    "is_annex_iii": "yes",
    "confirmed": "on",
    "is_personal_data_breach": "yes",
    "is_controller": "yes",
    "is_eu_personal_data": "yes",
    "is_risk_unlikely": "no",
    "why_awareness": "Bo read the letters that came back. SIMULATION.",
    "why_harm": "Letters went to the wrong people. SIMULATION.",
    "why_laws": "We decide why and how the letters are written; the people live in the Union.",
    "note_eu-gdpr-33": "Names and addresses were in the letters.",
}


COUNTS_DOWN = "data-clock-due"


def clocks(page: Page, state: str) -> list[str]:
    """The clocks of a page that stand so, as markup."""
    return re.findall(rf'<section class="clock clock-{state} .*?</section>', page.html, re.DOTALL)


def preview(who: Visitor, incident: str) -> Page:
    """What the wizard answers before anything is saved."""
    return who.submit(f"{incident}classify/", f"{incident}classify/", look="1", **WIZARD)


def state_unknown(who: Visitor, report: str) -> Page:
    """State every field that nothing answers as unknown, with the reason."""
    page = who.open(f"{report}edit/")
    form = next(form for form in page.forms if form.action.endswith("/edit/"))
    stated: dict[str, object] = {}
    for name, given in form.fields.items():
        field, _dash, part = name.rpartition("-")
        if part == "value" and given == [""]:
            stated |= {f"{field}-status": "unknown", f"{field}-why": "Not established yet."}
    return who.send(page, form, stated)


def a_look_saves_nothing(rae: Visitor, incident: str) -> None:
    looked = preview(rae, incident)
    assert "What would follow" in looked.text
    assert "not in force" in looked.text
    assert "Nobody has classified this yet" in rae.open(incident).text
    assert "Letters went astray" not in rae.open("/duties/").text


def arrived_and_stamped(page: Page) -> bool:
    """The receipt is there, and an outside authority stamped it and what was filed."""
    is_there = "The recipient acknowledged it" in page.text
    return is_there and page.text.count("time-stamped") == 2


def test_an_incident_becomes_a_report_with_a_receipt(
    standing: Standing, signed_in: Callable[[str], Visitor], assistant: str
) -> None:
    ada, bo, rae = signed_in("ada"), signed_in("bo"), signed_in("rae")
    model = acts.register_model(ada, assistant, "Letter line")
    version = acts.register_version(ada, model, "1.0.0", standing.folder("letters"))
    deployment = acts.register_deployment(ada, assistant, "letters", "staging")
    acts.declare_serving(ada, deployment, version)
    opened = bo.fill(
        "/respond/open/", deployment=Pick("letters"), title="Letters went astray", severity="sev2"
    )
    incident = f"/respond/incidents/{acts.uuid_of(opened)}/"

    a_look_saves_nothing(rae, incident)
    rae.submit(f"{incident}classify/", f"{incident}classify/", save="1", **WIZARD)
    shown = rae.open(incident)
    assert "Classified as serious" in shown.text
    assert "Bo read the letters that came back." in shown.text
    assert "Names and addresses were in the letters." in shown.text
    running = clocks(shown, "running")
    assert any("GDPR" in clock and "Art. 33(1)" in clock for clock in running)
    assert all(COUNTS_DOWN in clock for clock in running)
    deferred = clocks(shown, "not_in_force")
    assert any("EU AI Act, serious incidents" in clock for clock in deferred)
    assert not any(COUNTS_DOWN in clock for clock in deferred)

    listed = rae.open("/duties/reports/?regime=eu-gdpr-33")
    report = listed.link("/duties/reports/0")
    drafted = rae.open(report)
    assert "3 fields are not answered" in drafted.text
    assert "Only needed if late: the target is" in drafted.text
    assert "Likely consequences" in drafted.text
    assert [x for x in drafted.links("/duties/regimes/eu-gdpr-33") if "#" in x], "to the article"

    # A report with gaps is not submitted; unknown is stated, with its reason.
    early = rae.submit(report, f"{report}submit/")
    assert (early.status, "Likely consequences (Art. 33(3)(c))" in early.text) == (409, True)
    stated = state_unknown(rae, report)
    assert "Not established yet." in stated.text
    rae.submit(report, f"{report}submit/")

    # Who drafted it cannot approve it, whatever they send.
    refused = rae.press(report, f"{report}approve/")
    assert refused.status == 403
    assert "Not open to you" in refused.text
    ada.submit(report, f"{report}approve/")
    printed = rae.wait(report, lambda page: "the paper is there" in page.text)

    pdf = rae.open(printed.link("/blobs/")).body
    paper = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(paper.pages) > 0
    assert all("SIMULATION" in each.extract_text() for each in paper.pages)

    # The sandbox answers 503 once: nothing counts as filed before its receipt.
    rae.submit(report, f"{report}file/", way=Pick("Sandbox of the authority"))
    filed = rae.wait(report, arrived_and_stamped)
    assert "503" in filed.text
    assert "receipt received" in filed.text
    reference = re.search(r"The recipient's reference: (\S+)", filed.text)
    assert reference
    assert standing.filed(reference[1].rstrip(".")) == pdf
    assert any("Art. 33(1)" in clock for clock in clocks(rae.open(incident), "met"))
