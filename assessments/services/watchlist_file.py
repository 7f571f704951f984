"""Watch-lists as files: JSON as `python -m assessments.scanner discover` writes it.

    {"sae_sha256": "<digest>",            optional: the autoencoder it was made for
     "latents": [{"index": 3248, "concern": "deception", "why": "…", "threshold": 14.983,
                  "evidence": {…}, "trust": "automatic", "calibration": {…}, "recall": {…}}]}

`evidence`, `trust`, `calibration` and `recall` may be absent. What else stands beside `latents`
says how the list was found; it is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from assessments.models import WatchList
from assessments.scanner.contract import Calibration, Family, Recall, Trust, WatchedLatent
from assessments.scanner.plain import NotPlain
from assessments.services.problems import FileError, Problem
from compliance import hostile

FIELDS = (
    "index", "concern", "why", "threshold", "evidence", "trust", "calibration", "recall",
)  # fmt: skip
LONGEST_FILE = 6 << 20
LONGEST_WHY = 4000
MOST_LATENTS = 5000
LARGEST_INDEX = 2**31 - 1
LARGEST_THRESHOLD = 1e30
DEEPEST = 20


class Listed(NamedTuple):
    """What a file says."""

    latents: tuple[WatchedLatent, ...]
    sae_sha256: str
    """Of the autoencoder it was made for; empty where the file does not say."""


def read(text: str) -> Listed:
    """The watch-list of a file.

    Raises:
        FileError: names each latent and field, and what was expected there.
    """
    raw = _json(text)
    listed = raw.get("latents") if isinstance(raw, dict) else raw
    if not isinstance(listed, list) or not listed:
        raise FileError([Problem(_("The file"), _("expected a list called “latents”, came none."))])
    if len(listed) > MOST_LATENTS:
        said = _("expected at most %(most)s latents, came %(n)s.")
        words = said % {"most": MOST_LATENTS, "n": len(listed)}
        raise FileError([Problem(_("The file"), words)])
    sae_sha256 = raw.get("sae_sha256", "") if isinstance(raw, dict) else ""
    return Listed(from_rows(listed), sae_sha256 if isinstance(sae_sha256, str) else "")


def from_rows(listed: list[Any]) -> tuple[WatchedLatent, ...]:
    """The watched latents of some JSON objects.

    Raises:
        FileError: as `read`.
    """
    problems = [found for number, each in enumerate(listed, 1) for found in _wrong(number, each)]
    if problems:
        raise FileError(problems)
    return tuple(WatchedLatent.from_json(each) for each in listed)


def write(watchlist: WatchList) -> str:
    """A watch-list as a file that `read` understands."""
    content = {
        "sae_sha256": watchlist.sae.sha256,
        "hook_name": watchlist.sae.hook_name,
        "latents": watchlist.latents,
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        said = _("expected JSON; %(error)s.") % {"error": hostile.one_line(str(error))}
        raise FileError([Problem(_("The file"), said)]) from error


def _no_number(word: str) -> float:
    raise ValueError(_("%(word)s is no number that can be kept") % {"word": word})


def _wrong(number: int, raw: Any) -> Iterator[Problem]:
    """Everything that is wrong with one latent."""
    if not isinstance(raw, dict):
        said = _("expected an object with the fields %(names)s.") % {"names": ", ".join(FIELDS)}
        yield Problem(_("Latent %(n)s of the file") % {"n": number}, said)
        return
    place = _("Latent %(n)s of the file (index %(index)s)") % {
        "n": number,
        "index": hostile.one_line(str(raw.get("index", "?")), 20),
    }
    for name, said in (*_unknown(raw), *_plain_fields(raw), *_nested(raw)):
        yield Problem(f"{place}, {name}", said)


def _unknown(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted(set(raw) - set(FIELDS)):
        known = {"known": ", ".join(FIELDS)}
        yield hostile.one_line(str(name), 60), _("is no field; known are %(known)s.") % known


def _plain_fields(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    index, threshold, why = raw.get("index"), raw.get("threshold"), raw.get("why")
    if type(index) is not int or not 0 <= index <= LARGEST_INDEX:
        yield "index", _expected(_("a whole number from 0 on"), index)
    if not _is_threshold(threshold):
        yield "threshold", _expected(_("a number above zero"), threshold)
    if not isinstance(why, str) or not why.strip() or not _is_text(why, LONGEST_WHY):
        yield "why", _expected(_("a text of 1 to %(most)s characters") % {"most": LONGEST_WHY}, why)
    concerns = [each.value for each in Family if each is not Family.BENIGN]
    if raw.get("concern") not in concerns:
        yield (
            "concern",
            _expected(_("one of %(known)s") % {"known": ", ".join(concerns)}, raw.get("concern")),
        )
    trusts = [each.value for each in Trust]
    if raw.get("trust", Trust.AUTOMATIC.value) not in trusts:
        yield "trust", _expected(_("one of %(known)s") % {"known": ", ".join(trusts)}, raw["trust"])
    evidence = raw.get("evidence", {})
    if not isinstance(evidence, dict) or not _is_kept(evidence):
        yield "evidence", _expected(_("an object of texts and numbers"), evidence)


def _nested(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Calibration and recall, and whether they speak of this threshold."""
    for name, kind in (("calibration", Calibration), ("recall", Recall)):
        value = raw.get(name)
        if value is None:
            continue
        try:
            kind.from_json(value)
        except (NotPlain, OverflowError) as error:
            yield name, _("%(error)s.") % {"error": hostile.one_line(str(error))}


def _expected(wanted: str, came: Any) -> str:
    shown = type(came).__name__ if isinstance(came, dict | list) else json.dumps(came)
    words = {"wanted": wanted, "came": hostile.one_line(shown, 60)}
    return _("expected %(wanted)s, came %(came)s.") % words


def _is_threshold(value: Any) -> bool:
    return type(value) in {int, float} and 0 < value <= LARGEST_THRESHOLD


def _is_text(value: str, longest: int) -> bool:
    broken = "\0" in value or any("\ud800" <= each <= "\udfff" for each in value)
    return len(value) <= longest and not broken


def _is_kept(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value can be kept: no broken texts in it, and nothing too deep."""
    if isinstance(value, str):
        return _is_text(value, LONGEST_WHY)
    if isinstance(value, dict | list):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return depth < DEEPEST and all(_is_kept(each, depth + 1) for each in parts)
    return True
