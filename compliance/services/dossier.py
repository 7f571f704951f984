"""Two papers about a version, written from this storey's records alone.

The assessment report says what was examined, what came of it and what it could not have seen. The
Annex IV file sorts the same records under the Annex's own letters and shows gaps as gaps. Every
statement carries its mark: measured, attested, or missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import transaction

from compliance import queries
from compliance.actors import Actor
from compliance.clock import stamp
from compliance.documents import outline
from compliance.models import AISystem, BehaviourManifest, Document, Evidence, ModelVersion
from compliance.services import document, strip

Block = dict[str, Any]
Item = dict[str, Any]

MOST_ROWS = 60
MOST_COLUMNS = 7
LAYER_TITLES = {
    1: "Interpretation before deployment",
    2: "Behaviour in production",
    3: "Response",
    4: "The record",
}
# What a full set of evidence would hold, by layer; what is absent is printed as a gap.
EXPECTED = {
    "sae_scan": (1, "Scan with sparse autoencoders"),
    "suppression": (1, "Test for suppression under evaluation"),
    "red_team": (1, "Red-team campaign"),
    "monitoring_readiness": (2, "Monitoring readiness"),
    "rota": (3, "Rota coverage"),
    "rollback_drill": (3, "Rollback drill"),
}
RECORD = 4
# What figures are called on paper, where the instrument's own word says too little.
FIGURES = {
    "ce_recovered_mean": "Cross-entropy recovered against mean ablation",
    "ce_recovered_zero": "Cross-entropy recovered against zero ablation",
    "dead_share": "Share of dead latents",
    "fvu": "Unexplained share of variance",
    "fvu_with_massive": "The same with massive tokens",
    "l0_mean": "Latents active on a token, mean",
    "l0_median": "Latents active on a token, median",
    "l0_p95": "Latents active on a token, 95th percentile",
    "n_tokens": "Tokens read",
}
STATUSES = {"met": "met", "not_met": "not met", "inconclusive": "inconclusive"}
# Parts of a payload that get a block of their own, or say nothing to a reader.
APART = {"chart", "criteria", "instrument", "scan", "result_sha256", "campaign", "baseline"}


@transaction.atomic
def assessment_report(version: ModelVersion, *, by: Actor) -> Document:
    """Freeze what is on record about one version now; a worker prints it."""
    newest = queries.newest_evidence(version)
    sections = [_version_section(version), _manifest_section(version)]
    for layer in LAYER_TITLES:
        sections.append(_layer_section(str(len(sections) + 1), layer, newest))
    sections.append(_limits_section(str(len(sections) + 1), newest))
    return _request("assessment_report", "Assessment report", version, sections, newest, by)


@transaction.atomic
def annex_iv(version: ModelVersion, *, by: Actor) -> Document:
    """Freeze the technical documentation under the Annex's letters, gaps included."""
    newest = queries.newest_evidence(version)
    sections = []
    for section in outline.annex_iv():
        items = [_point(point, version, newest) for point in section.points]
        sections.append({"id": section.id, "title": section.title, "lead": "", "items": items})
    return _request("annex_iv", "Technical documentation", version, sections, newest, by)


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
        ("System", f"{system.name} ({system.reference})"),
        ("Provider", f"{system.entity.name}, {system.entity.country}"),
        ("Risk class", system.get_risk_class_display()),
        ("Role under the AI Act", system.get_eu_role_display()),
        ("Model version", str(version)),
    ]
    facts: list[dict[str, Any]] = [{"label": label, "value": value} for label, value in rows]
    return [*facts, {"label": "Weights", "value": f"sha256 {version.weights_sha256}", "mono": True}]


def _answer(newest: Mapping[str, Evidence]) -> str:
    """One sentence a minister can read; it claims no more than was shown."""
    if not newest:
        return "Nothing has been examined yet. This paper states what is on record and what is not."
    counts = [
        (sum(each.status == status for each in newest.values()), words)
        for status, words in (
            ("met", "met the stated criteria"),
            ("not_met", "did not"),
            ("inconclusive", "came to no conclusion"),
        )
    ]
    said = "; ".join(f"{n} {words}" for n, words in counts if n)
    return f"Of {len(newest)} examinations on record, {said}."


def _points(newest: Mapping[str, Evidence], gaps: list[dict[str, Any]]) -> list[str]:
    points = [each.summary for each in newest.values() if each.status == "not_met"]
    points += [
        f"{_name(each.what)} is {queries.freshness(each)}: it rests on what has changed or run out."
        for each in newest.values()
        if queries.freshness(each) != "fresh"
    ]
    points.append(
        "A criterion that is met means: nothing was found at the sensitivity stated here."
    )
    if gaps:
        points.append(f"Points without anything on record: {len(gaps)}. They are listed as gaps.")
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
            "1.1", "Intended purpose", _text(system.intended_purpose, _by(system)), mark="attested"
        ),
        _item("1.2", "How the version came to be", _text(version.origin), mark="attested"),
        _item("1.3", "Its files", _files(version), mark="measured"),
        _item("1.4", "Where it serves", _deployments(version), mark="attested"),
    ]
    lead = f"{version} of {system.name}, registered {stamp(version.registered_at)[:10]}."
    return {"id": "1", "title": "What was assessed", "lead": lead, "items": items}


def _by(system: AISystem) -> str:
    return f"Stated by {system.entity.name}" + (f", {system.owner.name}" if system.owner else "")


def _files(version: ModelVersion) -> list[Block]:
    rows = [[f.path, f"{f.size:,}", f.sha256] for f in version.files.order_by("path")]
    return _table("Files of this version", ["Path", "Bytes", "SHA-256"], rows)


def _deployments(version: ModelVersion) -> list[Block]:
    rows = [
        [d.key, d.get_environment_display(), d.state] for d in version.deployments.order_by("key")
    ]
    return _table(
        "Deployments that declare this version", ["Deployment", "Environment", "State"], rows
    )


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
    items = [_item("2.1", "Declared behaviour", _declared(manifest), mark="attested")]
    lead = "What the version is declared to do is the yardstick of what it is seen to do."
    return {"id": "2", "title": "Behaviour manifest", "lead": lead, "items": items}


def _manifest(version: ModelVersion) -> BehaviourManifest | None:
    found: BehaviourManifest | None = version.manifests.order_by("-number").first()
    return found


def _declared(manifest: BehaviourManifest | None) -> list[Block]:
    if manifest is None:
        return []
    rows = [
        ["Tools", ", ".join(manifest.tools) or "none"],
        ["Tools that carry data out", ", ".join(manifest.external_tools) or "none"],
        ["Data scopes", ", ".join(manifest.data_scopes) or "none"],
        ["System prompts (SHA-256)", ", ".join(manifest.prompt_sha256s) or "any"],
    ]
    rows += [
        [f"At most an hour: {tool}", str(rate)] for tool, rate in sorted(manifest.rates.items())
    ]
    source = f"Manifest {manifest.number}, sha256 {manifest.sha256}"
    return [{"type": "facts", "rows": rows, "source": source}]


def _layer_section(number: str, layer: int, newest: Mapping[str, Evidence]) -> dict[str, Any]:
    found = [each for each in newest.values() if each.layer == layer]
    items = [_evidence_item(f"{number}.{n}", each) for n, each in enumerate(found, start=1)]
    if layer == RECORD:
        items.append(
            _item(f"{number}.{len(items) + 1}", "The signed log", _head(), mark="measured")
        )
    for what, (expected, title) in EXPECTED.items():
        if expected == layer and what not in newest:
            asks = "an examination of this kind, attested for this version"
            items.append(_item(f"{number}.{len(items) + 1}", title, [], mark="missing", asks=asks))
    return {"id": number, "title": LAYER_TITLES[layer], "lead": "", "items": items}


def _head() -> list[Block]:
    """The newest signed head when the content was frozen."""
    head = document.record_head()
    if not head["size"]:
        return []
    rows = [
        ["Entries signed", f"{head['size']:,}"],
        ["Root", head["root"]],
        ["Signed", head["signed_at"]],
    ]
    return [{"type": "facts", "rows": rows}]


def _name(what: str) -> str:
    return EXPECTED[what][1] if what in EXPECTED else what.replace("_", " ").capitalize()


def _evidence_item(id_: str, found: Evidence) -> Item:
    mark = "measured" if found.attested_by is None else "attested"
    title = f"{_name(found.what)}: {found.get_status_display()}"
    return _item(id_, title, evidence_blocks(found), mark=mark)


def evidence_blocks(found: Evidence) -> list[Block]:
    """One piece of evidence as it is printed: sentence, checks, picture, figures, source."""
    payload: Mapping[str, Any] = found.payload
    blocks = _text(found.summary)
    blocks += _chart(payload.get("chart"))
    for name, value in payload.items():
        if name not in APART:
            blocks += _part(name, value)
    return [*blocks, _origin(found)]


def _origin(found: Evidence) -> Block:
    who = found.attested_by.name if found.attested_by else "the installation"
    rows = [
        ["Attested", f"by {who}, {stamp(found.collected_at)[:16]}Z"],
        [
            "Valid until",
            f"{stamp(found.valid_until)[:16]}Z" if found.valid_until else "no end stated",
        ],
        ["Standing", queries.freshness(found)],
        ["Source", found.source],
        ["Evidence", f"{found.uuid}, sha256 {found.sha256}"],
    ]
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
    caption = name.replace("_", " ").capitalize()
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        return _rows(caption, value)
    if isinstance(value, Mapping) and value:
        nested = [
            {"for": str(key).replace("_", " "), **row}
            for key, row in value.items()
            if isinstance(row, Mapping)
        ]
        if len(nested) == len(value):
            return _rows(caption, nested)
        rows = [[_figure(key), _plain(each)] for key, each in value.items()]
        return _table(caption, ["Figure", "Value"], rows)
    if isinstance(value, list) and value:
        return [{"type": "facts", "rows": [[caption, ", ".join(map(_plain, value))]]}]
    if isinstance(value, str | int) and str(value):
        return [{"type": "facts", "rows": [[caption, _plain(value)]]}]
    return []


def _rows(caption: str, rows: list[Any]) -> list[Block]:
    keys = [key for key in rows[0] if not isinstance(rows[0][key], list | Mapping)][:MOST_COLUMNS]
    heads = [_figure(key) for key in keys]
    return _table(caption, heads, [[_plain(row.get(key, "")) for key in keys] for row in rows])


def _plain(value: Any) -> str:
    """A value as a reader wants it: long decimals cut to four digits, yes and no in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in STATUSES:
        return STATUSES[value]
    if isinstance(value, str) and _is_decimal(value):
        return f"{float(value):.4g}"
    return str(value)


def _figure(key: object) -> str:
    return FIGURES.get(str(key), str(key).replace("_", " ").capitalize())


def _is_decimal(text: str) -> bool:
    digits = text.lstrip("-").replace(".", "", 1).replace("e-", "", 1).replace("e+", "", 1)
    return digits.isdigit() and ("." in text or "e-" in text)


def _limits_section(number: str, newest: Mapping[str, Evidence]) -> dict[str, Any]:
    """What a clean result could have missed, from what the instruments say of themselves."""
    items = []
    coverage: Mapping[str, Any] = next(
        (e.payload["coverage"] for e in newest.values() if e.payload.get("coverage")), {}
    )
    items.append(
        _item(
            f"{number}.1",
            "What the autoencoder fails to rebuild",
            _part("coverage", coverage),
            mark="measured",
        )
    )
    seen: Mapping[str, Any] = next(
        (e.payload["sensitivity"] for e in newest.values() if e.payload.get("sensitivity")), {}
    )
    items.append(
        _item(
            f"{number}.2",
            "The smallest difference that would have been seen",
            _part("sensitivity", seen),
            mark="measured",
        )
    )
    lead = "A result without findings says only what these figures allow."
    return {"id": number, "title": "What could have been missed", "lead": lead, "items": items}


Source = Callable[[ModelVersion, Mapping[str, Evidence]], tuple[list[Block], str]]


def _point(point: outline.Point, version: ModelVersion, newest: Mapping[str, Evidence]) -> Item:
    """One letter: what the records hold, what a person stated for it, or a gap."""
    stated = version.model.system.facts.get("annex_iv", {}).get(point.id, "")
    blocks, mark = SOURCES[point.id](version, newest) if point.id in SOURCES else ([], "missing")
    if stated:
        blocks = [*blocks, *_text(str(stated), _by(version.model.system))]
        mark = mark if mark == "measured" else "attested"
    title = point.title
    if (
        point.id == "1(f)"
        and not blocks
        and version.model.system.risk_class != AISystem.RiskClass.HIGH_ANNEX_I
    ):
        blocks = _text(
            "The system is not a component of a product under Annex I.", _by(version.model.system)
        )
        return _item(
            point.id,
            title,
            blocks,
            mark="attested",
            cite=f"Annex IV, {point.id}",
            not_applies="yes",
        )
    return _item(point.id, title, blocks, mark=mark, cite=f"Annex IV, {point.id}", asks=point.asks)


def _purpose(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    system = version.model.system
    earlier = f"follows {version.previous}" if version.previous else "is the first on record"
    rows = [
        ["Provider", f"{system.entity.name}, {system.entity.country}"],
        ["Version", f"{version}, sha256 {version.weights_sha256}"],
        ["Relation to earlier versions", f"It {earlier}."],
    ]
    return [
        *_text(system.intended_purpose, _by(system)),
        {"type": "facts", "rows": rows},
    ], "attested"


def _interaction(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    return _declared(_manifest(version)), "attested"


def _forms(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    return _deployments(version), "attested"


def _making(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    model = version.model
    rows = [[k, v] for k, v in (("Base model", model.base), ("Licence", model.licence)) if v]
    facts: list[Block] = [{"type": "facts", "rows": rows}] if rows else []
    return [*_text(version.origin), *facts], "attested"


def _architecture(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    rows = [
        [str(name).replace("_", " "), _plain(value)]
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
            made += _text(f"{_name(each.what)}: {each.get_status_display()}")
            made += evidence_blocks(each)
        measured = any(each.attested_by is None for each in found)
        return made, "measured" if measured else "attested"

    return blocks


def _limits(_: ModelVersion, newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    blocks = [block for item in _limits_section("3", newest)["items"] for block in item["blocks"]]
    return blocks, "measured"


def _criteria(_: ModelVersion, newest: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    rows = [
        [_name(each.what), _plain(check.get("what", "")), _plain(check.get("expected", ""))]
        for each in newest.values()
        for check in each.payload.get("checks", [])
        if isinstance(check, Mapping)
    ]
    return _table(
        "Criteria settled before the examination", ["Examination", "Figure", "Criterion"], rows
    ), "measured"


def _changes(version: ModelVersion, _: Mapping[str, Evidence]) -> tuple[list[Block], str]:
    rows = [
        [str(each), stamp(each.registered_at)[:10], each.origin, each.weights_sha256]
        for each in islice(_lineage(version), MOST_ROWS)
    ]
    heads = ["Version", "Registered", "How it came to be", "SHA-256"]
    return _table("Versions, newest first", heads, rows), "measured"


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
