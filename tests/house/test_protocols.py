"""Every door to the outside is a Protocol with a Null twin; other Protocols are named as shapes."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from compliance.channels.base import Channel
from compliance.channels.null import NullPager
from compliance.filestore import FileStore, MemoryFileStore
from compliance.filing.base import FilingChannel
from compliance.filing.null import NullFiling
from compliance.timestamps.base import TimeStampingAuthority
from compliance.timestamps.null import NullAuthority
from incidents.targets.base import DeploymentTarget
from incidents.targets.null import NullTarget

ROOT = Path(__file__).resolve().parents[2]

DOORS = {
    Channel: NullPager,
    DeploymentTarget: NullTarget,
    FileStore: MemoryFileStore,
    FilingChannel: NullFiling,
    TimeStampingAuthority: NullAuthority,
}
# What a function needs of a thing it is handed: nothing of these reaches outside.
SHAPES = {
    "assessments.scanner.formats.__init__.Layout",
    "assessments.scanner.rows.Rows",
    "assessments.services.picture.Summary",
    "assessments.services.picture.Tested",
    "compliance.actors.Scoped",
    "compliance.audit.log.Place",
    "compliance.audit.log.Recorded",
    "compliance.machines.Moved",
    "compliance.phrase.Language",
    "config.demo.agent.Voice",
    "incidents.rules.matching.Test",
}


def protocols():
    for app in ("compliance", "assessments", "incidents", "config"):
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and any(
                    "Protocol" in ast.unparse(base) for base in node.bases
                ):
                    yield ".".join([*path.relative_to(ROOT).with_suffix("").parts, node.name])


def test_every_protocol_is_a_door_with_a_twin_or_a_shape():
    doors = {f"{door.__module__}.{door.__qualname__}" for door in DOORS}
    assert set(protocols()) == doors | SHAPES


@pytest.mark.parametrize(("door", "twin"), DOORS.items(), ids=lambda each: each.__name__)
def test_the_null_twin_can_stand_in(door, twin):
    asked = {
        name: member
        for name, member in vars(door).items()
        if inspect.isfunction(member) and name[0] != "_"
    }
    assert asked, f"{door.__name__} asks for nothing"
    for name, member in asked.items():
        there = inspect.signature(getattr(twin, name)).parameters
        assert list(inspect.signature(member).parameters) == list(there), f"{twin.__name__}.{name}"
    fields = set(getattr(door, "__annotations__", {})) - set(asked)
    assert all(hasattr(twin, field) or field in _annotated(twin) for field in fields)


@pytest.mark.parametrize(("door", "twin"), DOORS.items(), ids=lambda each: each.__name__)
def test_the_null_twin_says_what_it_does_not_do(door, twin):
    assert door.__doc__
    told = (twin.__doc__ or "") + (inspect.getdoc(importlib.import_module(twin.__module__)) or "")
    assert any(
        word in told.lower()
        for word in ("nothing", "nowhere", "no one", "nobody", "memory", "not sent")
    )


def _annotated(twin):
    return {name for each in twin.__mro__ for name in getattr(each, "__annotations__", {})}
