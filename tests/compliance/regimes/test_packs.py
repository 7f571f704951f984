"""Packs are read strictly: a mistake names file, entry and field, and what was expected."""

import hashlib
import re
from datetime import date
from importlib import resources

import pytest

from compliance.regimes import lint, load
from compliance.regimes.calendars import WEEKENDS_ONLY, CalendarError, calendar
from compliance.regimes.load import UnknownRegime
from compliance.regimes.outcome import State
from compliance.regimes.questions import (
    INSTANT_QUESTIONS,
    LIMB_QUESTIONS,
    PREDICATE_QUESTIONS,
)
from compliance.regimes.schema import Evidence, Regime
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import LATE_RULES, LateRule
from compliance.regimes.vocabulary import PREDICATES, Instant, Limb

PACKS = load.regimes()
KEYS = {
    "house-72h": ["report"],
    "eu-aia-73": ["initial", "complete"],
    "eu-aia-26-5": ["notice"],
    "eu-gpai-55-cop9": ["initial", "intermediate", "final"],
    "eu-aia-52-1": ["notification"],
    "us-ny-raise-1422": ["report", "imminent"],
    "us-il-sb315": ["report", "imminent"],
    "us-ca-sb53": ["report", "imminent"],
    "eu-gdpr-33": ["notification"],
    "uk-gdpr-33": ["notification"],
    "eu-nis2-23": ["early_warning", "notification", "final"],
    "eu-cra-14-vuln": ["early_warning", "notification", "final"],
    "eu-cra-14-incident": ["early_warning", "notification", "final"],
    "eu-dora-19": ["initial", "intermediate", "final"],
    "eu-mdr-87": ["initial"],
}


def text_of(pack: Regime) -> str:
    return resources.files("compliance.regimes").joinpath("data", pack.file).read_text()


def test_the_public_keys_and_stages_are_all_there() -> None:
    assert {pack.key: [str(stage.id) for stage in pack.stages] for pack in load.current()} == KEYS


def test_no_pack_has_a_complaint() -> None:
    assert lint.complaints() == ()


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.reference)
def test_a_pack_says_where_it_comes_from(pack: Regime) -> None:
    assert pack.digest == hashlib.sha256(text_of(pack).encode()).hexdigest()
    assert bool(pack.legal_basis) is not pack.is_internal
    assert all(rule.cite for stage in pack.stages for rule in stage.rules)
    assert all(pack.fields_for(stage.id) for stage in pack.stages)
    if pack.evidence in {Evidence.SECONDARY, Evidence.MEMORY}:
        assert pack.requires_counsel


def test_a_key_alone_means_the_newest_that_is_law() -> None:
    assert load.get("eu-gdpr-33").version == "1.0.0"
    assert load.get("eu-gdpr-33@2.0.0").status == "proposed"


@pytest.mark.parametrize("name", ["eu-gdpr-34", "eu-gdpr-33@9.9.9", ""])
def test_an_unknown_regime_is_named(name: str) -> None:
    with pytest.raises(UnknownRegime, match=re.escape(repr(name.rpartition("@")[2]))):
        load.get(name)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('version     = "1.1.0"', "", "field 'version': expected a non-empty text, got None"),
        ('version     = "1.1.0"', "version = 1", "field 'version'"),
        ('"formally_applicable"', '"live"', "field 'status': expected one of in_force"),
        ("2026-08-02", '"2026-08-02"', "field 'valid_from': expected a date"),
        ('"Europe/Brussels"', '"Europe/Bruxelles"', "field 'zone': expected an IANA zone"),
        ("zone_source =", 'calendar = "QQ"\nzone_source =', "field 'calendar'"),
        ('if = "annex_iii"', 'if = "annex_3"', "applicability number 1, field 'if'"),
        ("amount = 10", "amount = -10", "stage initial, rule number 2, field 'amount'"),
        ("amount = 10", "amount = true", "field 'amount'"),
        ('unit = "day"', 'unit = "hour"', "field 'unit': expected a unit that eu_1182_days counts"),
        ('anchor = "trigger"', 'anchor = "submitted:last"', "field 'anchor'"),
        ('"submitted:initial"', '"submitted:final"', "follows stage final, which does not exist"),
        ('limbs = ["death"]', 'limbs = ["cyber_breach"]', "limb cyber_breach is not a [[limb]]"),
        ('recipient = "msa"', 'recipient = "nobody"', "stage initial, field 'recipient'"),
        ('recipient = "msa"', "", "stage initial, field 'recipient': expected for a legal duty"),
        ("accepts_incomplete", "accept_incomplete", "no such field here (is it misspelt?)"),
        ('id = "health"', 'id = "death"', "limb death: expected once, got twice"),
        ("from = 2027-12-02", "from = 2020-12-02", "applicability annex_iii, field 'from'"),
        ('stages = ["initial"]', 'stages = ["final"]', "field preliminary, field 'stages'"),
        ('jurisdiction = ["EU"]', 'jurisdiction = "EU"', "field 'jurisdiction': expected a list"),
        ("key         =", "internal = true\nkey =", "field 'legal_basis'"),
        ("key         =", "valid_to = 2026-01-01\nkey =", "field 'valid_to'"),
        ('jurisdiction = ["EU"]', "jurisdiction = [1]", "field 'jurisdiction': expected a list"),
        ("accepts_incomplete = true", "accepts_incomplete = 1", "expected true or false"),
        ('limbs = ["death"]', 'limbs = ["deth"]', "field 'limbs': expected only words from death"),
        ('any_of = ["eu_market"]', "any_of = []", "scope number 3, field 'any_of'"),
        ('any_of = ["eu_market"]', 'any_of = ["moon"]', "field 'any_of': expected a predicate"),
        ('limbs = ["death"]', 'entities = ["bank"]', "field 'entities': expected only words from"),
        ('limbs = ["death"]', "when = { provider = 1 }", "field 'when': expected predicates with"),
        ('limbs = ["death"]', "when = 3", "field 'when': expected a table"),
        ("accepts_incomplete = true", 'repeats_until = "ever"', "field 'repeats_until'"),
        ("expect = { initial = {", "expect = { final = {", "names a stage this regime does not"),
        ('id = "complete"', 'id = "initial"', "stage initial: expected once, got twice"),
        ("key         =", "duty = 1\nkey =", "expected"),
        ("key         =", "keys = 1\nkey =", "field 'keys': expected no such field here"),
        ("key         =", "key", "expected TOML in UTF-8"),
        ('of_several = "first"', "", "field 'of_several': expected a non-empty text"),
        ('of_several = "first"', 'of_several = "last"', "field 'of_several'"),
        ('anchor = "trigger"', 'anchor = "trigger"\nof_several = "first"', "no such field here"),
        ('late_cite = "', 'late_site = "', "stage initial, field 'late_site': expected no such"),
        ('late_rule = "reasons_required"', "", "stage initial, field 'late_cite': expected with"),
        ('role = "market_surveillance"', 'role = "market"', "recipient msa, field 'role'"),
        ("per_state = true", "per_state = 1", "recipient msa, field 'per_state'"),
        ("[admission]", "[admision]", "field 'admision': expected no such field here"),
        (
            'cite = "Draft template 5; not final"\nevidence = "S"',
            'cite = "x"',
            "admission, field 'evid",
        ),
        ("[admission]", "[[admission]]", "field 'admission': expected a table written [admission]"),
        ('supersedes  = "1.0.0"', 'supersedes = "1.1.0"', "field 'supersedes'"),
        ("key         =", 'kind = "other"\nkey =', "field 'kind': expected one of incident"),
        ('id = "death"', 'id = "death"\nevidence = "Q"', "limb death, field 'evidence'"),
        ('type = "harm"', 'type = "harms"', "field classification, field 'type': expected one of"),
        ('type = "harm"\n', "", "field classification, field 'type': expected a non-empty text"),
        ('type = "party"', 'type = "choice"', "field submitter, field 'choice': expected two or"),
        ('type = "choice"', 'type = "text"', "field submitter_role, field 'choice': expected two"),
        (
            '  id = "deployer"',
            '  id = "provider"',
            "field submitter_role, field 'choice': expected",
        ),
        ('  id = "deployer"', '  id = "The deployer"', "field submitter_role, choice The deployer"),
        ('type = "party"', 'type = "party"\nunit = "days"', "field submitter, field 'unit'"),
        ('type = "harm"', 'type = "kind"', "field classification, field 'type': expected 'kind'"),
        ('type = "kind"', 'type = "text"', "field report_type, field 'type': expected 'kind' with"),
        ('policy = "none"', 'policy = "explicit_unknown"', "field report_type, field 'unknown_pol"),
        ('policy = "none"', 'policy = "never"', "field report_type, field 'unknown_policy': exp"),
        ('audience = "authority"', 'audience = "all"', "field report_type, field 'audience'"),
        ('audience = "authority"', 'audience = "internal"', "field report_type, field 'audience'"),
        ('sensitivity = "none"', 'sensitivity = "high"', "field report_type, field 'sensitivity'"),
        ('"incident.affected"', '"incident.victims"', "field affected, field 'source': expected"),
        ('id = "affected"', 'id = "system"', "field system: expected once, got twice"),
        ('id = "withdrawal"', 'id = "recall"', "report_kind recall, field 'id': expected one of"),
        ('id = "withdrawal"', 'id = "final"', "report_kind final: expected once, got twice"),
        ('known = "no"', 'known = "maybe"', "report_kind intermediate, field 'known': expected"),
        (
            '[[report_kind]]\nid = "withdrawal"\nknown = "no"\ncite = "Draft template 1.2"\n',
            '[[report_kind]]\nid = "withdrawal"\nknown = "no"\n',
            "report_kind withdrawal, field 'cite'",
        ),
        (
            'id = "withdrawal"\nknown = "no"\ncite = "Draft template 1.2"',
            'id = "intermediate"\nknown = "no"\ncite = "Draft template 1.2"',
            "report_kind intermediate: expected once, got twice",
        ),
        ('"direct", "indirect", "suspected"', '"near"', "limb death, field 'causation': expected"),
        (
            '"direct", "indirect", "suspected"',
            '"direct", "unknown"',
            "limb death, field 'causation",
        ),
        ('causation = ["direct", "indirect", "suspected"]\n', "", "limb death, field 'causation'"),
        ('"narrowed_by"', '"smaller_than"', "relation number 1, field 'kind': expected one of"),
        ('regime = "eu-nis2-23"\n', "", "relation number 1, field 'regime': expected a non-empty"),
        ('regime = "eu-nis2-23"', 'regime = "eu-aia-73"', "relation narrowed_by, field 'regime'"),
        ('celex = "32024R1689"', 'celex = "2024/1689"', "legal_basis number 1, field 'celex'"),
        ("verified_on = 2026-11-22", 'verified_on = "soon"', "number 1, field 'verified_on'"),
        (
            'evidence = "P"\nsource = "Official Journal text of 2024"',
            'evidence = "M"',
            "field 'verified_on': expected none for what is from memory",
        ),
    ],
)
def test_a_mistake_names_file_entry_and_field(before: str, after: str, named: str) -> None:
    text = text_of(load.get("eu-aia-73"))
    assert before in text
    with pytest.raises(RegimeError) as caught:
        load.parse(text.replace(before, after, 1).encode(), file="eu-aia-73.toml")
    assert str(caught.value).startswith("eu-aia-73.toml")
    assert named in str(caught.value)


def test_a_pack_without_stages_or_triggers_is_refused() -> None:
    text = text_of(load.get("house-72h"))
    for part in ("trigger", "stage"):
        bare = re.sub(rf"\[\[{part}\]\](?:.|\n)*?\n\n", "", text, count=1)
        with pytest.raises(RegimeError, match=f"expected at least one {part}"):
            load.parse(bare.encode(), file="house-72h.toml")


def test_a_worked_case_that_does_not_come_out_is_reported() -> None:
    text = text_of(load.get("eu-aia-73")).replace("amount = 10", "amount = 11", 1)
    pack = load.parse(text.encode(), file="eu-aia-73.toml")
    found = list(lint.examine(pack))
    assert any("T6" in complaint and "2027-12-28T23:00:00Z" in complaint for complaint in found)


def test_a_pack_without_worked_cases_is_reported() -> None:
    text = text_of(load.get("eu-dora-19")).split("[[test]]", maxsplit=1)[0]
    pack = load.parse(text.encode(), file="x.toml")
    assert list(lint.examine(pack)) == [
        "x.toml: expected at least one worked case [[test]], got none"
    ]


def test_harm_is_asked_only_where_the_pack_has_limbs() -> None:
    text = text_of(load.get("house-72h")).replace('type = "text"', 'type = "harm"', 1)
    with pytest.raises(RegimeError, match=r"field what_happened, field 'type': 'harm' expects"):
        load.parse(text.encode(), file="house-72h.toml")


def test_what_leaves_the_house_is_not_called_internal_and_the_reverse() -> None:
    text = text_of(load.get("house-72h"))
    with pytest.raises(RegimeError, match="field what_happened, field 'audience'"):
        load.parse(text.replace('"internal"', '"public"', 1).encode(), file="house-72h.toml")


@pytest.mark.parametrize("name", ["withdrawal", "final_non_reportable"])
def test_how_a_clock_may_end_otherwise_is_said_even_if_nobody_found_out(name: str) -> None:
    text = text_of(load.get("eu-dora-19"))
    bare = text.replace(f'[[report_kind]]\nid = "{name}"\nknown = "unknown"\n', "")
    assert bare != text
    with pytest.raises(RegimeError, match=f"report_kind {name}, field 'known': expected yes, no"):
        load.parse(bare.encode(), file="x.toml")


def test_what_was_read_says_when() -> None:
    text = text_of(load.get("eu-dora-19")).replace("verified_on = 2026-11-22\n", "", 1)
    pack = load.parse(text.encode(), file="x.toml")
    assert [each for each in lint.examine(pack) if "verified_on" in each]


def test_a_standing_pack_knows_no_kinds_of_report_and_times_letters_by_what_they_say() -> None:
    text = text_of(load.get("eu-aia-standing"))
    kind = '\n[[report_kind]]\nid = "final"\nknown = "unknown"\n'
    with pytest.raises(RegimeError, match="field 'report_kind': expected none where kind is"):
        load.parse((text + kind).encode(), file="x.toml")
    review = text.replace(
        'cite = "House rule; Art. 112(1)"\nevidence = "H"\nowner',
        'cite = "House rule; Art. 112(1)"\ninbound = "Art. 112"\nevidence = "H"\nowner',
    )
    assert review != text
    with pytest.raises(RegimeError, match="standing horizon_reviewed, field 'inbound'"):
        load.parse(review.encode(), file="x.toml")


def test_every_word_of_the_vocabulary_has_one_question() -> None:
    assert [question.id for question in LIMB_QUESTIONS] != []
    assert {question.id for question in LIMB_QUESTIONS} == set(Limb)
    assert {question.id for question in PREDICATE_QUESTIONS} == set(PREDICATES)
    assert {question.id for question in INSTANT_QUESTIONS} == set(Instant)
    every = (*LIMB_QUESTIONS, *PREDICATE_QUESTIONS, *INSTANT_QUESTIONS)
    assert len({question.id for question in every}) == len(every)
    assert all(question.question.endswith("?") for question in every)
    assert all(question.definition and question.cite for question in every)


def test_every_predicate_is_asked_by_a_pack() -> None:
    used = {
        name
        for pack in PACKS
        for name in (
            *(name for condition in pack.scope for name in condition.any_of),
            *(one.predicate for one in (*pack.applicability, *pack.exclusions, *pack.remarks)),
            *(stage.only_if for stage in pack.stages if stage.only_if),
            *(name for stage in pack.stages for rule in stage.rules for name, _ in rule.when),
            *(duty.only_if for duty in pack.calendar_duties if duty.only_if),
        )
    }
    assert used == set(PREDICATES)


def test_what_has_no_tag_of_its_own_takes_the_packs() -> None:
    pack = load.get("eu-aia-73")
    fields = {field.id: field.evidence for field in pack.fields}
    assert pack.evidence is Evidence.PRIMARY
    assert {limb.evidence for limb in pack.limbs} == {Evidence.PRIMARY}
    assert (fields["awareness"], fields["preliminary"]) == (Evidence.PRIMARY, Evidence.SECONDARY)
    assert {rule.evidence for rule in load.get("eu-aia-26-5").stage("notice").rules} == {
        Evidence.SECONDARY
    }


def test_reporting_is_no_admission_where_the_text_says_so() -> None:
    admitting = {pack.key: pack.admission for pack in load.current() if pack.admission}
    assert set(admitting) == {"eu-aia-73", "eu-gpai-55-cop9"}
    assert admitting["eu-gpai-55-cop9"].evidence is Evidence.PRIMARY
    assert admitting["eu-aia-73"].evidence is Evidence.SECONDARY


def test_what_a_late_report_owes_is_said_with_its_place() -> None:
    owed = {
        (pack.key, str(stage.late_rule))
        for pack in load.current()
        for stage in pack.stages
        if stage.late_rule is not LateRule.NONE
    }
    assert ("eu-dora-19", "notify_before_expiry") in owed
    assert ("eu-gdpr-33", "reasons_required") in owed
    assert set(LATE_RULES) == set(LateRule)


def test_only_what_follows_the_latest_report_says_so() -> None:
    following = {
        (pack.key, str(stage.id), str(rule.anchor.of_several))
        for pack in load.current()
        for stage in pack.stages
        for rule in stage.rules
        if rule.anchor.submission_of
    }
    assert following == {
        ("eu-nis2-23", "final", "first"),
        ("eu-cra-14-incident", "final", "first"),
        ("eu-aia-73", "complete", "first"),
        ("eu-dora-19", "intermediate", "first"),
        ("eu-dora-19", "final", "latest"),
        ("eu-gpai-55-cop9", "intermediate", "first"),
    }


@pytest.mark.parametrize("key", ["us-ca-sb53", "us-ny-raise-1422", "us-il-sb315"])
def test_what_disputes_a_regime_is_said_while_it_counts(key: str) -> None:
    assert [each.evidence for each in load.get(key).challenges] == [Evidence.SECONDARY]


def test_a_contested_pack_must_say_by_what() -> None:
    text = text_of(load.get("us-ca-sb53")).replace('"in_force"', '"contested"')
    bare = re.sub(r"\[\[challenge\]\](?:.|\n)*?\n\n", "", text, count=1)
    pack = load.parse(bare.encode(), file="x.toml")
    assert any("expected a [[challenge]]" in complaint for complaint in lint.examine(pack))


def test_calendars_carry_a_version_and_unknown_ones_are_named() -> None:
    assert calendar("DE").reference.startswith("DE@holidays-")
    assert calendar("EU-COMMISSION").reference.startswith("EU-COMMISSION@2026-11-22+holidays-")
    assert calendar(WEEKENDS_ONLY).reference == "WEEKENDS-ONLY@1"
    with pytest.raises(CalendarError, match="unknown calendar 'de'"):
        calendar("de")


def test_the_commission_works_on_days_when_belgium_rests() -> None:
    armistice = date(2027, 11, 11)
    assert calendar("EU-COMMISSION").is_working(armistice)
    assert not calendar("BE").is_working(armistice)


def test_the_last_four_states_carry_no_dates() -> None:
    assert [str(state) for state in State] == [
        "running",
        "met",
        "overdue",
        "overdue_immediate",
        "pending_anchor",
        "facts_needed",
        "not_applicable",
        "not_in_force",
    ]
