"""Judge what came in: each accepted body once, in one transaction, or set aside."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compliance import lease
from compliance.actors import Actor, system
from compliance.audit.advance import advance
from compliance.clock import now
from compliance.models import Deployment, Evidence, ModelVersion
from compliance.queue import enqueue
from compliance.services import evidence, registry
from incidents.ingest import otlp, store
from incidents.ingest.spans import BadPayload, Decoded
from incidents.ingest.stitch import Record, stitch
from incidents.models import InboxRow, Rollback, StitchState
from incidents.rules import engine
from incidents.rules.engine import Findings, Match
from incidents.services import alert, rule, serving
from incidents.states import INBOX

JUDGE = system("judge")
VERIFY_ROLLBACK = "incidents.verify_rollback"
BLIND_AFTER = timedelta(minutes=15)


def judge(pk: int) -> None:
    """Claim one body and judge it; what cannot be read is set aside, not lost."""
    row = lease.claim(InboxRow, pk, waiting="queued", running="running")
    if row is None:
        return
    try:
        decoded = otlp.decode(
            bytes(row.body),
            content_type=row.content_type,
            content_encoding=row.content_encoding,
            received_at=row.received_at,
        )
    except BadPayload as error:
        _set_aside(row, error.reason)
        return
    with transaction.atomic():
        if not InboxRow.objects.filter(pk=row.pk, fence=row.fence).exists():
            return
        _judge(row, decoded)
        row.delete()
    serving.check(row.deployment)


def _set_aside(row: InboxRow, reason: str) -> None:
    advance(
        row,
        INBOX,
        "quarantine",
        by=JUDGE,
        note=reason,
        fence=row.fence,
        changes={**lease.free(), "problem": reason[:500]},
        request_key=row.request_key,
    )


def _judge(row: InboxRow, decoded: Decoded) -> None:
    deployment = row.deployment
    state = store.state_of(deployment)
    stitched = stitch(
        decoded.spans,
        carried=store.carried_by(state),
        received_at=row.received_at,
        deployment=deployment.key,
    )
    records = store.unseen(deployment, stitched.records)
    findings = _findings(deployment, records)
    store.keep(deployment, records, received_at=row.received_at)
    observed = _newest_weights(records)
    _remember(state, decoded, records, findings, observed, stitched.n_forgotten)
    StitchState.objects.filter(pk=state.pk).update(carried=stitched.carried.to_json())
    if observed:
        registry.observe_serving(deployment, observed, said_by="telemetry", by=JUDGE)
        _ring_rollbacks(deployment)
    for match in findings.matches:
        weights = _weights_in(match, records) or observed or state.observed_sha256
        alert.raise_from(match, deployment, observed_sha256=weights, by=JUDGE)


def _findings(deployment: Deployment, records: list[Record]) -> Findings:
    if not records:
        return Findings()
    rules = rule.in_force()
    earliest = min(record.at for record in records)
    past = store.history(deployment, before=earliest, reach=engine.history_needed(rules))
    return engine.evaluate(rules, records, serving.facts([deployment], now()), history=past)


def _newest_weights(records: list[Record]) -> str:
    """The digest named by the newest record that names one."""
    for record in sorted(records, key=lambda each: each.at, reverse=True):
        if said := store.weights_of(record):
            return said
    return ""


def _weights_in(match: Match, records: list[Record]) -> str:
    ids = set(match.record_ids)
    return _newest_weights([record for record in records if record.id in ids])


def _remember(
    state: StitchState,
    decoded: Decoded,
    records: list[Record],
    findings: Findings,
    observed: str,
    n_forgotten: int,
) -> None:
    """Count what was judged, and which rules could not see."""
    state.n_judged += 1
    state.n_records += len(records)
    state.n_rejected += decoded.n_rejected
    state.n_forgotten += n_forgotten
    if records:
        newest = max(record.at for record in records)
        state.last_seen_at = max(state.last_seen_at or newest, newest)
        state.blind = [asdict(each) | {"missing": list(each.missing)} for each in findings.blind]
        state.degraded = [
            {"rule_key": each.rule_key, "reason": each.reason.kept()} for each in findings.degraded
        ]
    state.observed_sha256 = observed or state.observed_sha256
    state.save()


def _ring_rollbacks(deployment: Deployment) -> None:
    """New telemetry may settle a rollback that waits to be checked."""
    waiting = Rollback.objects.filter(deployment=deployment, state__in=["executed", "inconclusive"])
    for pk in waiting.values_list("pk", flat=True):
        enqueue(VERIFY_ROLLBACK, pk)


def watch_silence() -> int:
    """Judge the absence of telemetry for every deployment that owes it; how many alerts."""
    active = list(
        Deployment.objects.filter(state="active").select_related("system", "subject", "serves")
    )
    known = {each.key: each for each in active}
    at = now()
    matches = engine.match(rule.in_force(), (), serving.facts(active, at))
    for match in matches:
        alert.raise_from(match, known[match.deployment], by=JUDGE)
    return len(matches)


def is_blind(state: StitchState | None, at: datetime) -> bool:
    """Whether nothing was heard for so long that no news means nothing."""
    return state is None or state.last_seen_at is None or at - state.last_seen_at > BLIND_AFTER


def attest_readiness(version: ModelVersion, deployment: Deployment, *, by: Actor) -> Evidence:
    """Measure whether this deployment is watched, and attest it for a version.

    Ready is: a behaviour manifest to hold behaviour against, rules in force whose own tests
    pass, and a token by which telemetry comes in. Rules that are blind are named.
    """
    manifest = version.manifests.order_by("-number").first()
    n_tokens = deployment.tokens.filter(revoked_at=None).count()
    n_rules = sum(1 for each in rule.in_force().rules if each.alone)
    state = StitchState.objects.filter(deployment=deployment).first()
    blind = sorted({each["rule_key"] for each in state.blind}) if state else []
    ready = manifest is not None and n_tokens > 0 and n_rules > 0
    lacks = [
        sentence
        for missing, sentence in (
            (manifest is None, _("no behaviour manifest is declared")),
            (n_tokens == 0, _("no token sends telemetry for it")),
            (n_rules == 0, _("no detection rule is in force")),
        )
        if missing
    ]
    return evidence.attest(
        version,
        "monitoring_readiness",
        layer=2,
        status="met" if ready else "not_met",
        summary=(
            ngettext(
                "%(n)s detection rule is in force on %(key)s; %(blind)s of them blind.",
                "%(n)s detection rules are in force on %(key)s; %(blind)s of them blind.",
                n_rules,
            )
            % {"n": n_rules, "key": deployment.key, "blind": len(blind)}
            if ready
            else _("%(key)s is not watched: %(lacks)s.")
            % {"key": deployment.key, "lacks": "; ".join(lacks)}
        ),
        payload={
            "deployment": deployment.key,
            "n_rules": n_rules,
            "n_tokens": n_tokens,
            "blind": blind,
        },
        source=deployment.ref,
        by=by,
    )
