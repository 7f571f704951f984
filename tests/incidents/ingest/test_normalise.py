"""One vocabulary, whatever the instrumentation; and nothing secret in what may be shown."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.ingest import credentials
from incidents.ingest import normalise as n
from incidents.ingest.spans import SpanEvent, SpanRecord

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLAIN = SpanRecord("1" * 32, "2" * 16, "", "span", NOW, NOW, {}, {})


def normal(fields, **changes):
    return n.normalise(replace(PLAIN, attributes=fields, **changes)).attributes


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"gen_ai.system": "openai"}, "gen_ai.provider.name", "openai"),
        ({"llm.model_name": "m"}, "gen_ai.request.model", "m"),
        ({"session.id": "s"}, "gen_ai.conversation.id", "s"),
        ({"openinference.span.kind": "LLM"}, "gen_ai.operation.name", "chat"),
        ({"traceloop.span.kind": "agent"}, "gen_ai.operation.name", "invoke_agent"),
        ({"llm.request.type": "completion"}, "gen_ai.operation.name", "text_completion"),
        ({"tool.name": "shell"}, "gen_ai.operation.name", "execute_tool"),
        ({"mcp.method.name": "tools/call"}, "gen_ai.operation.name", "execute_tool"),
        ({"gen_ai.usage.prompt_tokens": 3}, "gen_ai.usage.input_tokens", 3),
        ({"llm.invocation_parameters": '{"seed": 5}'}, "gen_ai.request.seed", 5),
        (
            {"traceloop.span.kind": "tool", "traceloop.entity.name": "shell"},
            "gen_ai.tool.name",
            "shell",
        ),
    ],
)
def test_older_names_become_current_ones(given, name, value):
    assert normal(given)[name] == value


def test_a_current_name_wins_and_the_other_is_kept():
    fields = normal({"gen_ai.provider.name": "a", "gen_ai.system": "b"})
    assert (fields["gen_ai.provider.name"], fields["gen_ai.system"]) == ("a", "b")


def test_only_the_registry_speaks_for_the_registry():
    fields = normal({"strata.deployment.registered": True, "strata.weights.sha256": "ab"})
    assert fields == {"strata.weights.sha256": "ab"}


SYSTEM = "You answer tickets."


@pytest.mark.parametrize(
    "fields",
    [
        {"gen_ai.system_instructions": SYSTEM},
        {"gen_ai.system_instructions": '[{"type": "text", "content": "You answer tickets."}]'},
        {
            "gen_ai.input.messages": (
                {"role": "system", "parts": ({"type": "text", "content": SYSTEM},)},
                {"role": "user", "content": "hello"},
            )
        },
        {
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": SYSTEM,
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "hello",
        },
        {
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": SYSTEM,
        },
    ],
)
def test_the_system_prompt_is_found_wherever_it_stands(fields):
    assert normal(fields)["strata.prompt.sha256"] == hashlib.sha256(SYSTEM.encode()).hexdigest()


def test_the_system_prompt_in_a_span_event():
    event = SpanEvent("gen_ai.system.message", NOW, {"content": SYSTEM})
    assert normal({}, events=(event,))["strata.prompt.sha256"] == n.prompt_sha256(SYSTEM)


def test_a_cut_prompt_has_no_digest():
    fields = {"gen_ai.system_instructions": SYSTEM}
    assert "strata.prompt.sha256" not in normal(fields, cut=("gen_ai.system_instructions",))


def test_content_outranks_the_claim():
    fields = normal({"gen_ai.system_instructions": SYSTEM, "strata.prompt.sha256": "00"})
    assert fields["strata.prompt.sha256"] == n.prompt_sha256(SYSTEM)
    assert fields["strata.prompt.sha256.claimed"] == "00"


def test_the_shape_has_names_and_types_and_no_values():
    arguments = '{"to": "a@b.example", "n": 3, "opts": {"cc": ["x", 1], "dry": true}, "z": null}'
    shape = normal({"gen_ai.tool.call.arguments": arguments})["strata.tool.args.shape"]
    assert shape == "n:int,opts:{cc:[int|str],dry:bool},to:str,z:null"


@pytest.mark.parametrize(
    ("arguments", "scopes"),
    [
        ('{"path": "/srv/../etc/passwd"}', ("file:///etc/passwd",)),
        ('{"path": "a\\\\..\\\\b"}', ("file:///b",)),
        ('{"url": "HTTPS://u:p@Example.ORG:8443/a/../b?q=1#f"}', ("https://example.org:8443/b",)),
        ('{"note": "see file:///tmp/x"}', ()),
        ('{"target": "https://x.example/y"}', ("https://x.example/y",)),
        ('{"url": "http://[bad"}', ("unreadable:http://[bad",)),
        ('{"file": ["a", "b"]}', ("file:///a", "file:///b")),
        ("not json", ()),
    ],
)
def test_arguments_say_what_data_is_reached_for(arguments, scopes):
    fields = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": arguments}
    assert n.data_scopes(fields) == scopes


def test_named_sources_are_scopes():
    fields = {"gen_ai.data_source.id": "kb", "db.system.name": "pg", "db.namespace": "crm"}
    assert n.data_scopes(fields) == ("db:pg/crm", "source:kb")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "aws-access-key"),
        ("ghp_" + "a" * 36, "github-token"),
        ("-----BEGIN PRIVATE KEY-----", "private-key"),
        ("Authorization: Bearer abcdefghijklmnop1234", "bearer-header"),
        ("postgresql://app:hunter22@db/x", "url-password"),
        ('{"api_key": "abcdef123456"}', "named-secret"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2Q", "json-web-token"),
    ],
)
def test_credentials_are_known_and_masked(text, kind):
    assert kind in credentials.kinds(text)
    assert f"[{kind}]" in n.redact(text)


def test_ordinary_text_is_left_alone():
    assert n.redact("Reset the password for ticket 12, please.") == (
        "Reset the password for ticket 12, please."
    )


def test_what_is_shown_has_no_unseen_marks_and_an_end():
    shown = n.redact("\u202eabc\x00\x1b[31m\u200b" + "x" * 500)
    assert len(shown) == 200
    assert shown.isprintable()


def test_content_is_replaced_by_keyed_digests():
    fields = {"gen_ai.tool.call.arguments": "secret", "gen_ai.tool.name": "t",
              "gen_ai.prompt.0.content": "hi", "gen_ai.prompt.name": "p"}  # fmt: skip
    kept = n.without_content(fields, key=b"k")
    assert kept["gen_ai.tool.name"] == "t"
    assert kept["gen_ai.prompt.name"] == "p"
    assert kept["gen_ai.tool.call.arguments"]["n_chars"] == 6
    assert "hi" not in str(kept)
    assert kept != n.without_content(fields, key=b"other")


def test_deep_json_in_text_stays_text():
    deep = "[" * 500 + "]" * 500
    assert n.parsed(deep) == deep
    assert normal({"gen_ai.tool.call.arguments": deep})["strata.tool.args.shape"] == "str"


CONTENTS = st.sampled_from(
    [
        "gen_ai.tool.call.arguments",
        "gen_ai.input.messages",
        "gen_ai.system_instructions",
        "url.full",
    ]
)


@given(st.dictionaries(CONTENTS, st.text()))
def test_normalising_twice_changes_nothing(fields):
    once = n.normalise(replace(PLAIN, attributes=fields))
    assert n.normalise(once) == once
