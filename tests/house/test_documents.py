"""What the documents say of the house is true: links, paths, verbs, words, commands, packages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from compliance.audit.actions import ACTIONS

ROOT = Path(__file__).resolve().parents[2]
TOP = (
    "README.md",
    "ARCHITECTURE.md",
    "THREAT_MODEL.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
)
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
WALKS = sorted((ROOT / "docs/walks").glob("*.md"))
DOCUMENTS = [
    *(ROOT / name for name in TOP),
    ROOT / "docs/glossary.md",
    ROOT / "docs/decisions/README.md",
    *WALKS,
    *DECISIONS,
]
SECTIONS = ["Context", "Decision", "Consequences", "Rejected"]
HALF_A_PAGE = 450  # words; the table of dependencies is the longest there may be

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:[\w.-]+/)+(?:[\w-]+\.\w+)?")
CALL = re.compile(r"(?<![\w*])(?:([a-z_]\w*)\.)?([a-z_]\w*)\(")
WORD = re.compile(r"([a-z]+)\.([a-z_]+)")
NAME = re.compile(r"([A-Z][A-Z_]{4,})(?:=\S*)?")
REQUIREMENT = re.compile(r"[A-Za-z0-9-]+")

named = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)
walked = pytest.mark.parametrize("walk", WALKS, ids=lambda path: path.stem)
decided = pytest.mark.parametrize("record", DECISIONS, ids=lambda path: path.stem)


def spans(document: Path) -> list[str]:
    """Everything in backquotes outside fenced blocks."""
    return SPAN.findall(FENCE.sub("", document.read_text()))


@cache
def files() -> tuple[str, ...]:
    """Every file that belongs to the repository, tracked or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(listed.stdout.splitlines())


@cache
def source(pattern: str) -> str:
    return "\n".join(path.read_text() for path in sorted(ROOT.glob(pattern)))


@cache
def defined(module: str | None, verb: str) -> bool:
    """Whether a module or room of this name, or any without a name, has a function of this name."""
    code = [path for path in files() if path.endswith(".py") and not path.startswith("tests/")]
    return any(
        re.search(rf"^\s*def {verb}\(", (ROOT / path).read_text(), re.MULTILINE)
        for path in code
        if module is None or f"/{module}/" in f"/{path.removesuffix('.py')}/"
    )


def is_there(path: str) -> bool:
    """Whether a path, whole or from some room on, names a file or folder of the repository."""
    return any(f"/{path}" in f"/{one}" for one in files())


def unresolved(document: Path) -> list[str]:
    here = [
        target.partition("#")[0]
        for target in LINK.findall(document.read_text())
        if not target.startswith(("https://", "#"))
    ]
    return [target for target in here if not (document.parent / target).exists()]


@named
def test_every_link_resolves_to_a_file(document: Path) -> None:
    assert unresolved(document) == []


@named
def test_every_path_in_backquotes_is_there(document: Path) -> None:
    paths = [span for span in spans(document) if PATH.fullmatch(span) and span[:4] != "var/"]
    assert [path for path in paths if not is_there(path)] == []


@named
def test_every_verb_that_is_quoted_exists(document: Path) -> None:
    # Of `compliance.clock.now()` the last module counts.
    calls = [found for span in spans(document) if (found := CALL.search(span))]
    assert [found[0] for found in calls if not defined(found[1], found[2])] == []


@named
def test_every_setting_that_is_named_is_read_somewhere(document: Path) -> None:
    known = source("config/*.py") + source("requirements/*.sh") + source("*/urls.py")
    names = [found[1] for span in spans(document) if (found := NAME.fullmatch(span))]
    sql = {"UPDATE", "DELETE", "REPLACE", "TRUNCATE", "ATOMIC_REQUESTS", "SIMULATION"}
    assert [name for name in names if name not in known and name not in sql] == []


@named
def test_every_make_target_and_command_exists(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) - targets
    commands = {Path(path).stem for path in files() if "management/commands/" in path}
    ran = set(re.findall(r"manage\.py ([a-z_]+)", text)) - commands - {"shell", "migrate"}
    assert (made, ran) == (set(), set())


@walked
def test_each_walk_names_a_test_that_exists(walk: Path) -> None:
    test = f"tests/walks/test_{walk.stem}.py"
    assert f"[{test}](../../{test})" in walk.read_text()
    assert (ROOT / test).is_file()


@walked
def test_each_walk_speaks_the_words_of_the_log(walk: Path) -> None:
    tasks = set(
        re.findall(r"name=\"([a-z]+\.[a-z_]+)\"", source("*/tasks.py") + source("*/worker.py"))
    )
    said = [span for span in spans(walk) if WORD.fullmatch(span) and not span.endswith(".py")]
    assert said
    assert [word for word in said if word not in ACTIONS and word not in tasks] == []


def test_the_architecture_links_every_walk() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert [walk.stem for walk in WALKS] == list("abcde")
    assert all(f"(docs/walks/{walk.name})" in text for walk in WALKS)


def test_the_index_lists_every_decision_under_its_title() -> None:
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((\d{4}-[\w-]+\.md)\) \|$",
        (ROOT / "docs/decisions/README.md").read_text(),
        re.MULTILINE,
    )
    there = [
        (str(int(path.name[:4])), path.read_text().splitlines()[0].partition(". ")[2], path.name)
        for path in DECISIONS
    ]
    assert listed == there
    assert [int(number) for number, _, _ in listed] == list(range(1, len(DECISIONS) + 1))


@decided
def test_each_decision_keeps_its_form(record: Path) -> None:
    text = record.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert re.search(r"^Status: (accepted|superseded by \[)", text, re.MULTILINE)
    assert text.rpartition("## Rejected")[2].count("\n- ") >= 2
    assert len(text.split()) <= HALF_A_PAGE


def test_every_dependency_says_why_it_is_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {REQUIREMENT.match(line)[0].lower() for line in declared}
    record = (ROOT / "docs/decisions/0013-dependencies.md").read_text()
    text = record.partition("## Decision")[2].partition("## Consequences")[0]
    assert {name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)} == set()


def test_every_vendored_package_is_acknowledged() -> None:
    vendored = tomllib.loads((ROOT / "compliance/static/VENDORED.toml").read_text())["file"]
    # Headings stand at the margin; the lines below them name licence files.
    lines = (ROOT / "NOTICE").read_text().lower().splitlines()
    notice = "\n".join(line.replace(" ", "-") for line in lines if not line.startswith(" "))
    families = {file["package"].split("/")[-1] for file in vendored} - {"core", "icons"}
    assert {family for family in families if family not in notice} == set()
    assert "tabler" in notice
    licences = {file["licence"] for file in vendored}
    assert licences <= {"MIT", "BSD-3-Clause", "OFL-1.1", "MPL-2.0"}


def test_the_licence_is_the_whole_of_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
