"""Watch-lists as files, before and after they are calibrated, and what is printed of it.

A file is what `discover` wrote: how the list was found, and its `latents`. Calibrating adds `calibrated`
(on which model, prompts and settings) and `concerns` (what the latents of each find together), and
leaves the rest as it was.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from assessments.scanner import calibration, jobs, prompts
from assessments.scanner.contract import Prompt, ScanFailed, WatchedLatent
from assessments.scanner.plain import NotPlain

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.calibrating import Calibrated, Settings
    from assessments.scanner.contract import ScanJob, Share

MOST_BYTES = 64 << 20


def read_list(path: Path, sae_sha256: str) -> tuple[dict[str, Any], tuple[WatchedLatent, ...]]:
    """A watch-list file: all of it, and its latents.

    Raises:
        ScanFailed: it is none, or was made for another autoencoder.
    """
    try:
        raw = json.loads(text_of(path))
        listed = raw["latents"]
        watchlist = tuple(WatchedLatent.from_json(each) for each in listed)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{path}: expected a watch-list, an object with a list of latents: {error!r}"
        raise ScanFailed(message, permanent=True) from error
    if (made_for := raw.get("sae_sha256", sae_sha256)) != sae_sha256:
        message = (
            f"{path}: expected a list for the autoencoder {sae_sha256[:12]}…, came one for "
            f"{ascii(made_for)[:20]}; latents of another autoencoder mean other things"
        )
        raise ScanFailed(message, permanent=True)
    return raw, watchlist


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """Prompts from a file, one JSON object a line with the fields of a job's prompts.

    Raises:
        ScanFailed: it cannot be read; names the line.
    """
    found: list[Prompt] = []
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(Prompt.from_json(json.loads(line)))
        except (ValueError, NotPlain, RecursionError) as error:
            message = f"{path}, line {number}: expected a prompt as a JSON object: {error}"
            raise ScanFailed(message, permanent=True) from error
    if twice := [each for each, n in Counter(prompt.id for prompt in found).items() if n > 1]:
        message = f"{path}: each prompt needs an id of its own; {ascii(twice[0])[:60]} comes twice"
        raise ScanFailed(message, permanent=True)
    return tuple(found)


def text_of(path: Path) -> str:
    """A file of bounded size as text."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ScanFailed(f"{path}: expected at most {MOST_BYTES} bytes", permanent=True)
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScanFailed(f"{path}: it could not be read: {error}", permanent=True) from error


def file_of(raw: dict[str, Any], found: Calibrated, settings: Settings) -> dict[str, Any]:
    """The watch-list file with what is now known; how it was found stays in it."""
    return {
        **raw,
        "calibrated": {
            "model_sha256": found.model_sha256,
            "prompts_sha256": found.prompts_sha256,
            "n_prompts": found.n_units,
            "n_benign_tokens": found.n_benign_tokens,
            "settings": asdict(settings),
        },
        "concerns": [each.to_json() for each in found.concerns],
        "latents": [latent.to_json() for latent in found.watchlist],
    }


def job_for(
    model: Path, sae: Path, watchlist: Path, asked: Path | None, settings: Settings
) -> tuple[dict[str, Any], ScanJob]:
    """The watch-list file, and a job that reads its latents on the prompts to calibrate by."""
    wanted = read_prompts(asked) if asked else prompts.calibration(seed=settings.seed)
    empty = jobs.template(model, sae, name="", watchlist=(), prompts=wanted)
    raw, latents = read_list(watchlist, empty.sae_sha256)
    return raw, replace(empty, watchlist=latents, seed=settings.seed)


def lines(found: Calibrated, settings: Settings) -> list[str]:
    """What was found, as a table."""
    known = (latent.calibration for latent in found.watchlist)
    n_benign = max(each.false_positives.n for each in known if each)
    possible = calibration.lowest_rate(n_benign, settings.confidence)
    rows = [f"On {n_benign} benign prompts no lower rate than {possible:.2%} can be shown"]
    if settings.keeps_thresholds and possible > settings.rate:
        rows[0] += f", so not the {settings.rate:.2%} asked for"
    rows.append(
        f"{'latent':>6} {'concern':22} {'threshold':>9}  {'false alarms':27} below   recall"
    )
    rows += [line_of(latent) for latent in found.watchlist]
    rows += [
        f"{each.concern.value:22} any of {len(each.latents)}: recall {spelled(each.found)}, "
        f"false alarms {spelled(each.false_positives)}"
        for each in found.concerns
    ]
    return rows


def line_of(latent: WatchedLatent) -> str:
    """One latent."""
    shown, recall = latent.calibration, latent.recall
    if shown is None or recall is None:
        return f"{latent.index:6} {latent.concern.value:22} {latent.threshold:9.4f}"
    return (
        f"{latent.index:6} {latent.concern.value:22} {latent.threshold:9.4f}  "
        f"{spelled(shown.false_positives):27} {shown.rate_bound:6.2%}  {spelled(recall.found)}"
    )


def spelled(share: Share) -> str:
    """A share with its interval."""
    return f"{share.n_hit} of {share.n} ({share.low:.3f} to {share.high:.3f})"
