"""What is wrong with a rule is said with its file, its name and its field."""

import hashlib
from importlib import resources

import pytest

from incidents.rules import load, selftest
from incidents.rules.schema import RuleError

GOOD = """
title: A tool called shell
id: 0b0bfa9a-4d59-4a7c-9d0e-6f6c5a4b3c2d
name: shell_called
level: high
logsource: {service: tool_call}
detection:
  shell: {gen_ai.tool.name: shell}
  condition: shell
x-strata: {version: 1}
"""


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def test_the_rule_carries_the_digest_of_its_file():
    rule = load.parse(GOOD, file="own.yml").get("shell_called").rule
    assert rule.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert (rule.version, rule.level, rule.group_by) == (1, "high", ("strata.deployment.key",))


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        (changed("title: A tool called shell\n", ""), "title", "expected text"),
        (changed("level: high", "level: awful"), "level", "critical"),
        (changed("0b0bfa9a", "x"), "id", "UUID"),
        (changed("shell_called", "Shell called"), "name", "a-z"),
        (changed("version: 1", "version: 0"), "x-strata.version", "from 1 up"),
        (changed("x-strata: {version: 1}", ""), "x-strata.version", "got nothing"),
        (changed("level: high", "lvl: high"), "lvl", "unknown"),
        (changed("{service: tool_call}", "{service: toolcall}"), "logsource.service", "tool_call"),
        (changed("condition: shell", "condition: shel"), "detection.condition", "'shel'"),
        (changed("condition: shell", "condition: (shell"), "detection.condition", "bracket"),
        (changed("condition: shell", "condition: shell and"), "detection.condition", "more"),
        (changed("condition: shell", "condition: 1 of x*"), "detection.condition", "x*"),
        (changed("condition: shell", "condition: shell; drop"), "detection.condition", "';"),
        (changed("condition: shell", f"condition: {'(' * 99}"), "detection.condition", "deeper"),
        (changed("name: shell}", "name|base64: x}"), "gen_ai.tool.name|base64", "modifiers"),
        (changed("name: shell}", "name|re: '('}"), "gen_ai.tool.name|re", "RE2"),
        (changed("name: shell}", "name|re: '(?=x)'}"), "gen_ai.tool.name|re", "RE2"),
        (changed("name: shell}", "name|gt: many}"), "gen_ai.tool.name|gt", "number"),
        (changed("name: shell}", "name|cidr: ten}"), "gen_ai.tool.name|cidr", "ten"),
        (changed("name: shell}", "name|expand: '%x%'}"), "gen_ai.tool.name|expand", "%approved"),
        (changed("name: shell}", "name: {a: 1}}"), "gen_ai.tool.name", "plain values"),
        (changed("shell: {gen_ai.tool.name: shell}", "shell: 7"), "detection.shell", "mapping"),
        (changed("version: 1", "version: 1, version: 2"), "file", "written twice"),
        (changed("version: 1}", "version: &a 1, needs: [*a]}"), "file", "aliases"),
        ("- a\n- b\n", "document", "mapping"),
        ("a: !!python/object:os.system x", "file", "YAML"),
        ("a: 2026-99-99", "file", "YAML"),
        ("x" * 200_000, "file", "larger"),
        (GOOD + "---" + GOOD, "name", "two rules"),
    ],
)
def test_errors_name_file_rule_and_field(text, field, problem):
    with pytest.raises(RuleError) as refused:
        load.parse(text, file="own.yml")
    assert str(refused.value).startswith("own.yml: rule ")
    assert field in refused.value.field
    assert problem in refused.value.problem


BASELINE = """
title: t
id: 1b0bfa9a-4d59-4a7c-9d0e-6f6c5a4b3c2d
name: own_baseline
level: high
baseline: {type: allow_list, rules: [any_tool_call], field: f, registry: approved_tools}
x-strata: {version: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("approved_tools", "approved_toys", "baseline.registry"),
        ("allow_list", "new_term", "baseline.type"),
        ("rules: [any_tool_call]", "rules: []", "baseline.rules"),
        ("any_tool_call", "no_such_rule", "rules"),
        ("baseline:", "correlation: {}\nbaseline:", "detection/correlation/baseline"),
        ("{type: allow_list,", "{type: absence, within: soon,", "baseline.within"),
    ],
)
def test_errors_in_baselines(old, new, field):
    with pytest.raises(RuleError) as refused:
        load.parse(BASELINE.replace(old, new), file="own.yml", known=load.shipped())
    assert refused.value.field == field


def test_a_rule_may_build_on_those_shipped():
    own = load.parse(BASELINE, file="own.yml", known=load.shipped())
    assert [base.rule.key for base in own.get("own_baseline").bases] == ["any_tool_call"]
    assert len(load.shipped().with_(own).rules) == len(load.shipped().rules) + 1


@pytest.mark.parametrize(
    "outcome", selftest.run(load.shipped()), ids=lambda o: f"{o.rule_key}: {o.name}"
)
def test_shipped_rules_pass_the_cases_they_carry(outcome):
    assert outcome.passed, outcome.message


def test_every_alerting_rule_has_a_case_that_fires_and_one_that_does_not():
    for compiled in load.shipped().rules:
        expected = [case.n_alerts for case in compiled.rule.tests]
        if compiled.alone:
            assert 0 in expected, compiled.rule.key
            assert any(expected), compiled.rule.key


def test_a_failing_case_says_what_came():
    case = "tests: [{name: n, events: [{gen_ai.tool.name: shell}], expect: 0}]"
    [outcome] = selftest.run(load.parse(GOOD + case, file="own.yml"))
    assert (outcome.passed, outcome.message) == (
        False,
        "expected 0 alerts counting 0, got 1 counting 1",
    )


def test_an_unknown_context_is_refused():
    case = "tests: [{name: n, context: {moon: full}, events: [], expect: 0}]"
    with pytest.raises(RuleError, match="approved_tools"):
        selftest.run(load.parse(GOOD + case, file="own.yml"))


def test_every_file_of_rules_is_shipped_once():
    files = {f.name for f in (resources.files("incidents.rules") / "data").iterdir()}
    assert {each.rule.file for each in load.shipped().rules} == files
