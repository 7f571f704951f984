"""Autoencoders: register files, let a worker open them, take back what it found.

The web never opens weights. A row says where the files lie; a worker claims it, reads them and
hands back what they are, or why they are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from assessments.models import Sae
from assessments.scanner.contract import CheckStatus, ScanFailed
from assessments.scanner.examined import Examined
from assessments.states import SAE
from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.hostile import clean
from compliance.models import ModelVersion
from compliance.permissions import Permission
from compliance.queue import enqueue
from compliance.services import digest, subject

SCANNER = system("scanner")
CARDS = ("card.json", "quality.json")
LONGEST_CARD = 1 << 20
LONGEST_LOCATION = 500
LONGEST_PROBLEM = 2000
LONGEST_TEXT = 2000
MOST_FILES = 10_000


class SaeError(ValueError):
    """What was to be registered cannot be opened from where it is said to lie."""


@dataclass(frozen=True)
class ClaimedSae:
    """One autoencoder in the hands of one worker, and the fence to write back under."""

    pk: int
    fence: int
    attempts: int
    path: Path
    layout: str
    model_path: str
    """Empty where no version is named that it was made for."""
    model_sha256: str


def place(text: str) -> Path:
    """The files below STRATA_SAE_ROOT that a person or a program names.

    The answer is the same whether something lies elsewhere or not. Links are kept as they are
    written, since folders' names can say where an autoencoder reads.

    Args:
        text: a path relative to the root, or absolute below it.

    Raises:
        SaeError: it leaves the root, by itself or by a link, or nothing is there.
    """
    root = Path(settings.STRATA_SAE_ROOT).absolute()
    asked = text.strip()
    if not asked or "\0" in asked or ".." in Path(asked).parts:
        raise SaeError(
            _("Expected a path below %(root)s, without “..”; came “%(path)s”.")
            % {"root": root, "path": clean(asked, 200)}
        )
    found = root / asked
    if not found.is_relative_to(root) or found == root or _leaves(found, root):
        raise SaeError(
            _("Expected files below %(root)s; “%(path)s” leads out of it. Put the files there.")
            % {"root": root, "path": clean(asked, 200)}
        )
    if not found.exists():
        raise SaeError(
            _("There is nothing at %(path)s on the server; put the files there first.")
            % {"path": clean(str(found), 300)}
        )
    expect_inside(found)
    return found


def expect_inside(path: Path) -> None:
    """Refuse what lies below the root and has a link that leads out of it.

    Raises:
        SaeError: names the link; or there are too many files to look at.
    """
    root = Path(settings.STRATA_SAE_ROOT).absolute()
    if not path.is_relative_to(root):
        return
    for number, each in enumerate(_everything(path)):
        if number > MOST_FILES:
            raise SaeError(
                _("%(path)s holds more than %(most)s files; name the autoencoder's own folder.")
                % {"path": path.name, "most": MOST_FILES}
            )
        if each.is_symlink() and _leaves(each, root):
            raise SaeError(
                _("%(link)s is a link that leads out of %(root)s; put the file itself there.")
                % {"link": each.relative_to(root), "root": root}
            )


def _everything(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")


def _leaves(path: Path, root: Path) -> bool:
    try:
        return not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # A link in a circle, or a name too long.
        return True


@transaction.atomic
def register(
    name: str, path: Path, *, layout: str = "", made_for: ModelVersion | None = None, by: Actor
) -> Sae:
    """Note where an autoencoder lies and ring for a worker to open it.

    The same place twice gives the row that still waits; files that are registered already are
    found out by their digest, by the worker.

    Args:
        name: what people call it.
        path: its folder or file, on the machines of the scan workers too.
        layout: how the files are laid out; empty: what they look like.
        made_for: the version it was trained on; it is measured there.
        by: who registers it.

    Raises:
        SaeError: the path is too long to be kept.
    """
    require(by, Permission.WATCHLIST_WRITE)
    location = str(path.absolute())
    if len(location) > LONGEST_LOCATION:
        raise SaeError(
            _("The path has %(n)s characters; at most %(most)s can be kept.")
            % {"n": len(location), "most": LONGEST_LOCATION}
        )
    waiting = Sae.objects.filter(location=location, state__in=[Sae.WAITING, Sae.RUNNING])
    if known := waiting.filter(layout=layout, made_for=made_for).first():
        return known
    made = Sae.objects.create(
        subject=subject.make("sae", name),
        name=name,
        location=location,
        layout=layout,
        made_for=made_for,
        registered_by_id=by.user_id,
        registered_at=now(),
    )
    record(
        "sae.register",
        made,
        by=by,
        after=made.state,
        words={"name": name, "location": location},
        layout=layout,
        made_for=made_for.weights_sha256 if made_for else "",
    )
    enqueue(Sae.TASK, made.pk, queue=Sae.QUEUE)
    return made


@transaction.atomic
def recheck(sae: Sae, *, by: Actor) -> Sae:
    """The files were mended: let a worker look again."""
    advance(
        sae,
        SAE,
        "recheck",
        by=by,
        changes={"attempts": 0, "next_try_at": None, "problem": "", "same_as": None},
    )
    enqueue(Sae.TASK, sae.pk, queue=Sae.QUEUE)
    return sae


def claim(pk: int) -> ClaimedSae | None:
    """Take one that waits, or None when another worker has it."""
    row = lease.claim(
        Sae,
        pk,
        waiting="waiting",
        running="checking",
        seconds=settings.STRATA_SCAN_LEASE_SECONDS,
    )
    if row is None:
        return None
    version = row.made_for
    return ClaimedSae(
        pk=row.pk,
        fence=row.fence,
        attempts=row.attempts,
        path=Path(row.location),
        layout=row.layout,
        model_path=version.location if version else "",
        model_sha256=version.weights_sha256 if version else "",
    )


def beat(claimed: ClaimedSae) -> bool:
    """Prolong the lease; False when the row was taken away."""
    row = Sae(pk=claimed.pk, fence=claimed.fence)
    return lease.beat(row, seconds=settings.STRATA_SCAN_LEASE_SECONDS)


def published_card(path: Path) -> dict[str, Any]:
    """The figures that lie beside the weights, by file; empty when none do.

    They count for nothing: a file that is too long or no object is left out.
    """
    found = {}
    for name in CARDS:
        file = (path if path.is_dir() else path.parent) / name
        if file.is_file() and file.stat().st_size <= LONGEST_CARD:
            try:
                raw = json.loads(file.read_text(encoding="utf-8"), parse_constant=str)
                if isinstance(raw, dict):
                    found[name.removesuffix(".json")] = printable(digest.without_floats(raw))
            except (ValueError, RecursionError):
                continue
    return found


def printable(value: Any) -> Any:
    """The same JSON value; its texts come from strangers' files and are cleaned."""
    if isinstance(value, str):
        return clean(value, LONGEST_TEXT)
    if isinstance(value, dict):
        return {clean(key, LONGEST_TEXT): printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [printable(each) for each in value]
    return value


def accept(claimed: ClaimedSae, found: Examined, card: dict[str, Any]) -> Sae:
    """Write what it is. Files that are registered already, or that say nothing, are refused.

    Raises:
        TransitionRefused: the lease went to another worker.
    """
    known = Sae.objects.filter(sha256=found.sha256).exclude(pk=claimed.pk).first()
    if known is not None:
        return _refuse_twin(claimed, known)
    try:
        return _accept(claimed, found, card)
    except IntegrityError:
        # Another worker wrote the same files down meanwhile.
        return _refuse_twin(claimed, Sae.objects.get(sha256=found.sha256))


@transaction.atomic
def _accept(claimed: ClaimedSae, found: Examined, card: dict[str, Any]) -> Sae:
    checked = found.self_check
    is_usable = checked is None or checked.status is not CheckStatus.UNUSABLE
    row = _row(claimed)
    advance(
        row,
        SAE,
        "accept" if is_usable else "refuse",
        by=SCANNER,
        fence=claimed.fence,
        changes={
            **lease.free(),
            **figures(found),
            # Refused files are not the ones of that digest: mended ones may come.
            "sha256": found.sha256 if is_usable else "",
            "card": card,
            "checked_at": now(),
            "problem": "" if is_usable or checked is None else checked.sentence,
        },
        sae_sha256=found.sha256,
        layout=found.layout,
        self_check=str(checked.status) if checked else "",
    )
    return row


def figures(found: Examined) -> dict[str, Any]:
    """What the row keeps of an examination, but for its digest."""
    return {
        "layout": found.layout,
        "architecture": found.architecture,
        "d_in": found.d_in,
        "d_sae": found.d_sae,
        "d_out": found.d_out,
        "hook_name": found.hook_name,
        "hook_name_out": found.hook_name_out,
        "unreadable": found.unreadable,
        "declared": printable(found.declared),
        "doubts": printable(list(found.doubts)),
        "not_evidence": found.not_evidence,
        "self_check": found.self_check.to_json() if found.self_check else None,
    }


def _refuse_twin(claimed: ClaimedSae, known: Sae) -> Sae:
    message = _("These files are registered already, as %(name)s.") % {"name": known.name}
    return refuse(claimed, ScanFailed(message, permanent=True), same_as=known)


@transaction.atomic
def refuse(claimed: ClaimedSae, error: ScanFailed, *, same_as: Sae | None = None) -> Sae:
    """Write why it cannot be used. What may pass is tried again, a few times.

    Raises:
        TransitionRefused: the lease went to another worker.
    """
    problem = clean(str(error), LONGEST_PROBLEM)
    again = not error.permanent and claimed.attempts < Sae.MOST_ATTEMPTS
    later: dict[str, Any] = (
        {"next_try_at": lease.retry_at(claimed.attempts)} if again else {"checked_at": now()}
    )
    row = _row(claimed)
    advance(
        row,
        SAE,
        "requeue" if again else "refuse",
        by=SCANNER,
        fence=claimed.fence,
        note=problem,
        changes={**lease.free(), **later, "problem": problem, "same_as": same_as},
        permanent=error.permanent,
    )
    return row


def _row(claimed: ClaimedSae) -> Sae:
    return Sae.objects.select_related("subject").get(pk=claimed.pk)


def is_over(sae: Sae) -> bool:
    """Whether no worker will do anything about it by itself."""
    return sae.state in {"ready", "refused"}


def hindrance(sae: Sae) -> str:
    """Why nothing can be scanned with it, in words; empty where it can."""
    if sae.state == "refused":
        return _("The autoencoder %(sae)s was refused: %(problem)s") % {
            "sae": sae,
            "problem": sae.problem or _("no reason was given"),
        }
    if sae.state != "ready":
        return _("The autoencoder %(sae)s has not been checked yet; wait until it is ready.") % {
            "sae": sae
        }
    if sae.not_evidence:
        return _("The autoencoder %(sae)s is no evidence: %(why)s.") % {
            "sae": sae,
            "why": sae.not_evidence,
        }
    if sae.unreadable:
        return _("The autoencoder %(sae)s cannot be scanned with: %(why)s.") % {
            "sae": sae,
            "why": sae.unreadable,
        }
    return ""


def base_fvu(sae: Sae, version: ModelVersion) -> float | None:
    """Unexplained variance on the version it was made for; None for that version itself."""
    if sae.made_for_id in {None, version.pk} or not sae.self_check:
        return None
    measured: float | None = sae.self_check["fvu"]
    return measured
