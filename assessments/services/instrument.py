"""Register what a scan measures with. A change of a list or a suite is a new number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from assessments.models import PromptSuite, Sae, WatchList
from assessments.scanner.contract import Prompt, WatchedLatent, plain_sha256
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.prompts import pairs
from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.permissions import Permission
from compliance.services import digest, subject

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
CARDS = ("card.json", "quality.json")


class InstrumentError(ValueError):
    """What was to be registered cannot be measured with."""


def register_sae(
    name: str, folder: Path, *, card: Mapping[str, Any] | None = None, by: Actor
) -> Sae:
    """Register an autoencoder in the SAELens layout; the same files give the same one back.

    Without a `card`, the figures published beside the weights (card.json, quality.json) are taken.

    Raises:
        InstrumentError: a file is missing, or the configuration lacks a field.
    """
    require(by, Permission.WATCHLIST_WRITE)
    sha256 = sae_sha256(folder)
    if known := Sae.objects.filter(sha256=sha256).first():
        return known
    config = read_config(folder)
    with transaction.atomic():
        made = Sae.objects.create(
            subject=subject.make("sae", name),
            name=name,
            sha256=sha256,
            location=str(folder),
            card=digest.without_floats(dict(card) if card is not None else published_card(folder)),
            registered_at=now(),
            **config,
        )
        record("sae.register", made, by=by, words={"name": name}, sha256=sha256)
    return made


def sae_sha256(folder: Path) -> str:
    """The digest of configuration and weights; cards and figures beside them do not count.

    Raises:
        InstrumentError: one of the two files is not there.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InstrumentError(
                _(
                    "%(folder)s holds no %(name)s; expected the SAELens layout: cfg.json and %(weights)s."
                )
                % {"folder": folder, "name": name, "weights": WEIGHTS}
            )
    return manifest_sha256({name: file_sha256(folder / name) for name in (CONFIG, WEIGHTS)})


def read_config(folder: Path) -> dict[str, Any]:
    """Width, size, architecture and read point, from cfg.json."""
    try:
        raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return {
            "d_in": int(raw["d_in"]),
            "d_sae": int(raw["d_sae"]),
            "architecture": str(raw["architecture"]),
            "hook_name": str(raw.get("hook_name") or raw["metadata"]["hook_name"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InstrumentError(
            _("%(path)s: expected d_in, d_sae, architecture and metadata.hook_name; %(error)s")
            % {"path": folder / CONFIG, "error": repr(error)}
        ) from error


def published_card(folder: Path) -> dict[str, Any]:
    """The figures that lie beside the weights, by file; empty when none do."""
    return {
        name.removesuffix(".json"): json.loads((folder / name).read_text(encoding="utf-8"))
        for name in CARDS
        if (folder / name).is_file()
    }


@transaction.atomic
def register_watchlist(
    sae: Sae, name: str, latents: Iterable[WatchedLatent], *, by: Actor
) -> WatchList:
    """The next number of a watch-list; an unchanged list is given back as it is.

    Raises:
        InstrumentError: no latents, one twice, one that the autoencoder lacks, or no threshold.
    """
    require(by, Permission.WATCHLIST_WRITE, sae.subject)
    watched = tuple(latents)
    _check_latents(sae, watched)
    sha256 = plain_sha256(watched)
    last = WatchList.objects.filter(name=name).order_by("-number").first()
    if last is not None and last.sha256 == sha256 and last.sae_id == sae.pk:
        return last
    made = WatchList.objects.create(
        subject=sae.subject,
        sae=sae,
        name=name,
        number=last.number + 1 if last else 1,
        latents=[latent.to_json() for latent in watched],
        sha256=sha256,
        registered_at=now(),
    )
    record(
        "watchlist.register", made, by=by, words={"name": name}, number=made.number, sha256=sha256
    )
    return made


def _check_latents(sae: Sae, watched: tuple[WatchedLatent, ...]) -> None:
    indices = [latent.index for latent in watched]
    if not watched:
        raise InstrumentError(_("A watch-list needs at least one latent; this one has none."))
    if beyond := [index for index in indices if not 0 <= index < sae.d_sae]:
        raise InstrumentError(
            _("%(name)s has latents 0 to %(last)s; the list names %(beyond)s.")
            % {"name": sae.name, "last": sae.d_sae - 1, "beyond": beyond[:5]}
        )
    if len(set(indices)) < len(indices):
        raise InstrumentError(_("A latent stands on the list twice; name each once."))
    if silent := [latent.index for latent in watched if latent.threshold <= 0]:
        raise InstrumentError(
            _("A threshold must be above zero; it is not for latents %(silent)s.")
            % {"silent": silent[:5]}
        )


@transaction.atomic
def register_suite(name: str, prompts: Iterable[Prompt], *, by: Actor) -> PromptSuite:
    """The next number of a prompt suite; an unchanged suite is given back as it is.

    Raises:
        InstrumentError: no prompts, or two of one id.
    """
    require(by, Permission.WATCHLIST_WRITE)
    asked = tuple(prompts)
    _check_prompts(asked)
    sha256 = plain_sha256(asked)
    last = PromptSuite.objects.filter(name=name).order_by("-number").first()
    if last is not None and last.sha256 == sha256:
        return last
    made = PromptSuite.objects.create(
        subject=last.subject if last else subject.make("suite", name),
        name=name,
        number=last.number + 1 if last else 1,
        prompts=[prompt.to_json() for prompt in asked],
        n_prompts=len(asked),
        n_pairs=len(pairs(asked)),
        sha256=sha256,
        registered_at=now(),
    )
    record(
        "suite.register",
        made,
        by=by,
        words={"name": name},
        number=made.number,
        sha256=sha256,
        n_prompts=made.n_prompts,
    )
    return made


def extend_suite(suite: PromptSuite, prompts: Iterable[Prompt], *, by: Actor) -> PromptSuite:
    """A new number of the suite with further prompts, such as a pair that a review added."""
    before = tuple(Prompt.from_json(raw) for raw in suite.prompts)
    return register_suite(suite.name, (*before, *prompts), by=by)


def _check_prompts(asked: tuple[Prompt, ...]) -> None:
    ids = [prompt.id for prompt in asked]
    if not asked:
        raise InstrumentError(_("A suite needs at least one prompt; this one has none."))
    if len(set(ids)) < len(ids):
        twice = sorted({each for each in ids if ids.count(each) > 1})
        raise InstrumentError(
            _("Each prompt needs an id of its own; %(twice)s stands there twice.")
            % {"twice": ", ".join(twice[:3])}
        )
