"""Rules from their files: read without surprises, checked, linked and compiled.

A file is versioned: its digest goes with each alert, so that an old event can be judged again by
the rule as it was. YAML is read without aliases and without doubled keys, both of which make a
rule say something else than a reader sees.
"""

import hashlib
from collections.abc import Hashable, Iterator
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import yaml

from incidents.rules import schema
from incidents.rules.compile import NO_RULES, RuleSet, link
from incidents.rules.schema import Rule, RuleError

N_MOST_BYTES: Final = 128 * 1024


class _Loader(yaml.SafeLoader):
    """YAML's plain types only; no aliases, no doubled keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node; an alias is refused, since a few of them can unfold to gigabytes."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  # PyYAML's own signature
        """One mapping; a key written twice is refused, since the first would be lost unseen."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {key!r} is written twice")
        return super().construct_mapping(node, deep=deep)


def parse(text: str, *, file: str, known: RuleSet = NO_RULES) -> RuleSet:
    """The rules in one file's text, compiled; they may refer to each other and to `known` ones.

    Raises:
        RuleError: names the file, the rule and the field.
    """
    return link(list(_rules(text, file)), known=known)


def read(text: str, *, file: str) -> tuple[Rule, ...]:
    """The rules in one file's text, checked but neither linked nor compiled.

    Raises:
        RuleError: names the file, the rule and the field.
    """
    return tuple(_rules(text, file))


def _rules(text: str, file: str) -> Iterator[Rule]:
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    for tree in _documents(text, file):
        if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
            raise RuleError(file, "", "document", "expected a mapping of rule fields")
        yield schema.rule(tree, file=file, sha256=sha256)


def _documents(text: str, file: str) -> list[Any]:
    if len(text.encode()) > N_MOST_BYTES:
        raise RuleError(file, "", "file", f"larger than {N_MOST_BYTES} bytes; split it")
    try:
        trees = list(yaml.load_all(text, Loader=_Loader))  # it is a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RuleError(file, "", "file", f"not YAML we read: {error}") from error
    return [tree for tree in trees if tree is not None]


@lru_cache(maxsize=1)
def shipped() -> RuleSet:
    """The rules that come with the house."""
    folder = resources.files("incidents.rules") / "data"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yml")), key=lambda f: f.name)
    rules = [rule for f in files for rule in _rules(f.read_text(encoding="utf-8"), f.name)]
    return link(rules)
