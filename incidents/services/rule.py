"""The detection rules in force: those that ship, and those this installation added."""

from __future__ import annotations

from functools import lru_cache

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.permissions import Permission
from compliance.services import subject
from incidents.models import DetectionRule
from incidents.rules import load, selftest
from incidents.rules.compile import CompiledRule, RuleSet
from incidents.rules.schema import RuleError
from incidents.services.people import person


def in_force() -> RuleSet:
    """Every rule that judges now; an added rule replaces a shipped one of its key."""
    active = DetectionRule.objects.filter(active=True).order_by("pk")
    return _with(tuple(active.values_list("key", "source")))


@lru_cache(maxsize=4)
def _with(added: tuple[tuple[str, str], ...]) -> RuleSet:
    rules = load.shipped()
    for key, source in added:
        rules = rules.with_(load.parse(source, file=f"{key}.yml", known=rules))
    return rules


def read(source: str, *, file: str = "rule.yml") -> CompiledRule:
    """One rule out of its text, its own tests passed.

    Raises:
        RuleError: it cannot be read, there is not exactly one, or one of its tests fails.
    """
    own = load.parse(source, file=file, known=load.shipped())
    alone = [rule for rule in own.rules if rule.alone]
    if len(alone) != 1:
        raise RuleError(file, "", "file", f"expected one rule that alerts, got {len(alone)}")
    for outcome in selftest.run(own):
        if not outcome.passed:
            raise RuleError(file, outcome.rule_key, f"tests: {outcome.name}", outcome.message)
    return alone[0]


@transaction.atomic
def add(source: str, *, by: Actor) -> DetectionRule:
    """Keep a rule, inactive: it can be tried, and raises nothing.

    Raises:
        RuleError: as `read`, or the same key and version exist already with other text.
    """
    require(by, Permission.RULE_WRITE)
    author = person(by, _("only a person can add a rule"))
    written = read(source).rule
    key, version = written.key, str(written.version)
    known = DetectionRule.objects.filter(key=key, version=version).first()
    if known is not None:
        if known.sha256 != written.sha256:
            raise RuleError(
                "rule.yml", key, "x-strata.version", f"{version} exists; write a new one"
            )
        return known
    added = DetectionRule.objects.create(
        subject=subject.make("rule", written.title),
        key=key,
        version=version,
        title=written.title,
        level=str(written.level),
        source=source,
        sha256=written.sha256,
        added_by_id=author,
        added_at=now(),
    )
    record(
        "rule.add",
        added,
        by=by,
        words={"title": added.title},
        key=key,
        version=version,
        sha256=added.sha256,
    )
    return added


@transaction.atomic
def activate(rule: DetectionRule, *, by: Actor) -> None:
    """From now on it judges; an older version of the same key stops."""
    require(by, Permission.RULE_WRITE, rule.subject)
    DetectionRule.objects.filter(key=rule.key).exclude(pk=rule.pk).update(active=False)
    DetectionRule.objects.filter(pk=rule.pk).update(active=True)
    rule.active = True
    record("rule.activate", rule, by=by, key=rule.key, version=rule.version, sha256=rule.sha256)
