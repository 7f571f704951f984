"""What a batch comes to: matches grouped and counted, blindness told, floods held back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incidents.ingest.spans import SpanRecord
from incidents.ingest.stitch import stitch
from incidents.rules import baselines, engine, load
from incidents.rules.facts import DeploymentFacts, Facts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN = DeploymentFacts(
    key="helpdesk", model="small", version="1.0", in_production=True,
    tools=frozenset({"search"}), untrusted_tools=frozenset({"fetch_page"}),
    external_tools=frozenset({"mail_out"}),
)  # fmt: skip
FACTS = Facts(NOW, {"helpdesk": KNOWN})
RULES = load.shipped()


def records(*calls, deployment="helpdesk", first=1, second=0):
    spans = [
        SpanRecord(
            "a" * 32, f"{first + i:016x}", "", "execute_tool",
            NOW + timedelta(seconds=second + i), NOW + timedelta(seconds=second + i),
            {"gen_ai.operation.name": "execute_tool", "gen_ai.conversation.id": "c", **call},
            {"service.name": deployment},
        )
        for i, call in enumerate(calls)
    ]  # fmt: skip
    return stitch(spans, received_at=NOW).records


def tool(name, **fields):
    return {"gen_ai.tool.name": name, **fields}


def only(rule_key, matches):
    return [match for match in matches if match.rule_key == rule_key]


def test_a_match_says_all_an_alert_needs():
    batch = records(tool("shell"), tool("search"), tool("shell"))
    [match] = only("tool_outside_manifest", engine.match(RULES, batch, FACTS))
    assert (match.level, match.deployment, match.count) == ("high", "helpdesk", 2)
    assert match.fields["gen_ai.tool.name"] == "shell"
    assert match.expected == "one of search"
    assert match.group_by == {"gen_ai.tool.name": "shell"}
    assert match.record_ids == (batch[0].id, batch[2].id)
    assert (match.first_at, match.last_at) == (NOW, NOW + timedelta(seconds=2))
    assert match.rule_sha256 == RULES.get("tool_outside_manifest").rule.sha256


def test_the_same_thing_has_the_same_fingerprint_and_another_has_another():
    def fingerprint(name, deployment="helpdesk"):
        facts = Facts(NOW, {deployment: replace(KNOWN, key=deployment)})
        batch = records(tool(name), deployment=deployment)
        [match] = only("tool_outside_manifest", engine.match(RULES, batch, facts))
        return match.fingerprint

    assert fingerprint("shell") == fingerprint("shell")
    assert len({fingerprint("shell"), fingerprint("curl"), fingerprint("shell", "other")}) == 3


def test_what_is_shown_is_masked():
    batch = records(tool("AKIAIOSFODNN7EXAMPLE\u202e"))
    [match] = only("tool_outside_manifest", engine.match(RULES, batch, FACTS))
    assert match.fields["gen_ai.tool.name"].strip() == "[aws-access-key]"


def test_nothing_declared_is_told_as_blindness():
    batch = records(tool("shell"), tool(""), {})
    facts = Facts(NOW, {"helpdesk": DeploymentFacts("helpdesk")})
    findings = engine.evaluate(RULES, batch, facts)
    assert only("tool_outside_manifest", findings.matches) == []
    [blind] = only("tool_outside_manifest", findings.blind)
    assert blind.missing == ("approved_tools", "gen_ai.tool.name")
    assert (blind.n_blind, blind.n_seen) == (3, 3)


def test_arguments_never_sent_make_the_credential_rule_blind():
    [blind] = only(
        "credential_in_tool_arguments", engine.evaluate(RULES, records(tool("x")), FACTS).blind
    )
    assert blind.missing == ("strata.tool.args.shape",)


def test_a_sequence_is_seen_across_batches():
    before = records(tool("fetch_page"))
    after = records(tool("mail_out"), first=9, second=60)
    key = "untrusted_read_then_external_write"
    assert only(key, engine.match(RULES, after, FACTS)) == []
    [match] = only(key, engine.match(RULES, after, FACTS, history=before))
    assert match.record_ids == (before[0].id, after[0].id)
    assert match.group_by == {"gen_ai.conversation.id": "c"}
    assert engine.history_needed(RULES) == timedelta(minutes=10)


def test_history_alone_is_not_told_again():
    before = records(tool("fetch_page"), tool("mail_out"))
    after = records(tool("search"), first=9, second=60)
    key = "untrusted_read_then_external_write"
    assert only(key, engine.match(RULES, after, FACTS, history=before)) == []


def test_a_late_read_completes_a_sequence_too():
    sent = records(tool("mail_out"), first=9, second=60)
    read = records(tool("fetch_page"))
    key = "untrusted_read_then_external_write"
    assert len(only(key, engine.match(RULES, read, FACTS, history=sent))) == 1


def test_two_deployments_never_share_a_conversation():
    facts = Facts(NOW, {"helpdesk": KNOWN, "other": replace(KNOWN, key="other")})
    batch = [*records(tool("fetch_page")), *records(tool("mail_out"), deployment="other", first=7)]
    assert only("untrusted_read_then_external_write", engine.match(RULES, batch, facts)) == []


def test_silence_is_judged_without_records():
    owed = replace(KNOWN, expected_since=NOW - timedelta(hours=9))
    facts = Facts(NOW, {"helpdesk": owed, "quiet": DeploymentFacts("quiet")})
    [match] = engine.match(RULES, (), facts)
    assert (match.rule_key, match.deployment) == ("telemetry_silent", "helpdesk")
    assert match.record_ids == ()
    assert match.fields["silent since"].startswith("2026-03-01T03:00:00")
    assert match.first_at == NOW


def test_a_flood_of_groups_is_held_back_and_told():
    batch = records(*(tool(f"t{i}") for i in range(30)))
    findings = engine.evaluate(RULES, batch, FACTS, budget=engine.Budget(groups=10))
    matches = only("tool_outside_manifest", findings.matches)
    assert len(matches) == 11
    assert matches[-1].group_by == {"gen_ai.tool.name": engine.MANY}
    assert sum(match.count for match in matches) == 30
    assert [d.rule_key for d in findings.degraded] == ["tool_outside_manifest"]


def test_a_slow_rule_is_told_and_its_matches_stand():
    batch = records(*(tool("shell") for _ in range(120)))
    findings = engine.evaluate(RULES, batch, FACTS, budget=engine.Budget(microseconds_per_record=0))
    assert only("tool_outside_manifest", findings.matches)[0].count == 120
    assert "tool_outside_manifest" in {d.rule_key for d in findings.degraded}


def test_correlation_groups_have_a_bound():
    batch = records(*(tool("fetch_page", **{"gen_ai.conversation.id": f"c{i}"}) for i in range(9)))
    findings = engine.evaluate(RULES, batch, FACTS, budget=engine.Budget(keys=4))
    assert (
        "5 records beyond"
        in only("untrusted_read_then_external_write", findings.degraded)[0].reason
    )


OWN = """
title: Many searches
id: 2b0bfa9a-4d59-4a7c-9d0e-6f6c5a4b3c2d
name: many_searches
level: low
correlation:
  type: {type}
  rules: [{rules}]
  group-by: [gen_ai.conversation.id]
  timespan: 10s
  condition: {condition}
x-strata: {{version: 1}}
"""


def own(kind, rules, condition):
    text = OWN.format(type=kind, rules=rules, condition=condition)
    return load.parse(text, file="own.yml", known=RULES)


@pytest.mark.parametrize(
    ("kind", "rules", "condition", "count"),
    [
        ("event_count", "any_tool_call", "{gte: 3}", 2),
        ("event_count", "any_tool_call", "{gte: 5}", 0),
        ("value_count", "any_tool_call", "{gte: 3, field: gen_ai.tool.name}", 1),
        ("temporal", "external_write, untrusted_read", "{}", 1),
        ("temporal_ordered", "untrusted_read, external_write", "{}", 0),
    ],
)
def test_correlations(kind, rules, condition, count):
    batch = records(tool("mail_out"), tool("search"), tool("search"), tool("fetch_page"))
    matches = engine.match(own(kind, rules, condition), batch, FACTS)
    assert sum(match.count for match in matches) == count


def test_counts_forget_what_is_too_old():
    old, new = records(tool("search"), tool("search")), records(tool("search"), first=9, second=40)
    rules = own("event_count", "any_tool_call", "{gte: 3}")
    assert engine.match(rules, new, FACTS, history=old) == []


def test_replay_says_whether_and_when():
    batch = records(tool("search"), tool("fetch_page"), tool("mail_out"), tool("shell"))
    rule = RULES.get("untrusted_read_then_external_write")
    caught = engine.would_have_caught(rule, batch, FACTS)
    assert (caught.caught, caught.first_record, caught.n_matches) == (True, batch[1].id, 1)
    missed = engine.would_have_caught(RULES.get("unregistered_deployment"), batch, FACTS)
    assert missed == engine.Caught(caught=False)
    base = engine.would_have_caught(RULES.get("untrusted_read"), batch, FACTS)
    assert base.n_matches == 1


@pytest.mark.parametrize(
    ("address", "scope", "expected"),
    [
        ("file:///a/b", "file:///a/", True),
        ("file:///ab", "file:///a/", False),
        ("file:///a/b/c", "file:///a/*/c", True),
        ("host:10.1.2.3", "host:10.0.0.0/8", True),
        ("host:11.1.2.3", "host:10.0.0.0/8", False),
        ("host:db.example", "host:10.0.0.0/8", False),
        ("host:10.1.2.3", "host:ten/8", False),
        ("source:kb", "source:kb", True),
        ("file:///[a]", "file:///[a]*", True),
    ],
)
def test_scopes(address, scope, expected):
    assert baselines.inside(address, scope) is expected


def test_what_would_have_been_right_is_told_in_few_words():
    assert baselines.expected([]) == "nothing: the list is empty"
    assert baselines.expected(str(i) for i in range(10)).endswith("and 2 more")
