"""An answer is of the type that its pack gives the field, and says its code in words."""

import pytest

from compliance.phrase import Phrase
from compliance.regimes import answer, load
from compliance.regimes.fields import Option, RequiredField
from compliance.regimes.schema import Evidence
from compliance.regimes.terms import (
    AUDIENCES,
    CAUSATIONS,
    CHANNEL_TYPES,
    FIELD_TYPES,
    KNOWS,
    RECEIPT_TYPES,
    RELATIONS,
    SENSITIVITIES,
    UNKNOWN_POLICIES,
    FieldType,
    ReportKind,
)

ROLES = (Option("provider", Phrase("Provider")), Option("other", Phrase("Other")))
LIMBS = load.get("eu-aia-73").limbs


def asked(of: FieldType, **more: object) -> RequiredField:
    choices = ROLES if of is FieldType.CHOICE else ()
    return RequiredField(
        "x", Phrase("X"), Phrase("Art. 1"), "report.fields", (), Evidence.HOUSE, of, choices, **more
    )  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(
    ("of", "right", "wrong"),
    [
        (FieldType.INSTANT, "2026-11-22T14:30:00Z", "2026-11-22T14:30"),
        (FieldType.INSTANT, "2026-11-22T14:30+01:00", "on Sunday"),
        (FieldType.DAY, "2026-11-22", "22 November"),
        (FieldType.DAY, "2026-11-22T14:30:00Z", "2026-13-01"),
        (FieldType.NUMBER, "1.2e26", "1,2"),
        (FieldType.NUMBER, "-3", "about 3"),
        (FieldType.NUMBER, "0", "Infinity"),
        (FieldType.NUMBER, "10", "1_0"),
        (FieldType.NUMBER, "+.5E-3", "٢٥٠"),
        (FieldType.NUMBER, "5.", "２５０"),
        (FieldType.NUMBER, "5", " 5"),
        (FieldType.NUMBER, "1", "1\n"),
        (FieldType.NUMBER, "1e26", "1e99999999999999999999"),
        (FieldType.INSTANT, "2200-12-31T23:59:59Z", "9999-12-31T23:59:00Z"),
        (FieldType.INSTANT, "1900-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00"),
        (FieldType.INSTANT, "2200-12-31T23:59:59Z", "1900-01-01T00:00:00+01:00"),
        (FieldType.DAY, "1900-01-01", "1899-12-31"),
        (FieldType.DAY, "2200-12-31", "2201-01-01"),
        (FieldType.CHOICE, "provider", "Provider"),
        (FieldType.YES_NO, "no", "perhaps"),
        (FieldType.HARM, "death, rights", "death, cyber_breach"),
        (FieldType.HARM, "health", "two people"),
    ],
)
def test_a_value_fits_its_type_or_does_not(of: FieldType, right: str, wrong: str) -> None:
    assert answer.fits(asked(of), right, LIMBS)
    assert not answer.fits(asked(of), wrong, LIMBS)
    assert of in answer.EXPECTED


@pytest.mark.parametrize("of", [FieldType.TEXT, FieldType.PARTY, FieldType.KIND])
def test_text_takes_anything(of: FieldType) -> None:
    assert answer.fits(asked(of), "whatever was said")
    assert answer.words(asked(of), "whatever was said") is None


def test_codes_and_counted_numbers_have_words() -> None:
    assert answer.words(asked(FieldType.CHOICE), "other") == "Other"
    assert answer.words(asked(FieldType.CHOICE), "else") is None
    assert answer.words(asked(FieldType.YES_NO), "yes") == "Yes"
    counted = asked(FieldType.NUMBER, unit=Phrase("operations"))
    assert answer.words(counted, "1e26") == "1e26 operations"
    assert answer.words(counted, "a lot") is None
    assert answer.words(asked(FieldType.NUMBER), "3") is None


def test_every_word_that_packs_choose_between_is_said() -> None:
    for words in (
        FIELD_TYPES, AUDIENCES, SENSITIVITIES, UNKNOWN_POLICIES, CAUSATIONS, KNOWS, RELATIONS,
        CHANNEL_TYPES, RECEIPT_TYPES,
    ):  # fmt: skip
        assert set(words) == set(type(next(iter(words))))


def test_a_withdrawal_is_offered_only_where_one_is_known() -> None:
    offering = {pack.key for pack in load.current() if pack.offers(ReportKind.WITHDRAWAL)}
    assert offering == {"house-72h", "eu-gdpr-33"}
    act = load.get("eu-aia-73")
    assert not act.offers(ReportKind.INTERMEDIATE)
    assert act.offers(ReportKind.FINAL_NON_REPORTABLE)
    assert load.get("eu-dora-19").offers(ReportKind.FINAL_NON_REPORTABLE), "open, and harmless"


def test_every_source_is_answered_by_records_or_stated() -> None:
    packs = load.regimes()
    types = {field.type for pack in packs for field in pack.fields}
    assert types == set(FieldType)
    kept = [field.id for pack in packs for field in pack.fields if field.is_kept_back]
    assert kept == ["awareness"], "the Commission's template has no field for it"
