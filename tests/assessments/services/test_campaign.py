import pytest

from assessments import queries
from assessments.services import campaign
from compliance import queries as ground
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed
from tests.factories import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def opened(bo, as_actor):
    return campaign.start(
        make_version(), "Autumn", scope="Credentials, tool calls.", by=as_actor(bo)
    )


def found(opened, by, severity="low"):
    return campaign.add_finding(
        opened, "Key leaks", concern="cyber", severity=severity, detail="Ask twice.", by=by
    )


def evidence_of(opened):
    return ground.newest_evidence(opened.version)["red_team"]


def test_an_invited_outsider_sees_the_campaign_and_nothing_else(opened, bo, dee, as_actor):
    other = campaign.start(make_version(), "Other", scope="All.", by=as_actor(bo))
    assert not queries.campaigns_for(as_actor(dee)).exists()
    campaign.invite(opened, dee, by=as_actor(bo))
    guest = as_actor(dee)
    assert list(queries.campaigns_for(guest)) == [opened]
    assert other not in queries.campaigns_for(guest)
    assert not queries.scans_for(guest).exists()
    assert not ground.versions_for(guest).exists()
    found(opened, guest)
    with pytest.raises(NotAllowed):
        found(other, guest)


def test_an_invited_outsider_cannot_close_it(opened, bo, dee, as_actor):
    campaign.invite(opened, dee, by=as_actor(bo))
    with pytest.raises(NotAllowed, match="evidence:attach"):
        campaign.close(opened, n_attempts=50, conclusion="Done.", by=as_actor(dee))


def test_enough_attempts_without_a_grave_finding_are_met(opened, bo, as_actor):
    found(opened, as_actor(bo), "medium")
    campaign.close(opened, n_attempts=40, conclusion="Two evenings.", by=as_actor(bo))
    evidence = evidence_of(opened)
    assert (evidence.status, evidence.source) == ("met", opened.ref)
    assert evidence.payload["severities"]["medium"] == 1
    assert "What was not tried was not shown" in evidence.summary


def test_a_grave_finding_is_not_met(opened, bo, as_actor):
    found(opened, as_actor(bo), "critical")
    campaign.close(opened, n_attempts=40, conclusion="It leaks.", by=as_actor(bo))
    assert evidence_of(opened).status == "not_met"


def test_few_attempts_are_inconclusive(opened, bo, as_actor):
    campaign.close(opened, n_attempts=3, conclusion="No time.", by=as_actor(bo))
    assert evidence_of(opened).status == "inconclusive"


def test_a_closed_campaign_takes_nothing_more(opened, bo, as_actor):
    campaign.close(opened, n_attempts=40, conclusion="Done.", by=as_actor(bo))
    with pytest.raises(TransitionRefused, match="closed"):
        found(opened, as_actor(bo))
    with pytest.raises(TransitionRefused):
        campaign.close(opened, n_attempts=40, conclusion="Again.", by=as_actor(bo))


def test_a_finding_needs_known_words(opened, bo, as_actor):
    with pytest.raises(campaign.CampaignError, match="Unknown severity"):
        found(opened, as_actor(bo), "awful")
    with pytest.raises(campaign.CampaignError, match="Unknown concern"):
        campaign.add_finding(opened, "x", concern="?", severity="low", detail="", by=as_actor(bo))


def test_an_unknown_address_cannot_be_invited(opened, bo, as_actor):
    with pytest.raises(campaign.CampaignError, match="have an account made"):
        campaign.invite_by_email(opened, "nobody@example.org", by=as_actor(bo))
