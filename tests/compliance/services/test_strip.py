"""The layer strip: the worst of each layer, and blind where nothing is known."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance import clock
from compliance.actors import system
from compliance.audit import sequencer
from compliance.services import evidence, strip
from compliance.services.strip import Standing
from tests import factories

pytestmark = pytest.mark.django_db
MAKER = system("tests")


def attest(version, what, status="met", layer=1, **more):
    return evidence.attest(
        version, what, layer=layer, status=status, summary=what, source="manual", by=MAKER, **more
    )


def statuses(version):
    return {segment.key: str(segment.status) for segment in strip.of(version).segments}


def test_without_evidence_every_layer_is_blind(version):
    assert set(statuses(version).values()) == {"blind"}


def test_the_record_is_met_once_a_signed_head_covers_the_registration(version):
    while sequencer.sequence():
        pass
    assert statuses(version) == {
        "interpretation": "blind",
        "behaviour": "blind",
        "response": "blind",
        "record": "met",
    }


@pytest.mark.parametrize(
    ("said", "worst"),
    [
        (["met"], "met"),
        (["met", "inconclusive"], "inconclusive"),
        (["inconclusive", "stale", "met"], "stale"),
        (["met", "not_met", "stale"], "not_met"),
        (["blind", "not_met"], "blind"),
        ([], "blind"),
    ],
)
def test_the_worst_word_counts(said, worst):
    assert strip.worst(Standing(word) for word in said) == worst


def test_one_layer_does_not_stand_for_another(version):
    attest(version, "sae_scan", layer=1)
    attest(version, "rota", "not_met", layer=3)
    assert statuses(version) == {
        "interpretation": "met",
        "behaviour": "blind",
        "response": "not_met",
        "record": "blind",
    }


def test_only_the_newest_of_a_kind_counts(version):
    attest(version, "sae_scan", "not_met")
    attest(version, "sae_scan", "met")
    assert statuses(version)["interpretation"] == "met"
    attest(version, "suppression", "not_met")
    assert statuses(version)["interpretation"] == "not_met"


def test_expired_and_moved_evidence_is_stale_even_if_it_was_not_met(version):
    attest(version, "rota", "not_met", layer=3, valid_until=clock.now() + timedelta(days=1))
    with clock.held(clock.now() + timedelta(days=2)):
        assert statuses(version)["response"] == "stale"
    attest(version, "sae_scan")
    factories.make_manifest(version)
    assert statuses(version)["interpretation"] == "stale"


def test_every_segment_links_to_its_reason_and_says_its_word(version):
    segments = strip.of(version).segments
    assert [segment.url for segment in segments] == [
        f"{version.path}#{segment.key}" for segment in segments
    ]
    assert str(segments[0].status_label) == "blind: no data"


def test_many_strips_are_the_same_as_each_and_cost_the_same(version):
    versions = [version, *(factories.make_version() for _ in range(4))]
    for number, one in enumerate(versions):
        factories.make_manifest(one)
        attest(one, "sae_scan", ["met", "not_met", "inconclusive"][number % 3])
    with CaptureQueriesContext(connection) as few:
        strip.of_many(versions[:2])
    with CaptureQueriesContext(connection) as all_of_them:
        strips = strip.of_many(versions)
    assert len(all_of_them) == len(few)
    assert strips == {one.pk: strip.of(one) for one in versions}
