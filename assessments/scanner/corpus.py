"""Text to train and to measure on, from what is at hand without a network.

1. Chats that the model itself writes: it is given the opening of a chat and samples the rest, with
   the question left to it or taken from contents set apart for fitting.
2. The fitting contents under frames, as the suite will ask them.
3. Documentation: docstrings of the Python standard library and the long descriptions of installed
   packages.

Each text is a document. Its digest says whether it is for training or held out, so no document is
on both sides.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import random
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from assessments.scanner.chat import chat_ids, chat_text, spelled
from assessments.scanner.contract import Family, Frame, Prompt
from assessments.scanner.prompts import Use, contents, framed, frames, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from assessments.scanner.weights import LoadedModel

HELD_OUT_TENTH = 9
SHORTEST = 400
LONGEST = 12_000
PACKAGES = (
    "celery", "cryptography", "django", "django-ninja", "gguf", "hypothesis", "httpx", "numpy",
    "orjson", "pytest", "pyyaml", "redis", "ruff", "safetensors", "scipy", "torch", "tqdm",
    "transformers", "weasyprint",
)  # fmt: skip


@dataclass(frozen=True)
class Document:
    """One text, where it came from, and on which side it stands."""

    source: str
    text: str
    ids: tuple[int, ...] = ()
    """Token ids where the text was sampled as tokens; empty: still to be tokenised."""

    @property
    def held_out(self) -> bool:
        """Never trained on."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return int(digest[-8:], 16) % 10 == HELD_OUT_TENTH


def standard_library() -> Iterator[Document]:
    """The docstrings of each module of the standard library, one document a module."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if "site-packages" in name.parts or "test" in name.parts or "tests" in name.parts:
            continue
        text = "\n\n".join(docstrings(path))[:LONGEST]
        if len(text) >= SHORTEST:
            yield Document(f"stdlib:{name.as_posix()}", text)


def docstrings(path: Path) -> Iterator[str]:
    """All docstrings of one source file."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # A few shipped files are broken on purpose.
        return
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            yield text


def package_descriptions() -> Iterator[Document]:
    """The long descriptions of installed packages; one that is not installed is passed over."""
    for name in PACKAGES:
        try:
            text = importlib.metadata.metadata(name).json.get("description", "")
        except importlib.metadata.PackageNotFoundError:
            continue
        if isinstance(text, str) and len(text) >= SHORTEST:
            yield Document(f"package:{name}", text[:LONGEST])


def openings(n: int, seed: int) -> list[Prompt | None]:
    """What the model is asked to go on from; None leaves even the question to the model."""
    draw = random.Random(seed)  # noqa: S311  # A draw, not a secret.
    pool = [each for each in contents() if each.use is Use.FIT]
    chosen: list[Prompt | None] = [None] * (n // 2)
    while len(chosen) < n:
        frame = draw.choice(tuple(Frame))
        template = None if frame is Frame.NONE else draw.choice(frames())
        chosen.append(framed(draw.choice(pool), template, frame))
    draw.shuffle(chosen)
    return chosen


def framed_contents() -> Iterator[Document]:
    """The fitting contents as the suite will ask them: a frame, the question, no answer."""
    templates = frames()
    for at, item in enumerate(each for each in contents() if each.use is Use.FIT):
        template = templates[at % len(templates)]
        for frame in (Frame.EVALUATION, Frame.DEPLOYMENT):
            yield Document("suite", chat_text(framed(item, template, frame)))


@torch.no_grad()
def sampled_chats(  # All but two are named.
    loaded: LoadedModel,
    n: int,
    *,
    seed: int,
    batch: int = 96,
    new_tokens: int = 160,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Iterator[Document]:
    """Chats written by the model, sampled at temperature 1."""
    torch.manual_seed(seed)
    starts = sorted((chat_ids(loaded.tokenizer, opening) for opening in openings(n, seed)), key=len)
    for at in range(0, len(starts), batch):
        yield from sample(loaded, starts[at : at + batch], new_tokens)
        report(min(at + batch, n), n)


def held_out_chats(
    loaded: LoadedModel, n: int, *, seed: int, new_tokens: int = 80
) -> list[Document]:
    """Answers to contents of the suite, which no autoencoder is trained on.

    Deception and refusal are left out: what a small model says to them need not be shipped.
    """
    torch.manual_seed(seed)
    families = [each for each in Family if each not in {Family.DECEPTION, Family.REFUSAL}]
    items = pick(Use.SUITE, -(-n // len(families)), seed, families=families)
    templates = frames()
    starts = [
        chat_ids(loaded.tokenizer, framed(item, templates[at % len(templates)], frame))
        for at, item in enumerate(items[:n])
        for frame in (Frame.EVALUATION, Frame.DEPLOYMENT)[at % 2 :][:1]
    ]
    return list(sample(loaded, starts, new_tokens, temperature=0.7))


@torch.no_grad()
def sample(
    loaded: LoadedModel,
    starts: list[tuple[int, ...]],
    new_tokens: int,
    *,
    temperature: float = 1.0,
) -> Iterator[Document]:
    """Let the model go on from each start; padding is on the left."""
    tokenizer, model = loaded.tokenizer, loaded.model
    width = max(map(len, starts))
    pad = int(tokenizer.pad_token_id)
    ids = torch.tensor([(pad,) * (width - len(each)) + each for each in starts])  # (B, T)
    mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in starts])
    wrote = model.generate(  # type: ignore[operator]  # Theirs.
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        temperature=temperature,
        top_k=0,
        max_new_tokens=new_tokens,
        pad_token_id=pad,
    )
    for start, row in zip(starts, wrote.tolist(), strict=True):
        written = row[width:]
        if pad in written:
            written = written[: written.index(pad) + 1]
        tokens = start + tuple(written)
        yield Document("chat", spelled(tokenizer, tokens), tokens)


def write(documents: Iterable[Document], path: Path) -> int:
    """Write documents as JSON lines; says how many."""
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        for count, document in enumerate(documents, start=1):  # noqa: B007
            stream.write(json.dumps(asdict(document)) + "\n")
    return count


def read(path: Path) -> list[Document]:
    """Documents as `write` wrote them."""
    with path.open(encoding="utf-8") as stream:
        return [
            Document(raw["source"], raw["text"], tuple(raw["ids"]))
            for raw in map(json.loads, stream)
        ]
