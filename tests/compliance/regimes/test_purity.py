"""The engine decides from what it is handed: no clock, no zone and no setting of the machine."""

import ast
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[3] / "compliance" / "regimes"
MODULES = sorted(ROOM.rglob("*.py"))
FORBIDDEN = {
    "now",
    "utcnow",
    "today",
    "localtime",
    "monotonic",
    "gettimeofday",
    "getenv",
    "environ",
}
OUTSIDE = {"django", "time", "os", "random", "socket", "celery"}
LONGEST = 450
TABLES = {"questions.py", "vocabulary.py"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOM).as_posix())
def test_no_module_of_the_room_asks_the_machine(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert not named & FORBIDDEN
    assert not imported & OUTSIDE


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOM).as_posix())
def test_no_module_but_a_table_is_longer_than_one_can_read(module: Path) -> None:
    if module.name not in TABLES:
        assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_time_of_day_is_computed_in_the_zone_of_the_machine() -> None:
    """Every date becomes an instant through a zone that is named: no naive time is made aware."""
    bare = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "astimezone"
        and not node.args
    ]
    assert bare == []
