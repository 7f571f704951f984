"""Records held against what was declared at assessment and authorised for service."""

import fnmatch
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from compliance.phrase import Phrase, counted
from incidents.ingest.normalise import redact
from incidents.ingest.spans import Value
from incidents.rules.compile import CompiledRule
from incidents.rules.facts import DeploymentFacts, Facts
from incidents.rules.matching import members, text_of
from incidents.rules.schema import Against, Baseline
from incidents.rules.views import Hit, View

N_MOST_SHOWN: Final = 8
DIGESTS: Final = frozenset({Against.VALUE_CHANGE, Against.DIGEST_MISMATCH})


def strays(value: Value, listed: frozenset[str], against: Against) -> tuple[str, ...]:
    """The values of the field that are not on the list.

    Names are compared to the letter; digests in either case, with or without `sha256:` before.
    """
    found = [text_of(each) for each in members(value)]
    if against is Against.SCOPE:
        return tuple(each for each in found if not any(inside(each, scope) for scope in listed))
    if against in DIGESTS:
        known = {_digest(each) for each in listed}
        return tuple(each for each in found if _digest(each) not in known)
    return tuple(each for each in found if each not in listed)


def _digest(text: str) -> str:
    return text.lower().removeprefix("sha256:")


def inside(address: str, scope: str) -> bool:
    """Whether an address lies in a declared scope.

    A scope is an address; a pattern with `*`; a folder, ending in `/`, with all below it; or, for
    `host:` addresses, a network such as `host:10.0.0.0/8`.
    """
    if address == scope or (scope.endswith("/") and address.startswith(scope)):
        return True
    if "*" in scope:
        return fnmatch.fnmatchcase(address, scope.replace("[", "[[]"))
    return "/" in scope and scope.startswith("host:") and _in_network(address, scope)


def _in_network(address: str, scope: str) -> bool:
    try:
        network = ipaddress.ip_network(scope.removeprefix("host:"), strict=False)
        return ipaddress.ip_address(address.removeprefix("host:")) in network
    except ValueError:
        return False


def expected(listed: Iterable[str]) -> Phrase:
    """What would have been right, in few words."""
    names = sorted(listed)
    if not names:
        return Phrase("nothing: the list is empty")
    shown = ", ".join(redact(each, limit=80) for each in names[:N_MOST_SHOWN])
    if len(names) > N_MOST_SHOWN:
        return counted(
            "one of %(names)s and %(n)s more",
            "one of %(names)s and %(n)s more",
            n=len(names) - N_MOST_SHOWN,
            names=shown,
        )
    return Phrase("one of %(names)s", names=shown)


def silent(
    rule: CompiledRule, body: Baseline, views: Sequence[View], facts: Facts
) -> Iterator[Hit]:
    """Deployments that owe telemetry and have sent none for too long."""
    newest = _newest(views)
    for key, known in facts.deployments.items():
        since = _silent_since(known, newest)
        if since is not None and facts.at - since > body.within:
            told: Mapping[str, Value] = {
                "strata.deployment.key": key,
                "silent since": since.isoformat(timespec="seconds"),
                **{name: known.fields().get(name) for name in rule.rule.group_by},
            }
            minutes = f"{body.within.total_seconds() / 60:g}"
            owed = Phrase("a record at least every %(minutes)s minutes", minutes=minutes)
            yield Hit((), 1, told, owed, key, facts.at)


def _newest(views: Iterable[View]) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for view in views:
        at = view.record.end
        newest[view.deployment] = max(at, newest.get(view.deployment, at))
    return newest


def _silent_since(known: DeploymentFacts, newest: Mapping[str, datetime]) -> datetime | None:
    """The last sign of life, or when the first was owed; None when nothing is owed."""
    if known.expected_since is None:
        return None
    signs = [known.expected_since, known.last_seen_at, newest.get(known.key)]
    return max(sign for sign in signs if sign is not None)
