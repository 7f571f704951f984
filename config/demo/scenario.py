"""A scenario: what people and tools say to the demonstration's agent, read from TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incidents.ingest.normalise import prompt_sha256


class ScenarioError(Exception):
    """A scenario file does not say what is needed; the message names the field."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and what it is told."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One conversation. `calls` are made, in order, where the model makes none of its own."""

    conversation: str
    user: str
    system_prompt: str
    prompt_version: str
    note: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the agent was assessed with, for whoever registers it."""

    tools: tuple[str, ...]
    scopes: tuple[str, ...]
    untrusted_tools: tuple[str, ...]
    external_tools: tuple[str, ...]
    prompt_sha256: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it. `results` are what each tool answers; `examples` teach the form of a call."""

    title: str
    seed: int
    max_tokens: int
    temperature: float
    agent: str
    prompt_name: str
    manifest: Manifest
    examples: tuple[Mapping[str, str], ...]
    runs: tuple[Run, ...]
    results: Mapping[str, str]


def read(path: Path) -> Scenario:
    """The scenario in this file.

    Raises:
        ScenarioError: not TOML, or a field is missing.
    """
    try:
        return _scenario(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path.name}: not TOML: {error}") from error
    except KeyError as error:
        raise ScenarioError(f"{path.name}: {error.args[0]} is missing") from error


def _scenario(tree: Mapping[str, Any]) -> Scenario:
    prompt = tree["system_prompt"].strip()
    lists = {name: tuple(members) for name, members in tree["manifest"].items()}
    return Scenario(
        title=tree["title"],
        seed=tree["seed"],
        max_tokens=tree["max_tokens"],
        temperature=tree["temperature"],
        agent=tree["agent"],
        prompt_name=tree["prompt_name"],
        manifest=Manifest(**lists, prompt_sha256=prompt_sha256(prompt)),
        examples=_examples(tree),
        runs=tuple(_run(run, prompt) for run in tree["runs"]),
        results=tree["results"],
    )


def _examples(tree: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    """The example exchanges as messages."""
    return tuple(
        {"role": role, "content": example[role]}
        for example in tree.get("examples", [])
        for role in ("user", "assistant")
    )


def _run(tree: Mapping[str, Any], prompt: str) -> Run:
    return Run(
        conversation=tree["conversation"],
        user=tree["user"],
        system_prompt=tree.get("system_prompt", prompt).strip(),
        prompt_version=tree.get("prompt_version", "1"),
        note=tree.get("note", ""),
        calls=tuple(Call(call["tool"], call["arguments"]) for call in tree["calls"]),
    )
