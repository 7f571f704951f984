import pytest

from assessments.policies import load
from assessments.policies.schema import PolicyError

HEAD = b"""
key = "x"
version = "1"
title = "X"
environments = ["moon"]
cite = "House rule"
waiver_days = 3
waiver_people = 2
"""
CRITERION = b"""
[[criterion]]
key = "a"
title = "A"
evidence = "a"
why = "Because."
cite = "Art. 1"
freshness_days = 5
supply = "attest"
waivable = false
"""


@pytest.mark.parametrize("policy", load.policies(), ids=lambda p: p.key)
def test_every_policy_cites_and_never_waives_suppression(policy):
    assert policy.cite
    assert len(policy.sha256) == 64
    assert policy.waiver_people >= 2
    assert not policy.criterion("suppression").waivable
    for criterion in policy.criteria:
        assert criterion.cite
        assert criterion.why.endswith(".")


def test_each_environment_has_one_policy():
    assert sorted(load.environments()) == ["canary", "production", "staging"]
    assert load.policy_for("staging").key == "canary"
    with pytest.raises(PolicyError, match="no gate policy for environment 'moon'"):
        load.policy_for("moon")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD, "at least one"),
        (HEAD + CRITERION + CRITERION, "stands there twice"),
        (
            HEAD + CRITERION.replace(b"5", b"0"),
            "criterion 1, freshness_days: expected a whole number",
        ),
        (HEAD + CRITERION.replace(b'"attest"', b'"magic"'), "one of scan, campaign, attest"),
        (HEAD + CRITERION.replace(b"false", b'"no"'), "true or false"),
        (HEAD + CRITERION.replace(b'"Because."', b'""'), "why: expected a text"),
        (
            HEAD + CRITERION + b'[[criterion.limit]]\nfigure="f"\nwords="w"\n',
            "either at_most or at_least",
        ),
        (b"key =", "expected TOML"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(content, words):
    with pytest.raises(PolicyError, match=words):
        load.parse_policy(content, file="moon.toml")


def test_the_scan_criteria_state_figures_and_a_digest():
    criteria = load.scan_criteria()
    assert criteria.fewest_templates >= 6
    assert {limit.figure for limit in criteria.coverage} >= {"coverage.fvu"}
    assert len(criteria.sha256) == 64
