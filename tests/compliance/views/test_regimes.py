"""The regimes as a lawyer reads them: every version, in words."""

import re
from html import unescape

import pytest
from django.urls import reverse

from compliance.models import Report
from compliance.regimes import load
from compliance.regimes.counting import Kind
from compliance.regimes.schema import BEYOND_PROPOSAL, Evidence
from compliance.views import law, regimes
from tests.compliance.papers import draft, make_incident

pytestmark = pytest.mark.django_db


def text(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def read(client, name):
    key, _, version = name.partition("@")
    args = [key, version] if version else [key]
    address = reverse("compliance:regime_version" if version else "compliance:regime", args=args)
    answer = client.get(address)
    assert answer.status_code == 200
    html = answer.content.decode()
    return html[html.index("<main") :]


@pytest.mark.parametrize("reference", [each.reference for each in load.regimes()])
def test_every_version_is_read_in_words_and_no_code_of_a_program_shows(reference, rae, client_as):
    html = read(client_as(rae), reference)
    said = text(html)
    assert reference in said
    pack = load.get(reference)
    codes = {
        *(str(each.instant) for each in pack.triggers),
        *(name for each in pack.scope for name in each.any_of if "_" in name),
        *(str(limb.id) for limb in pack.limbs if "_" in limb.id),
        *(each.record_class for each in pack.retention),
        *(each.source for each in pack.fields if "." in each.source),
        "submitted:", "eu_1182", "calendar_no_roll", "P5Y",
    }  # fmt: skip
    assert [code for code in codes if code in said] == []


@pytest.mark.parametrize("reference", [each.reference for each in load.regimes()])
def test_every_statement_of_a_pack_stands_under_one_article(reference):
    pack = load.get(reference)
    placed = [each for article in law.articles(pack) for each in article.statements]
    assert sorted(placed) == sorted(law.statements(pack))
    says = " ".join(each.says for each in placed)
    for field in pack.fields:
        assert str(field.label) in says
    for each in (*pack.duties, *pack.calendar_duties):
        assert str(each.text) in says


def test_articles_stand_in_the_order_of_their_numbers():
    places = [each.place for each in law.articles(load.get("eu-nis2-23"))]
    numbers = [int(re.search(r"\d+", name)[0]) for name in places if name.startswith("Art.")]
    assert numbers == sorted(numbers)
    assert law.place("Art. 23(4)(a)") == "Art. 23"
    assert law.place("House rule") == "House rule"


def test_a_proposal_is_reached_by_its_version_and_says_that_it_never_counts(rae, client_as):
    proposals = [each for each in load.regimes() if each.status not in BEYOND_PROPOSAL]
    assert proposals
    for each in proposals:
        said = text(read(client_as(rae), each.reference))
        assert "proposed" in said
        assert "never counts down" in said


def test_a_version_says_what_changed_and_links_to_the_others(rae, client_as):
    html = read(client_as(rae), "eu-gdpr-33@2.0.0")
    assert reverse("compliance:regime_version", args=["eu-gdpr-33", "1.0.0"]) in html
    assert "Against version 1.0.0" in text(html)
    fresh, gone = law.changed(load.get("eu-gdpr-33@2.0.0"), load.get("eu-gdpr-33@1.0.0"))
    assert fresh
    assert not set(fresh) & set(gone)


def test_worked_cases_come_with_their_dates_in_the_readers_zone(rae, client_as):
    said = text(read(client_as(rae), "eu-dora-19"))
    assert "T13: awareness caps the four hours" in said
    assert "6 December 2026, 20:00 CET" in said
    assert "latest arguable date, confirm with counsel" in said


def test_what_a_report_must_say_is_shown_with_type_audience_and_care(rae, client_as):
    html = read(client_as(rae), "eu-aia-73")
    said = text(html)
    assert "One of a closed list: Provider, Deployer, Authorised representative, Other" in said
    assert "<strong>Personal data</strong>" in html
    assert "Not known or not applicable, and why" in said
    assert "How close the system must be: directly or indirectly or on suspicion." in said
    kept = text(read(client_as(rae), "eu-gpai-55-cop9"))
    assert "Kept here, handed over on request" in kept


def test_kinds_of_report_say_whether_they_are_known_and_what_to_do_instead(rae, client_as):
    act = text(read(client_as(rae), "eu-aia-73"))
    assert (
        "Withdrawal of an earlier report it knows none Not offered: a final report that finds it"
        " not reportable, or a correction Draft template 1.2" in act
    )
    assert "Withdrawal of an earlier report nobody found out Not offered" in text(
        read(client_as(rae), "eu-nis2-23")
    )
    assert "Withdrawal of an earlier report known Offered EDPB template" in text(
        read(client_as(rae), "eu-gdpr-33")
    )


def test_doors_other_rules_and_letters_are_shown_with_what_nobody_found_out(rae, client_as):
    code = text(read(client_as(rae), "eu-gpai-55-cop9"))
    assert "Secure exchange: EU SEND" in code
    assert "3 business days" in code
    assert "A signed receipt" in code
    assert "Takes several incidents together" in code
    act = read(client_as(rae), "eu-aia-73")
    assert reverse("compliance:regime", args=["eu-nis2-23"]) in act
    assert "Market surveillance authority known" not in text(act)
    assert "uri=CELEX:32024R1689" in act
    assert "Its copy was last read on 22 November 2026." in text(act)
    letters = text(read(client_as(rae), "eu-aia-standing"))
    assert "AI Act Art. 79(2), corrective action" in letters
    assert "AI Act Art. 73, question after a serious incident" in letters


def test_unknown_versions_are_not_found_and_outsiders_read_nothing(rae, dee, client_as):
    for name in (["eu-gdpr-33", "7.7.7"], ["eu-gdpr-33", "x"], ["nothing", "1.0.0"]):
        address = reverse("compliance:regime_version", args=name)
        assert client_as(rae).get(address).status_code == 404
    assert client_as(dee).get(reverse("compliance:regimes")).status_code == 403


def test_the_list_names_the_other_versions_and_the_standing_packs(rae, client_as):
    html = client_as(rae).get(reverse("compliance:regimes")).content.decode()
    for each in load.standing():
        assert each.reference in html
    assert reverse("compliance:regime_version", args=["eu-gdpr-33", "2.0.0"]) in html


def test_every_kind_of_counting_and_evidence_has_words():
    assert set(law.KIND_WORDS) == set(Kind)
    assert set(law.EVIDENCE_WORDS) == set(Evidence)
    assert set(regimes.STATUS_MEANS) == set(regimes.STATUS_WORDS)
    classes = {each.record_class for pack in load.regimes() for each in pack.retention}
    assert classes <= set(law.RECORD_WORDS)


def test_a_pack_that_was_changed_after_the_report_began_is_named(rae, as_actor, client_as) -> None:
    made = draft(make_incident(), by=as_actor(rae))
    client = client_as(rae)
    own = reverse("compliance:report", args=[made.uuid])
    page = reverse("compliance:regime_version", args=[made.regime, made.regime_version])
    assert "The pack was changed" not in client.get(own).content.decode()
    assert "The pack was changed" not in client.get(page).content.decode()
    Report.objects.filter(pk=made.pk).update(regime_sha256="0" * 64)
    says = "The pack was changed after this report began; its fields are those of today."
    assert says in client.get(own).content.decode()
    assert "The pack was changed after a report or a clock" in client.get(page).content.decode()
