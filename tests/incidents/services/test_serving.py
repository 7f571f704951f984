"""What serves, and the alarm when no decision covers it."""

from __future__ import annotations

import pytest

from assessments import queries as assessed
from compliance.clock import now
from compliance.services import registry
from incidents.models import Alert, Incident
from incidents.services import serving
from tests import factories
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def test_an_authorised_version_that_serves_raises_nothing(stage):
    assert serving.check(stage.deployment) == []
    assert not Alert.objects.exists()


def test_declaring_a_version_without_a_decision_raises_by_itself():
    deployment, version = cast.watched()
    serving.check(deployment)
    raised = Alert.objects.get(rule_key=serving.RULE_KEY)
    # What serves is what was declared, so only the decision lacks: no incident opens by itself.
    assert (raised.version, raised.level) == (version, "high")
    assert not Incident.objects.exists()


def test_another_version_than_the_declared_one_opens_an_incident():
    deployment, _ = cast.watched()
    other = factories.make_version(deployment.system)
    registry.observe_serving(deployment, other.weights_sha256, said_by="target", by=cast.MAKER)
    serving.check(deployment)
    assert Incident.objects.get().version == other


def test_of_each_word_the_newest_counts_for_one_and_for_many():
    deployment, version = cast.watched()
    later = factories.make_version(deployment.system)
    registry.declare_serving(deployment, later, by=cast.MAKER)
    registry.observe_serving(deployment, version.weights_sha256, said_by="telemetry", by=cast.MAKER)
    silent = factories.make_deployment()
    other, unknown = cast.watched()
    registry.observe_serving(other, "f" * 64, said_by="target", by=cast.MAKER)
    seen = serving.seen_by_deployment([deployment, silent, other])
    said = {pk: [(each.said_by, each.version) for each in words] for pk, words in seen.items()}
    assert said == {
        deployment.pk: [("telemetry", version), ("declared", later)],
        silent.pk: [],
        other.pk: [("target", None), ("declared", unknown)],
    }
    assert serving.seen(deployment) == seen[deployment.pk]


def test_each_deployment_is_judged_by_its_own_authorisations(ada, as_actor):
    covered, version = cast.watched("canary")
    bare, _ = cast.watched("canary")
    cast.authorise(covered, version, as_actor(ada))
    may_serve = assessed.authorised_by_deployment([covered, bare])
    assert may_serve == {covered.pk: {version.weights_sha256}, bare.pk: frozenset()}
    factories.make_manifest(version, tools=["send_mail"])
    assert assessed.authorised_sha256s(covered) == frozenset()


def test_checking_again_counts_nothing_new():
    deployment, _ = cast.watched()
    serving.check(deployment)
    serving.check(deployment)
    assert Alert.objects.get(rule_key=serving.RULE_KEY).count == 1


def test_the_watch_asks_the_target_and_finds_the_other_version(stage):
    serving.watch()
    raised = Alert.objects.get(rule_key=serving.RULE_KEY)
    assert raised.version == stage.bad
    assert raised.matched["fields"]["said_by"] == "target"
    assert (
        stage.deployment.servings.get(said_by="target").weights_sha256 == stage.bad.weights_sha256
    )


def test_a_digest_that_nobody_registered_is_named_as_such(stage):
    registry.observe_serving(stage.deployment, "e" * 64, said_by="telemetry", by=cast.MAKER)
    serving.check(stage.deployment)
    raised = Alert.objects.get(rule_key=serving.RULE_KEY)
    assert raised.version is None
    assert raised.observed_sha256 == "e" * 64
    assert Incident.objects.get().observed_sha256 == "e" * 64


def test_a_target_that_does_not_answer_does_not_stop_the_watch(stage, settings):
    settings.STRATA_EGRESS = []
    assert serving.watch() == 0


def test_rules_are_told_what_was_authorised_and_declared(stage):
    known = serving.facts([stage.deployment], now()).deployments[stage.deployment.key]
    assert known.weights_sha256s == frozenset({stage.good.weights_sha256})
    assert known.tools == frozenset({"search_docs"})
    assert known.expected_since is not None
    assert known.untrusted_tools == frozenset()
