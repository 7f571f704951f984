"""Two papers about a version, written from this storey's records alone.

The assessment report says what was examined, what came of it and what it could not have seen. The
Annex IV file sorts the same records under the Annex's own letters and shows gaps as gaps. Every
statement carries its mark: measured, attested, or missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compliance import queries
from compliance.actors import Actor
from compliance.clock import stamp
from compliance.documents import outline
from compliance.models import AISystem, BehaviourManifest, Document, Evidence, ModelVersion
from compliance.phrase import said
from compliance.services import digest, document, strip, wording
from compliance.services.evidence import name as _name
from compliance.states import DEPLOYMENT

Block = dict[str, Any]
Item = dict[str, Any]

MOST_ROWS = 60
MOST_COLUMNS = 7
LAYER_TITLES = {
    1: gettext_lazy("Interpretation before deployment"),
    2: gettext_lazy("Behaviour in production"),
    3: gettext_lazy("Response"),
    4: gettext_lazy("The record"),
}
# What a full set of evidence would hold, by layer; what is absent is printed as a gap.
EXPECTED = {
    "sae_scan": 1,
    "suppression": 1,
    "red_team": 1,
    "monitoring_readiness": 2,
    "rota": 3,
    "rollback_drill": 3,
}
RECORD = 4
# What figures are called on paper, where the instrument's own word says too little.
FIGURES = {
    "agreement": gettext_lazy("Run again"),
    "agrees": gettext_lazy("Agrees with the first run"),
    "base_fvu": gettext_lazy("Unexplained share of variance, base model"),
    "baseline": gettext_lazy("Earlier scan"),
    "blind": gettext_lazy("Blind rules"),
    "came": gettext_lazy("Came"),
    "campaign": gettext_lazy("Campaign"),
    "ce_clean": gettext_lazy("Cross-entropy, untouched"),
    "ce_mean_ablated": gettext_lazy("Cross-entropy, mean ablation"),
    "ce_recovered_interval": gettext_lazy("Cross-entropy recovered, interval"),
    "ce_recovered_mean": gettext_lazy("Cross-entropy recovered against mean ablation"),
    "ce_recovered_zero": gettext_lazy("Cross-entropy recovered against zero ablation"),
    "ce_sae": gettext_lazy("Cross-entropy, through the autoencoder"),
    "ce_zero_ablated": gettext_lazy("Cross-entropy, zero ablation"),
    "checks": gettext_lazy("Checks"),
    "concern": gettext_lazy("Concern"),
    "conclusion": gettext_lazy("Conclusion"),
    "conditions": gettext_lazy("What differed about the runs"),
    "confidence": gettext_lazy("Confidence"),
    "context": gettext_lazy("Context"),
    "contexts": gettext_lazy("Contexts"),
    "coverage": gettext_lazy("Coverage"),
    "criteria": gettext_lazy("Criteria"),
    "d_z": gettext_lazy("Effect d_z"),
    "dead_density_bound": gettext_lazy("Bound on the density of dead latents"),
    "dead_share": gettext_lazy("Share of dead latents"),
    "declared_fvu": gettext_lazy("Unexplained share of variance, declared"),
    "declared_l0": gettext_lazy("Latents active on a token, declared"),
    "deployment": gettext_lazy("Deployment"),
    "differences": gettext_lazy("Differences"),
    "dtype": gettext_lazy("Number format"),
    "error_share": gettext_lazy("Share of the error"),
    "exact": gettext_lazy("Exact"),
    "false_positives": gettext_lazy("Benign prompts that it takes for it"),
    "expected": gettext_lazy("Expected"),
    "findings": gettext_lazy("Findings"),
    "for": gettext_lazy("For"),
    "frame": gettext_lazy("Frame"),
    "from": gettext_lazy("From"),
    "frozen_fvu": gettext_lazy("Unexplained share without latents"),
    "fvu": gettext_lazy("Unexplained share of variance"),
    "fvu_interval": gettext_lazy("Unexplained share of variance, interval"),
    "fvu_with_massive": gettext_lazy("The same with massive tokens"),
    "gaps": gettext_lazy("Gaps"),
    "highest": gettext_lazy("Highest"),
    "hit_rate": gettext_lazy("Hit rate"),
    "key": gettext_lazy("Key"),
    "l0": gettext_lazy("Latents active on a token"),
    "l0_interval": gettext_lazy("Latents active on a token, interval"),
    "l0_mean": gettext_lazy("Latents active on a token, mean"),
    "l0_median": gettext_lazy("Latents active on a token, median"),
    "l0_p95": gettext_lazy("Latents active on a token, 95th percentile"),
    "largest_difference": gettext_lazy("Largest difference, relative"),
    "latent": gettext_lazy("Latent"),
    "latents_detected": gettext_lazy("Latents detected"),
    "mean_difference": gettext_lazy("Mean difference"),
    "mean_strength": gettext_lazy("Mean strength"),
    "method": gettext_lazy("Method, definitions and limits"),
    "minimum_detectable_ratio": gettext_lazy("Smallest ratio it could see"),
    "n_attempts": gettext_lazy("Attempts"),
    "n_ce_tokens": gettext_lazy("Tokens of the cross-entropy"),
    "n_compared": gettext_lazy("Values compared"),
    "n_differences": gettext_lazy("Values that differ"),
    "n_excluded": gettext_lazy("Tokens excluded"),
    "n_findings": gettext_lazy("Number of findings"),
    "n_flipped": gettext_lazy("Prompts that changed sides"),
    "n_flips": gettext_lazy("Flips"),
    "n_hit": gettext_lazy("Prompts with a hit"),
    "n_massive": gettext_lazy("Massive tokens"),
    "n_pairs": gettext_lazy("Pairs"),
    "n_prompts": gettext_lazy("Prompts"),
    "n_rechecked": gettext_lazy("Prompts read again in float32"),
    "n_rules": gettext_lazy("Rules in force"),
    "n_templates": gettext_lazy("Templates"),
    "n_texts": gettext_lazy("Texts read"),
    "n_tokens": gettext_lazy("Tokens read"),
    "n_tokens_of_telemetry": gettext_lazy("Tokens that may send telemetry"),
    "name": gettext_lazy("Name"),
    "p": gettext_lazy("p"),
    "p_bh": gettext_lazy("q (Benjamini-Hochberg)"),
    "p_max_t": gettext_lazy("p, corrected (max-T)"),
    "placebo_ratio": gettext_lazy("Rewording alone"),
    "positive_controls": gettext_lazy("Positive controls that it finds"),
    "precision": gettext_lazy("Precision"),
    "ratio": gettext_lazy("Ratio"),
    "ratio_high": gettext_lazy("Ratio, high"),
    "ratio_low": gettext_lazy("Ratio, low"),
    "reason": gettext_lazy("Reason"),
    "recalls": gettext_lazy("Recall by concern"),
    "repeats": gettext_lazy("Repeats the scan"),
    "scope": gettext_lazy("Scope"),
    "seconds": gettext_lazy("Seconds"),
    "self_check": gettext_lazy("Was the autoencoder read right"),
    "sensitivity": gettext_lazy("Sensitivity"),
    "sentence": gettext_lazy("In words"),
    "severities": gettext_lazy("Severities"),
    "severity": gettext_lazy("Severity"),
    "source": gettext_lazy("Source"),
    "status": gettext_lazy("Status"),
    "summaries": gettext_lazy("Summaries"),
    "target_says": gettext_lazy("The target says"),
    "tests": gettext_lazy("Tests"),
    "title": gettext_lazy("Title"),
    "to": gettext_lazy("To"),
    "tolerance": gettext_lazy("Difference allowed, relative"),
    "training_flop": gettext_lazy("Operations in training"),
    "transfers": gettext_lazy("Transfers from the base model"),
    "uuid": gettext_lazy("Identifier"),
    "verdict": gettext_lazy("Verdict"),
    "wanted": gettext_lazy("Wanted"),
    "what": gettext_lazy("What"),
    "widest_band": gettext_lazy("Widest guard band, in thresholds"),
}
# Words that instruments write into their findings, as a reader knows them.
VALUES = {
    **dict(Evidence.Status.choices),
    "agrees": gettext_lazy("agrees"),
    "benign": gettext_lazy("benign"),
    "concern": gettext_lazy("concern"),
    "control": gettext_lazy("control"),
    "critical": gettext_lazy("critical"),
    "cyber": gettext_lazy("cyber"),
    "deception": gettext_lazy("deception"),
    "deployment": gettext_lazy("deployment"),
    "detected": gettext_lazy("weaker under evaluation"),
    "disagrees": gettext_lazy("disagrees"),
    "evaluation": gettext_lazy("evaluation"),
    "evaluation_awareness": gettext_lazy("evaluation awareness"),
    "high": gettext_lazy("high"),
    "latent": gettext_lazy("latent"),
    "low": gettext_lazy("low"),
    "medium": gettext_lazy("medium"),
    "not_detected_at_sensitivity": gettext_lazy("not detected at this sensitivity"),
    "refusal": gettext_lazy("refusal"),
    "self_directed_tool_use": gettext_lazy("self directed tool use"),
    "too_few_templates": gettext_lazy("too few templates to tell"),
}
CODES = re.compile(rf"\b(?:{'|'.join(each for each in VALUES if '_' in each)})\b")
ORIGINS = {"manual": gettext_lazy("entered by hand"), "rota": gettext_lazy("the rota")}
STANDINGS = {
    "fresh": gettext_lazy("current"),
    "stale": gettext_lazy("stale: what it rests on has changed"),
    "expired": gettext_lazy("expired"),
}
# Parts of a payload that get a block of their own, or say nothing to a reader.
APART = {
    "chart",
    "criteria",
    "instrument",
    "scan",
    "series",
    "result_sha256",
    "campaign",
    "baseline",
}
# What a clean result could have missed: printed once, under the limits of the whole.
LIMITS = ("coverage", "sensitivity")
LIMITS_SECTION = "7"
# The columns of wide tables that a reader needs, where the first ones are not those.
COLUMNS = {
    "checks": ("what", "expected", "came", "status"),
    "contexts": ("context", "n_texts", "n_tokens", "fvu", "fvu_interval", "error_share", "l0_mean"),
    "findings": ("title", "concern", "severity"),
    "latents_detected": ("key", "concern", "n_pairs", "ratio", "ratio_low", "ratio_high", "p_bh"),
    "recalls": ("concern", "found", "false_positives"),
    "tests": ("concern", "n_pairs", "ratio", "ratio_low", "ratio_high", "p_max_t", "verdict"),
}
SHARES = {
    "ce_recovered_mean",
    "ce_recovered_zero",
    "dead_share",
    "error_share",
    "fvu",
    "fvu_with_massive",
    "hit_rate",
}
# Names that mean something else in one place.
RENAMED = {
    ("latents_detected", "key"): "latent",
    ("recalls", "found"): "positive_controls",
    ("monitoring_readiness", "n_tokens"): "n_tokens_of_telemetry",
}
BEYOND = 1_000_000  # a ratio or a figure above this tells a reader nothing more


@transaction.atomic
def assessment_report(version: ModelVersion, *, by: Actor) -> Document:
    """Freeze what is on record about one version now; a worker prints it."""
    with document.in_house_language():
        return _assessment_report(version, by)


def _assessment_report(version: ModelVersion, by: Actor) -> Document:
    newest = queries.newest_evidence(version)
    standing = queries.standing_evidence(version)
    sections = [_version_section(version), _manifest_section(version)]
    for layer in LAYER_TITLES:
        sections.append(_layer_section(str(len(sections) + 1), layer, standing))
    sections.append(_limits_section(LIMITS_SECTION, standing))
    return _request("assessment_report", _("Assessment report"), version, sections, newest, by)


@transaction.atomic
def annex_iv(version: ModelVersion, *, by: Actor) -> Document:
    """Freeze the technical documentation under the Annex's letters, gaps included."""
    with document.in_house_language():
        return _annex_iv(version, by)


def _annex_iv(version: ModelVersion, by: Actor) -> Document:
    newest = queries.newest_evidence(version)
    sections = []
    for section in outline.annex_iv():
        items = [_point(point, version, newest) for point in section.points]
        title = said(section.title, translation)
        sections.append({"id": section.id, "title": title, "lead": "", "items": items})
    return _request("annex_iv", _("Technical documentation"), version, sections, newest, by)


def _request(
    what: str,
    label: str,
    version: ModelVersion,
    sections: list[dict[str, Any]],
    newest: Mapping[str, Evidence],
    by: Actor,
) -> Document:
    system = version.model.system
    gaps = [
        {"id": item["id"], "title": item["title"]}
        for section in sections
        for item in section["items"]
        if item["mark"] == "missing"
    ]
    content = {
        "kind": what,
        "version": str(version.uuid),
        "weights_sha256": version.weights_sha256,
        "zone": system.zone,
        "facts": _facts(version),
        "strip": [
            {
                "key": s.key,
                "label": str(s.label),
                "status": str(s.status),
                "word": str(s.status_label),
            }
            for s in strip.of(version).segments
        ],
        "answer": {"sentence": _answer(newest), "points": _points(newest, gaps)},
        "sections": sections,
        "gaps": gaps,
        "evidence": [{"ref": each.ref, "sha256": each.sha256} for each in newest.values()],
        "record": document.record_head(),
    }
    return document.request(
        version.subject,
        what=what,
        title=f"{label}: {version}",
        content=content,
        about=version,
        by=by,
        is_simulation=bool(system.facts.get("simulation")),
    )


def _facts(version: ModelVersion) -> list[dict[str, Any]]:
    system = version.model.system
    rows = [
        (_("System"), f"{system.name} ({system.reference})"),
        (_("Provider"), f"{system.entity.name}, {system.entity.country}"),
        (_("Risk class"), system.get_risk_class_display()),
        (_("Role under the AI Act"), system.get_eu_role_display()),
        (_("Model version"), str(version)),
    ]
    facts: list[dict[str, Any]] = [{"label": label, "value": value} for label, value in rows]
    return [
        *facts,
        {"label": _("Weights"), "value": f"sha256 {version.weights_sha256}", "mono": True},
    ]


def _answer(newest: Mapping[str, Evidence]) -> str:
    """One sentence a minister can read; it claims no more than was shown."""
    if not newest:
        return _(
            "Nothing has been examined yet. This paper states what is on record and what is not."
        )
    n_met, n_not_met, n_open = (
        sum(each.status == status for each in newest.values()) for status in Evidence.Status
    )
    parts = (
        (n_met, ngettext("%(n)s met the stated criteria", "%(n)s met the stated criteria", n_met)),
        (n_not_met, ngettext("%(n)s did not", "%(n)s did not", n_not_met)),
        (n_open, ngettext("%(n)s came to no conclusion", "%(n)s came to no conclusion", n_open)),
    )
    return ngettext(
        "Of %(n)s examination on record, %(counts)s.",
        "Of %(n)s examinations on record, %(counts)s.",
        len(newest),
    ) % {"n": len(newest), "counts": "; ".join(words % {"n": n} for n, words in parts if n)}


def _points(newest: Mapping[str, Evidence], gaps: list[dict[str, Any]]) -> list[str]:
    points = [_plain(each.summary) for each in newest.values() if each.status == "not_met"]
    points += [
        _("%(name)s no longer stands: what it rests on has changed or run out.")
        % {"name": _name(each.what)}
        for each in newest.values()
        if queries.freshness(each) != "fresh"
    ]
    points.append(
        _("A criterion that is met means: nothing was found at the sensitivity stated here.")
    )
    if gaps:
        points.append(
            _("Points without anything on record: %(n)s. They are listed as gaps.")
            % {"n": len(gaps)}
        )
    return points


def _item(id_: str, title: str, blocks: Iterable[Block], *, mark: str, **more: str) -> Item:
    found = list(blocks)
    return {
        "id": id_,
        "title": title,
        "mark": mark if found else "missing",
        "blocks": found,
        "cite": more.get("cite", ""),
        "asks": more.get("asks", ""),
        "not_applies": bool(more.get("not_applies")),
    }


def _text(text: str, source: str = "") -> list[Block]:
    return [{"type": "text", "text": text, "source": source}] if text.strip() else []


def _version_section(version: ModelVersion) -> dict[str, Any]:
    system = version.model.system
    items = [
        _item(
            "1.1",
            _("Intended purpose"),
            _text(system.intended_purpose, _by(system)),
            mark="attested",
        ),
        _item("1.2", _("How the version came to be"), _text(version.origin), mark="attested"),
        _item("1.3", _("Its files"), _files(version), mark="measured"),
        _item("1.4", _("Where it serves"), _deployments(version), mark="attested"),
    ]
    lead = _("%(version)s of %(system)s, registered %(day)s.") % {
        "version": version,
        "system": system.name,
        "day": _day(version.registered_at, system.zone),
    }
    return {"id": "1", "title": _("What was assessed"), "lead": lead, "items": items}


def _day(at: datetime, zone: str) -> str:
    return wording.day(at.astimezone(ZoneInfo(zone)).date())


def _by(system: AISystem) -> str:
    who = f"{system.entity.name}, {system.owner.name}" if system.owner else system.entity.name
    return _("Stated by %(who)s") % {"who": who}


def _files(version: ModelVersion) -> list[Block]:
    rows = [[f.path, f"{f.size:,}", f.sha256] for f in version.files.order_by("path")]
    return _table(_("Files of this version"), [_("Path"), _("Bytes"), "SHA-256"], rows)


def _deployments(version: ModelVersion) -> list[Block]:
    rows = [
        [d.key, d.get_environment_display(), str(DEPLOYMENT.states[d.state].label)]
        for d in version.deployments.order_by("key")
    ]
    heads = [_("Deployment"), _("Environment"), _("State")]
    return _table(_("Deployments that declare this version"), heads, rows)


def _table(caption: str, heads: list[str], rows: list[list[str]]) -> list[Block]:
    if not rows:
        return []
    shown = rows[:MOST_ROWS]
    return [
        {
            "type": "table",
            "caption": caption,
            "heads": heads,
            "rows": shown,
            "all_rows": rows if len(rows) > len(shown) else [],
            "rest": len(rows) - len(shown),
        }
    ]


def _manifest_section(version: ModelVersion) -> dict[str, Any]:
    manifest = _manifest(version)
    items = [_item("2.1", _("Declared behaviour"), _declared(manifest), mark="attested")]
    lead = _("What the version is declared to do is the yardstick of what it is seen to do.")
    return {"id": "2", "title": _("Behaviour manifest"), "lead": lead, "items": items}


def _manifest(version: ModelVersion) -> BehaviourManifest | None:
    found: BehaviourManifest | None = version.manifests.order_by("-number").first()
    return found


def _declared(manifest: BehaviourManifest | None) -> list[Block]:
    if manifest is None:
        return []
    rows = [
        [_("Tools"), ", ".join(manifest.tools) or _("none")],
        [_("Tools that carry data out"), ", ".join(manifest.external_tools) or _("none")],
        [_("Data scopes"), ", ".join(manifest.data_scopes) or _("none")],
        [_("System prompts (SHA-256)"), ", ".join(manifest.prompt_sha256s) or _("any")],
    ]
    rows += [
        [_("At most an hour: %(tool)s") % {"tool": tool}, str(rate)]
        for tool, rate in sorted(manifest.rates.items())
    ]
    source = _("Manifest %(number)s") % {"number": manifest.number}
    source = f"{source}, sha256 {manifest.sha256}"
    return [{"type": "facts", "rows": rows, "source": source}]


def _layer_section(number: str, layer: int, standing: Sequence[Evidence]) -> dict[str, Any]:
    found = [each for each in standing if each.layer == layer]
    items = [_evidence_item(f"{number}.{n}", each) for n, each in enumerate(found, start=1)]
    if layer == RECORD:
        items.append(
            _item(f"{number}.{len(items) + 1}", _("The signed log"), _head(), mark="measured")
        )
    asks = _("an examination of this kind, attested for this version")
    for what, expected in EXPECTED.items():
        if expected == layer and all(each.what != what for each in standing):
            id_ = f"{number}.{len(items) + 1}"
            items.append(_item(id_, _name(what), [], mark="missing", asks=asks))
    return {"id": number, "title": str(LAYER_TITLES[layer]), "lead": "", "items": items}


def _head() -> list[Block]:
    """The newest signed head when the content was frozen."""
    head = document.record_head()
    if not head["size"]:
        return []
    rows = [
        [_("Entries signed"), f"{head['size']:,}"],
        [_("Root"), head["root"]],
        [_("Signed"), head["signed_at"]],
    ]
    return [{"type": "facts", "rows": rows}]


def _evidence_item(id_: str, found: Evidence) -> Item:
    mark = "measured" if found.attested_by is None else "attested"
    title = f"{_name(found.what)}: {found.get_status_display()}"
    return _item(id_, title, evidence_blocks(found, limits=LIMITS_SECTION), mark=mark)


def evidence_blocks(found: Evidence, *, limits: str) -> list[Block]:
    """One piece of evidence as it is printed: sentence, checks, picture, figures, source.

    What it could have missed is printed under the section that `limits` names.
    """
    payload: Mapping[str, Any] = found.payload
    blocks = _text(_plain(found.summary))
    blocks += _chart(payload.get("chart"))
    # In one order on every database: PostgreSQL keeps the keys of JSON in an order of its own.
    for name, value in sorted(payload.items()):
        if name not in APART and name not in LIMITS:
            blocks += _part(RENAMED.get((found.what, name), name), value)
    return [*_facts_first(blocks), _origin(found, limits)]


def _facts_first(blocks: list[Block]) -> list[Block]:
    """Single facts as one list behind the sentence and the picture, then the tables."""
    rows = [row for block in blocks if block["type"] == "facts" for row in block["rows"]]
    facts: list[Block] = [{"type": "facts", "rows": rows}] if rows else []
    tables = [block for block in blocks if block["type"] == "table"]
    return [*(each for each in blocks if each["type"] in {"text", "chart"}), *facts, *tables]


def _origin(found: Evidence, limits: str) -> Block:
    who = found.attested_by.name if found.attested_by else _("the installation")
    attested = {"who": who, "at": stamp(found.collected_at)}
    until = stamp(found.valid_until) if found.valid_until else _("no end stated")
    rows = [
        [_("Attested"), _("by %(who)s, %(at)s") % attested],
        [_("Valid until"), until],
        [_("Standing"), str(STANDINGS[queries.freshness(found)])],
        [_("Source"), str(ORIGINS.get(found.source, found.source))],
        [_("Evidence"), f"{found.uuid}, sha256 {found.sha256}"],
    ]
    if any(found.payload.get(name) for name in LIMITS):
        where = _("what it could not have seen stands under %(section)s") % {"section": limits}
        rows.append([_("Limits"), where])
    return {"type": "facts", "rows": rows}


def _chart(carried: Any) -> list[Block]:
    """The picture that evidence carries, from the same specification as on the screen."""
    if not isinstance(carried, Mapping) or not isinstance(carried.get("spec"), str):
        return []
    return [
        {"type": "chart", "spec": carried["spec"], "alt": str(carried.get("alt", "")), "title": ""}
    ]


def _part(name: str, value: Any) -> list[Block]:
    """One part of a payload: a table for rows, facts for a record, nothing for what is empty."""
    caption = _figure(name)
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        return _rows(caption, value, name)
    if isinstance(value, Mapping) and value:
        nested = [
            {"for": _plain(key), **row} for key, row in value.items() if isinstance(row, Mapping)
        ]
        if len(nested) == len(value):
            return _rows(caption, nested)
        rows = [
            [_figure(key), _plain(each, key)]
            for key, each in sorted(value.items())
            if not _is_rows(each)
        ]
        tables = [_part(key, each) for key, each in sorted(value.items()) if _is_rows(each)]
        return [*_table(caption, [_("Figure"), _("Value")], rows), *chain.from_iterable(tables)]
    if isinstance(value, list) and value:
        return [{"type": "facts", "rows": [[caption, ", ".join(map(_plain, value))]]}]
    if isinstance(value, str | int) and str(value):
        return [{"type": "facts", "rows": [[caption, _plain(value, name)]]}]
    return []


def _rows(caption: str, rows: list[Any], name: str = "") -> list[Block]:
    known = [
        key
        for key, value in rows[0].items()
        if not isinstance(value, list | Mapping) or _is_interval(value)
    ]
    keys = [key for key in COLUMNS.get(name, ()) if key in known] or sorted(known)[:MOST_COLUMNS]
    heads = [_figure(RENAMED.get((name, key), key)) for key in keys]
    cells = [[_plain(row.get(key, ""), key) for key in keys] for row in rows]
    return _table(caption, heads, cells)


def _is_rows(value: Any) -> bool:
    """Whether it is a table of its own; an empty one is none at all."""
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


def _is_interval(value: Any) -> bool:
    return isinstance(value, Mapping) and {"low", "high"} <= value.keys()


def _interval(value: Mapping[str, Any], name: object) -> str:
    """Between what a figure lies; a share says of how many as well."""
    is_share = "n_hit" in value or str(name).removesuffix("_interval") in SHARES
    low, high = (_decimal(float(value[end]), is_share=is_share) for end in ("low", "high"))
    between = _("%(low)s to %(high)s") % {"low": low, "high": high}
    if "n_hit" not in value:
        return between
    return _("%(k)s of %(n)s (%(between)s)") % {
        "k": value["n_hit"],
        "n": value["n"],
        "between": between,
    }


def _plain(value: Any, name: object = "") -> str:
    """A value as a reader wants it: shares in per cent, four digits, yes and no in words."""
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return f"{value:,}"
    if _is_interval(value):
        return _interval(value, name)
    return _plain_text(str(value), name)


def _plain_text(text: str, name: object) -> str:
    if text in VALUES:
        return str(VALUES[text])
    if _is_decimal(text):
        return _decimal(float(text), is_share=name in SHARES)
    return CODES.sub(lambda found: str(VALUES[found[0]]), text)


def _decimal(value: float, *, is_share: bool) -> str:
    if abs(value) > BEYOND:
        return _("more than %(n)s") % {"n": f"{BEYOND:,}"}
    return f"{value * 100:.3g}\u202f%" if is_share else f"{value:.4g}"


def _figure(key: object) -> str:
    """A figure in words; one that nobody named here stands as its instrument calls it."""
    return str(FIGURES.get(str(key), str(key).replace("_", " ").capitalize()))


def _is_decimal(text: str) -> bool:
    digits = text.lstrip("-").replace(".", "", 1).replace("e-", "", 1).replace("e+", "", 1)
    return digits.isdigit() and ("." in text or "e-" in text or text in {"0", "1"})


def _limits_section(number: str, standing: Iterable[Evidence]) -> dict[str, Any]:
    """What a clean result could have missed, from what the instruments say of themselves."""
    titles = {
        "coverage": _("What the autoencoder fails to rebuild"),
        "sensitivity": _("The smallest difference that would have been seen"),
    }
    items = [
        _item(f"{number}.{n}", titles[name], _limit(name, standing), mark="measured")
        for n, name in enumerate(LIMITS, start=1)
    ]
    lead = _("A result without findings says only what these figures allow.")
    return {"id": number, "title": _("What could have been missed"), "lead": lead, "items": items}


def _limit(name: str, standing: Iterable[Evidence]) -> Iterator[Block]:
    """One kind of limit, once for all examinations of the same run, which are named."""
    known: dict[str, tuple[Any, list[str]]] = {}
    for each in standing:
        if value := each.payload.get(name):
            known.setdefault(digest.of_json(value), (value, []))[1].append(_name(each.what))
    for value, whose in known.values():
        yield _head_line("; ".join(whose))
        yield from _part(name, value)


def _head_line(text: str) -> Block:
    return {"type": "text", "text": text, "source": "", "is_head": True}


Source = Callable[[ModelVersion, Mapping[str, Evidence]], tuple[list[Block], str]]


def _point(point: outline.Point, version: ModelVersion, newest: Mapping[str, Evidence]) -> Item:
    """One letter: what the records hold, what a person stated for it, or a gap."""
    stated = version.model.system.facts.get("annex_iv", {}).get(point.id, "")
    cite = _("Annex IV, %(point)s") % {"point": point.id}
    blocks, mark = SOURCES[point.id](version, newest) if point.id in SOURCES else ([], "missing")
    if stated:
        blocks = [*blocks, *_text(str(stated), _by(version.model.system))]
        mark = mark if mark == "measured" else "attested"
    title = said(point.title, translation)
    if (
        point.id == "1(f)"
        and not blocks
        and version.model.system.risk_class != AISystem.RiskClass.HIGH_ANNEX_I
    ):
        blocks = _text(
            _("The system is not a component of a product under Annex I."),
            _by(version.model.system),
        )
        return _item(
            point.id,
            title,
            blocks,
            mark="attested",
            cite=cite,
            not_applies="yes",
        )
    asks = said(point.asks, translation)
    return _item(point.id, title, blocks, mark=mark, cite=cite, asks=asks)


def _purpose(version: ModelVersion, _newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    system = version.model.system
    earlier = (
        _("It follows %(version)s.") % {"version": version.previous}
        if version.previous
        else _("It is the first on record.")
    )
    rows = [
        [_("Provider"), f"{system.entity.name}, {system.entity.country}"],
        [_("Version"), f"{version}, sha256 {version.weights_sha256}"],
        [_("Relation to earlier versions"), earlier],
    ]
    return [
        *_text(system.intended_purpose, _by(system)),
        {"type": "facts", "rows": rows},
    ], "attested"


def _interaction(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    return _declared(_manifest(version)), "attested"


def _forms(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    return _deployments(version), "attested"


def _making(version: ModelVersion, _newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    model = version.model
    rows = [[k, v] for k, v in ((_("Base model"), model.base), (_("Licence"), model.licence)) if v]
    facts: list[Block] = [{"type": "facts", "rows": rows}] if rows else []
    return [*_text(version.origin), *facts], "attested"


def _architecture(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    rows = [
        [_figure(name), _plain(value)]
        for name, value in version.model.facts.items()
        if isinstance(value, str | int | float)
    ]
    facts: list[Block] = [{"type": "facts", "rows": rows}] if rows else []
    return [*facts, *_files(version)], "measured"


def _of_layers(*layers: int) -> Source:
    def blocks(_: ModelVersion, newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
        found = [each for each in newest.values() if each.layer in layers]
        made: list[Block] = []
        for each in found:
            made.append(_head_line(f"{_name(each.what)}: {each.get_status_display()}"))
            made += evidence_blocks(each, limits="3")
        measured = any(each.attested_by is None for each in found)
        return made, "measured" if measured else "attested"

    return blocks


def _limits(_: ModelVersion, newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    blocks = [
        block for item in _limits_section("3", newest.values())["items"] for block in item["blocks"]
    ]
    return blocks, "measured"


def _criteria(_version: ModelVersion, newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    rows = [
        [_name(each.what), _plain(check.get("what", "")), _plain(check.get("expected", ""))]
        for each in newest.values()
        for check in each.payload.get("checks", [])
        if isinstance(check, Mapping)
    ]
    heads = [_("Examination"), _("Figure"), _("Criterion")]
    return _table(_("Criteria settled before the examination"), heads, rows), "measured"


def _changes(version: ModelVersion, _newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    rows = [
        [
            str(each),
            _day(each.registered_at, version.model.system.zone),
            each.origin,
            each.weights_sha256,
        ]
        for each in islice(_lineage(version), MOST_ROWS)
    ]
    heads = [_("Version"), _("Registered"), _("How it came to be"), "SHA-256"]
    return _table(_("Versions, newest first"), heads, rows), "measured"


def _lineage(version: ModelVersion | None) -> Iterator[ModelVersion]:
    """The version and those it followed, back to the first."""
    while version is not None:
        yield version
        version = version.previous


SOURCES: dict[str, Source] = {
    "1(a)": _purpose,
    "1(b)": _interaction,
    "1(d)": _forms,
    "2(a)": _making,
    "2(c)": _architecture,
    "2(e)": _of_layers(3),
    "2(g)": _of_layers(1),
    "3": _limits,
    "4": _criteria,
    "6": _changes,
    "9": _of_layers(2),
}
