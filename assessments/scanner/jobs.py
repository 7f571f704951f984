"""Scan jobs and results as files, in versioned schemas; `docs/scanner.md` documents each field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assessments.scanner import formats
from assessments.scanner.contract import ScanFailed, ScanJob, plain_sha256
from assessments.scanner.digests import folder_sha256
from assessments.scanner.plain import NotPlain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assessments.scanner.contract import Prompt, ScanResult, WatchedLatent

JOB = "strata.scan-job/1"
RESULT = "strata.scan-result/1"
MOST_BYTES = 256 << 20


def read(path: Path) -> ScanJob:
    """The job in a file. A model or an autoencoder whose digest is empty is taken as it lies there.

    Raises:
        ScanFailed: it is no job, or of another schema.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_BYTES + 1)
        raw = json.loads(text) if len(text) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ScanFailed(f"{path}: expected a job as JSON: {error}", permanent=True) from error
    if not isinstance(raw, dict):
        message = f"{path}: expected a JSON object of at most {MOST_BYTES} bytes"
        raise ScanFailed(message, permanent=True)
    if (schema := raw.pop("schema", None)) != JOB:
        message = f"{path}: expected schema {JOB!r}, came {ascii(schema)[:60]}"
        raise ScanFailed(message, permanent=True)
    try:
        return ScanJob.from_json(raw)
    except NotPlain as error:
        raise ScanFailed(f"{path}: {error}", permanent=True) from error


def template(
    model: Path,
    sae: Path,
    *,
    name: str,
    watchlist: Sequence[WatchedLatent],
    prompts: Sequence[Prompt],
) -> ScanJob:
    """A job with all defaults for a model, an autoencoder and a suite of prompts."""
    return ScanJob(
        model_path=str(model.resolve()),
        model_sha256=folder_sha256(model),
        sae_path=str(sae.resolve()),
        sae_sha256=formats.sae_sha256(sae, name),
        hook_name=formats.open_sae(sae, name=name).hook_name,
        watchlist=tuple(watchlist),
        prompts=tuple(prompts),
        suite_sha256=plain_sha256(tuple(prompts)),
        sae_format=name,
    )


def write(job: ScanJob, path: Path) -> None:
    """Write a job."""
    put({"schema": JOB, **job.to_json()}, path)


def write_result(result: ScanResult, path: Path) -> None:
    """Write a result."""
    put({"schema": RESULT, **result.to_json()}, path)


def put(plain: dict[str, Any], path: Path) -> None:
    """Write plain values; the file appears whole, or not at all."""
    text = json.dumps(plain, indent=1, allow_nan=False)
    half = path.with_name(f".{path.name}.half")
    half.write_text(text + "\n", encoding="utf-8")
    half.replace(path)
