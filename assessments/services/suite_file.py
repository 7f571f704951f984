"""Prompt suites as files: CSV and JSON lines, in and out.

A CSV file that leaves the house runs nothing in a spreadsheet: a text that begins like a formula
gets an apostrophe before it, and so does one that already begins with such an apostrophe. On the
way in exactly one is taken off again, so that a file that comes back has the same digest.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from assessments.scanner.contract import Family, Frame, Prompt
from assessments.services.problems import FileError, Problem
from compliance import hostile

COLUMNS = ("id", "family", "text", "frame", "template_id", "content_id", "system")
NEEDED = ("id", "family", "text")
NAMES = ("id", "template_id", "content_id")
FORMS = ("csv", "jsonl")
LONGEST_FILE = 6 << 20
"""Bytes. More goes through the API in parts, or is no suite."""
LONGEST_NAME = 120
LONGEST_TEXT = 32_000
MOST_PROMPTS = 20_000
APOSTROPHE = "'"


class Line(NamedTuple):
    """One prompt as it came, by the line of the file on which it begins."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Placed:
    """A prompt and the line it came from."""

    number: int
    prompt: Prompt


def form_of(name: str, text: str) -> str:
    """The form of a file: by its name, or else by how it begins."""
    ending = name.rpartition(".")[2].lower()
    if ending in FORMS:
        return ending
    if ending in {"ndjson", "json"}:
        return "jsonl"
    return "jsonl" if text.lstrip("\ufeff \r\n\t").startswith("{") else "csv"


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8, with or without a mark at its beginning.

    Raises:
        FileError: it is too long, or not UTF-8.
    """
    if len(content) > LONGEST_FILE:
        raise FileError([Problem(_("The file"), _("expected at most %(most)s MB, came %(n)s.")
                         % {"most": LONGEST_FILE >> 20, "n": f"{len(content) / (1 << 20):.1f}"})])  # fmt: skip
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = _("expected text in UTF-8, came the byte %(byte)s; save the file as UTF-8.")
        raise FileError(
            [Problem(_at(line), said % {"byte": f"0x{content[error.start]:02x}"})]
        ) from error


def read(text: str, form: str) -> tuple[Prompt, ...]:
    """The prompts of a file.

    Args:
        text: the whole file.
        form: `csv` or `jsonl`.

    Raises:
        FileError: names each line and what was expected there.
    """
    problems: list[Problem] = []
    lines = _csv_lines(text, problems) if form == "csv" else _jsonl_lines(text, problems)
    return _prompts(lines, problems)


def from_rows(rows: Iterable[Any]) -> tuple[Prompt, ...]:
    """The prompts of some JSON objects; a row counts as a line.

    Raises:
        FileError: as `read`.
    """
    problems: list[Problem] = []
    return _prompts(_objects(enumerate(rows, start=1), problems), problems)


def _prompts(lines: Iterable[Line], problems: list[Problem]) -> tuple[Prompt, ...]:
    placed = [
        Placed(line.number, made) for line in lines if (made := _prompt(line, problems)) is not None
    ]
    problems += _apart(placed)
    if not placed and not problems:
        problems.append(Problem(_("The file"), _("expected at least one prompt, came none.")))
    if len(placed) > MOST_PROMPTS:
        said = _("expected at most %(most)s prompts, came %(n)s.")
        problems.append(Problem(_("The file"), said % {"most": MOST_PROMPTS, "n": len(placed)}))
    if problems:
        raise FileError(problems)
    return tuple(each.prompt for each in placed)


def write(prompts: Iterable[Prompt], form: str) -> str:
    """The prompts as a file that `read` understands."""
    return _csv_text(prompts) if form == "csv" else _jsonl_text(prompts)


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"{APOSTROPHE}{text}" if _looks_like_formula(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` made."""
    bare = cell.removeprefix(APOSTROPHE)
    return bare if bare != cell and _looks_like_formula(bare) else cell


def _looks_like_formula(text: str) -> bool:
    bare = text.lstrip(APOSTROPHE)
    return hostile.csv_cell(bare) != bare


def _csv_text(prompts: Iterable[Prompt]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for prompt in prompts:
        plain = prompt.to_json()
        writer.writerow([guarded(plain[name]) for name in COLUMNS])
    return out.getvalue()


def _jsonl_text(prompts: Iterable[Prompt]) -> str:
    rows = ({name: prompt.to_json()[name] for name in COLUMNS} for prompt in prompts)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _at(number: int, column: str = "") -> str:
    if column:
        return _("Line %(n)s, %(column)s") % {"n": number, "column": column}
    return _("Line %(n)s") % {"n": number}


def _csv_lines(text: str, problems: list[Problem]) -> Iterator[Line]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    began = 1
    try:
        head = [name.strip() for name in next(rows, [])]
        if not _is_head(head, problems):
            return
        began = rows.line_num + 1
        for row in rows:
            if any(row):
                yield from _csv_line(began, head, row, problems)
            began = rows.line_num + 1
    except csv.Error as error:
        said = _("expected comma-separated values with quotes closed; %(error)s.")
        problems.append(Problem(_at(began), said % {"error": error}))


def _is_head(head: list[str], problems: list[Problem]) -> bool:
    wrong = [name for name in head if name not in COLUMNS or head.count(name) > 1]
    missing = [name for name in NEEDED if name not in head]
    if not wrong and not missing:
        return True
    said = _("expected the columns %(needed)s, and if need be %(others)s; came “%(head)s”.")
    others = ", ".join(name for name in COLUMNS if name not in NEEDED)
    shown = hostile.one_line(", ".join(head), 200)
    words = said % {"needed": ", ".join(NEEDED), "others": others, "head": shown}
    problems.append(Problem(_at(1), words))
    return False


def _csv_line(
    number: int, head: list[str], row: list[str], problems: list[Problem]
) -> Iterator[Line]:
    if len(row) != len(head):
        said = _("expected %(wanted)s values, as in the first line; came %(n)s.")
        problems.append(Problem(_at(number), said % {"wanted": len(head), "n": len(row)}))
        return
    cells = map(unguarded, row)
    yield Line(number, {name: cell for name, cell in zip(head, cells, strict=True) if cell})


def _jsonl_lines(text: str, problems: list[Problem]) -> Iterator[Line]:
    def rows() -> Iterator[tuple[int, Any]]:
        for number, raw in enumerate(text.split("\n"), start=1):
            if not raw.strip():
                continue
            try:
                yield number, json.loads(raw)
            except (ValueError, RecursionError) as error:
                said = _("expected a JSON object; %(error)s.")
                problems.append(
                    Problem(_at(number), said % {"error": hostile.one_line(str(error))})
                )

    return _objects(rows(), problems)


def _objects(rows: Iterable[tuple[int, Any]], problems: list[Problem]) -> Iterator[Line]:
    for number, values in rows:
        if isinstance(values, dict):
            yield Line(number, values)
            continue
        said = _("expected a JSON object with the fields %(names)s.")
        problems.append(Problem(_at(number), said % {"names": ", ".join(COLUMNS)}))


def _prompt(line: Line, problems: list[Problem]) -> Prompt | None:
    found = [Problem(_at(line.number, name), said) for name, said in _wrong(line.values)]
    problems += found
    if found:
        return None
    values = line.values
    return Prompt(
        id=values["id"],
        family=Family(values["family"]),
        text=values["text"],
        frame=Frame(values.get("frame") or Frame.NONE),
        template_id=values.get("template_id", ""),
        content_id=values.get("content_id", ""),
        system=values.get("system", ""),
    )


def _wrong(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in values.keys() - set(COLUMNS):
        known = ", ".join(COLUMNS)
        yield (
            hostile.one_line(str(name), 60),
            _("is no field; known are %(known)s.") % {"known": known},
        )
    for name in COLUMNS:
        value = values.get(name, "")
        if not isinstance(value, str):
            yield name, _("expected a text, came %(kind)s.") % {"kind": type(value).__name__}
        elif said := _RULES[name](value):
            yield name, said
    framed = values.get("frame") not in {None, "", Frame.NONE.value}
    for name in ("template_id", "content_id"):
        if framed and not values.get(name):
            yield name, _("expected a name, since the prompt has a frame: pairs are found by it.")


def _text(longest: int, *, needed: bool) -> Callable[[str], str]:
    def rule(value: str) -> str:
        if needed and not value.strip():
            return _("expected a text, came none.")
        if len(value) > longest:
            words = {"most": longest, "n": len(value)}
            return _("expected at most %(most)s characters, came %(n)s.") % words
        if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
            return _("holds a character that no text has (NUL, or half of a pair).")
        return ""

    return rule


def _one_of(allowed: Iterable[str], *, needed: bool) -> Callable[[str], str]:
    known = list(allowed)

    def rule(value: str) -> str:
        if value in known or (not value and not needed):
            return ""
        words = {"known": ", ".join(known), "came": hostile.one_line(value, 60)}
        return _("expected one of %(known)s; came “%(came)s”.") % words

    return rule


_RULES: dict[str, Callable[[str], str]] = {
    "id": _text(LONGEST_NAME, needed=True),
    "family": _one_of((each.value for each in Family), needed=True),
    "text": _text(LONGEST_TEXT, needed=True),
    "frame": _one_of((each.value for each in Frame), needed=False),
    "template_id": _text(LONGEST_NAME, needed=False),
    "content_id": _text(LONGEST_NAME, needed=False),
    "system": _text(LONGEST_TEXT, needed=False),
}


def _apart(placed: Iterable[Placed]) -> Iterator[Problem]:
    """Ids that stand twice, and pairs that are none."""
    ids: dict[str, int] = {}
    halves: dict[tuple[str, str], dict[Frame, Placed]] = {}
    for each in placed:
        prompt = each.prompt
        if (first := ids.setdefault(prompt.id, each.number)) != each.number:
            said = _("expected an id of its own; “%(id)s” stands on line %(first)s too.")
            words = {"id": hostile.one_line(prompt.id, 60), "first": first}
            yield Problem(_at(each.number, "id"), said % words)
        if prompt.frame is not Frame.NONE:
            cell = halves.setdefault((prompt.template_id, prompt.content_id), {})
            yield from _half(each, cell)


def _half(each: Placed, cell: dict[Frame, Placed]) -> Iterator[Problem]:
    prompt = each.prompt
    if prompt.frame in cell:
        said = _("line %(first)s has the same frame, template_id and content_id.")
        yield Problem(_at(each.number, "frame"), said % {"first": cell[prompt.frame].number})
        return
    for other in cell.values():
        if other.prompt.text != prompt.text:
            said = _("expected the same text as line %(first)s, the other half of the pair.")
            yield Problem(_at(each.number, "text"), said % {"first": other.number})
    cell[prompt.frame] = each
