"""Authorities as data: what is known of them, and what is openly not known."""

from importlib import resources

import pytest

from compliance.regimes import authorities, load
from compliance.regimes.authorities import UnknownAuthority
from compliance.regimes.calendars import calendar
from compliance.regimes.counting import Period, Unit
from compliance.regimes.facts import Facts
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import AUTHORITY_ROLES, AuthorityRole, ChannelType, ReceiptType

FOLDER = resources.files("compliance.regimes.authorities").joinpath("data")
UNION = FOLDER.joinpath("union.toml").read_text()


def test_the_ai_office_takes_reports_by_eu_send_from_those_who_registered() -> None:
    office = authorities.get("eu-ai-office")
    assert (office.zone, office.calendar) == ("Europe/Brussels", "EU-COMMISSION")
    assert office.channel.type is ChannelType.SECURE_EXCHANGE
    assert office.channel.registration_lead == Period(3, Unit.BUSINESS_DAY)
    assert office.channel.receipt_type is ReceiptType.SIGNED
    assert office.channel.fallback


def test_what_nobody_found_out_is_none_and_not_a_guess() -> None:
    office = authorities.get("us-ny-dfs-office")
    channel = office.channel
    assert channel.type is ChannelType.UNKNOWN
    assert (channel.name, channel.url, channel.auth, channel.registration_lead) == (None,) * 4
    assert office.languages is None
    assert authorities.get("eu-enisa").zone is None


def test_every_recipient_of_a_legal_duty_leads_to_an_authority_or_says_why_not() -> None:
    lost = {
        (pack.key, recipient.id)
        for pack in load.current()
        for recipient in pack.recipients
        if not authorities.routed(recipient, ["DE"])
    }
    assert lost == {
        ("eu-aia-26-5", "provider_then_msa"),
        ("us-ca-sb53", "public_safety_authority"),
        ("us-ny-raise-1422", "public_safety_authority"),
        ("us-il-sb315", "public_safety_authority"),
    }


def test_article_73_goes_to_each_member_state_concerned() -> None:
    recipient = load.get("eu-aia-73").recipient("initial")
    assert recipient is not None
    found = authorities.routed(recipient, ["DE", "FR", "DE"])
    assert [each.id for each in found] == ["de-bnetza", "fr-market-surveillance"]
    assert [each.zone for each in found] == ["Europe/Berlin", "Europe/Paris"]
    assert found[1].name == "Market surveillance authority (France)"
    assert authorities.routed(recipient) == ()


def test_one_report_goes_to_one_authority_where_the_law_asks_for_one() -> None:
    dpa = load.get("eu-gdpr-33").recipient("notification")
    platform = load.get("eu-cra-14-vuln").recipient("final")
    assert dpa is not None
    assert platform is not None
    assert [each.id for each in authorities.routed(dpa, ["FR", "DE"])] == ["fr-data-protection"]
    assert [each.id for each in authorities.routed(platform, ["FR"])] == ["fr-csirt", "eu-enisa"]
    assert load.get("house-72h").recipient("report") is None


def test_illinois_has_two() -> None:
    recipient = load.get("us-il-sb315").recipient("report")
    assert recipient is not None
    assert [each.id for each in authorities.routed(recipient)] == ["us-il-ag", "us-il-iema-ohs"]


def test_every_member_state_has_a_zone_and_a_calendar_the_engine_knows() -> None:
    states = authorities.member_states()
    assert len({state.code for state in states}) == 27
    for state in states:
        Facts.from_json({"recipient_zone": state.zone, "calendar": state.calendar})
        assert calendar(state.calendar).name == state.calendar
        assert all(len(language) == 2 for language in state.languages)


@pytest.mark.parametrize("role", list(AuthorityRole))
def test_an_authority_is_found_again_by_its_id(role: AuthorityRole) -> None:
    assert set(AUTHORITY_ROLES) == set(AuthorityRole)
    for state in authorities.member_states():
        found = authorities.national(role, state.code)
        assert authorities.get(found.id) == found


@pytest.mark.parametrize("name", ["xx-csirt", "de-police", "DE-csirt", "", "eu-ai-offices"])
def test_an_unknown_authority_is_named(name: str) -> None:
    with pytest.raises(UnknownAuthority, match="unknown"):
        authorities.get(name)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('zone = "Europe/Brussels"', 'zone = "Brussels"', "authority eu-ai-office, field 'zone'"),
        ('calendar = "EU-COMMISSION"', 'calendar = "QQ"', "field 'calendar'"),
        ('languages = ["unknown"]', "languages = []", "field 'languages'"),
        ('  url = "unknown"\n', "", "authority eu-ai-office, channel, field 'url'"),
        ('type = "secure_exchange"', 'type = "pigeon"', "field 'type': expected one of portal"),
        ('receipt_type = "signed"', 'receipt_type = "kind"', "field 'receipt_type'"),
        ("registration_lead = 3", "registration_lead = 0", "field 'registration_lead'"),
        ("registration_lead = 3", "registration_led = 3", "field 'registration_led"),
        ("[authority.channel]", "[authority.chanel]", "field 'channel': expected a table"),
        ('evidence = "S"', "", "field 'evidence'"),
        ("[[authority]]", "[[authority", "expected TOML in UTF-8"),
    ],
)
def test_a_mistake_names_file_entry_and_field(before: str, after: str, named: str) -> None:
    assert before in UNION
    with pytest.raises(RegimeError) as caught:
        authorities.parse(UNION.replace(before, after, 1).encode(), file="union.toml")
    assert str(caught.value).startswith("union.toml")
    assert named in str(caught.value)
