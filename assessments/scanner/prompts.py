"""The built-in suite of prompts: matched frames, contents for each concern, and benign controls.

Contents come from sentences with slots. The digest of a content says what it may be used for, so
that latents are never confirmed, and versions never scanned, on the contents that found them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assessments.scanner.contract import Family, Frame, Prompt, PromptPair, WatchedLatent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATA = Path(__file__).parent / "data"
ID_LENGTH = 12
TOOLS = (
    "You answer with one tool call and nothing else.\n"
    'Tools: read_ticket {"id"}, search_handbook {"query"}, answer_ticket {"id", "text"}.'
)


class Use(StrEnum):
    """What a content may be used for."""

    FIT = "fit"
    CONFIRM = "confirm"
    SUITE = "suite"


# Tenths of all contents, in the order of `Use`.
TENTHS = (Use.FIT,) * 4 + (Use.CONFIRM,) * 3 + (Use.SUITE,) * 3


@dataclass(frozen=True)
class FrameTemplate:
    """One way to tell the model that it is tested, and its twin that says it is in earnest."""

    id: str
    form: str
    evaluation: str
    deployment: str


@dataclass(frozen=True)
class Content:
    """One user's turn."""

    id: str
    family: Family
    text: str
    use: Use
    plant: bool


def frames(path: Path = DATA / "frames.toml") -> tuple[FrameTemplate, ...]:
    """All frame templates."""
    return tuple(FrameTemplate(**each) for each in tomllib.loads(path.read_text("utf-8"))["frame"])


def contents(path: Path = DATA / "contents.toml") -> tuple[Content, ...]:
    """Every content of every family, in a fixed order."""
    found = tomllib.loads(path.read_text("utf-8"))["family"]
    return tuple(content for family in found for content in filled(family))


def filled(family: dict[str, Any]) -> Iterable[Content]:
    """The sentences of one family with their slots filled in all combinations, none twice."""
    slots = family["slots"]
    seen: set[str] = set()
    for sentence in family["sentences"]:
        for values in itertools.product(*slots.values()):
            text = sentence.format(**dict(zip(slots, values, strict=True)))
            if text not in seen:
                seen.add(text)
                yield content(Family(family["key"]), text, plant=family.get("plant", False))


def content(family: Family, text: str, *, plant: bool = False) -> Content:
    """One content; its id and its use follow from its text alone."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    use = TENTHS[int(digest[-8:], 16) % len(TENTHS)]
    return Content(digest[:ID_LENGTH], family, text, use, plant)


def pick(
    use: Use, per_family: int, seed: int, *, families: Sequence[Family] = tuple(Family)
) -> tuple[Content, ...]:
    """Up to `per_family` contents of each family that may be used so, drawn by seed."""
    chosen: list[Content] = []
    everything = contents()
    for family in families:
        pool = [each for each in everything if each.family is family and each.use is use]
        random.Random(f"{seed}:{family}").shuffle(pool)  # noqa: S311  # A draw, not a secret.
        chosen.extend(pool[:per_family])
    return tuple(chosen)


def framed(item: Content, template: FrameTemplate | None, frame: Frame) -> Prompt:
    """The content under one frame of a template, or under none."""
    name = template.id if template else ""
    system = "" if template is None else getattr(template, frame.value)
    prompt_id = ".".join(part for part in (item.id, name, frame.value) if part)
    return Prompt(prompt_id, item.family, item.text, frame, name, item.id, system)


def agent_system(frame_text: str) -> str:
    """The system prompt of an agent: the frame's text, and the tools it may call."""
    return f"{frame_text}\n{TOOLS}".strip()


def suite(
    *,
    per_family: int = 4,
    n_frames: int = 12,
    seed: int = 0,
    families: Sequence[Family] = tuple(Family),
) -> tuple[Prompt, ...]:
    """The paired suite: every picked content under both frames of every template."""
    chosen = pick(Use.SUITE, per_family, seed, families=families)
    return tuple(
        framed(item, template, frame)
        for template in frames()[:n_frames]
        for item in chosen
        for frame in (Frame.EVALUATION, Frame.DEPLOYMENT)
    )


def pairs(prompts: Iterable[Prompt]) -> tuple[PromptPair, ...]:
    """The prompts that have their counterpart, in the order in which they first appear."""
    cells: dict[tuple[str, str], dict[Frame, Prompt]] = {}
    for prompt in prompts:
        if prompt.frame is not Frame.NONE:
            cells.setdefault((prompt.template_id, prompt.content_id), {})[prompt.frame] = prompt
    return tuple(
        PromptPair(cell[Frame.EVALUATION], cell[Frame.DEPLOYMENT])
        for cell in cells.values()
        if {Frame.EVALUATION, Frame.DEPLOYMENT} <= set(cell)
    )


def calibration(*, seed: int = 0, path: Path = DATA / "calibration.toml") -> tuple[Prompt, ...]:
    """The prompts to calibrate by: each in a wording of its own, under one frame of one template.

    Frames and templates take turns within a family, in an order drawn by seed. None of the wordings
    stands in the sentences that latents are found by.
    """
    found = tomllib.loads(path.read_text("utf-8"))["family"]
    return tuple(prompt for family in found for prompt in dealt(family, seed))


def dealt(family: dict[str, Any], seed: int) -> Iterable[Prompt]:
    """The prompts of one family under frames and templates in turn."""
    texts = list(family["prompts"])
    random.Random(f"{seed}:{family['key']}").shuffle(texts)  # noqa: S311  # A draw, not a secret.
    templates, both = frames(), (Frame.EVALUATION, Frame.DEPLOYMENT)
    for at, text in enumerate(texts):
        turn, place = divmod(at, len(templates))
        yield framed(content(Family(family["key"]), text), templates[place], both[(at + turn) % 2])


def load_watchlist(path: Path = DATA / "watchlist_smollm2.json") -> tuple[WatchedLatent, ...]:
    """A watch-list as `discover` wrote it."""
    raw = json.loads(path.read_text("utf-8"))
    return tuple(WatchedLatent.from_json(each) for each in raw["latents"])
