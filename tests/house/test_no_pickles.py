"""A pickle can run code: one file of the house may have torch read one, and only as weights."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("assessments", "bench", "compliance", "config", "docs", "incidents")
THE_ONE_PLACE = "assessments/scanner/unpickling_child.py"
PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
LOADERS = {
    "torch.load",
    "torch.jit.load",
    "torch.serialization.load",
    "torch.hub.load",
    "torch.package.PackageImporter",
}


def sins(source, name):
    """Every way in which a module could unpickle, as `name:line what`."""
    tree = ast.parse(source)
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            known |= dict(meant(node, each) for each in node.names)
    for node in ast.walk(tree):
        for what in told(node, known):
            yield f"{name}:{node.lineno} {what}"


def meant(node, alias):
    """The name an import brings, and what it stands for."""
    if isinstance(node, ast.ImportFrom):
        return alias.asname or alias.name, f"{node.module}.{alias.name}"
    first = alias.name.partition(".")[0]
    return (alias.asname, alias.name) if alias.asname else (first, first)


def told(node, known):
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names if each.name.split(".")[0] in PICKLES)
    elif isinstance(node, ast.ImportFrom) and node.module:
        if node.module.split(".")[0] in PICKLES:
            yield node.module
        yield from (
            f"{node.module}.{each.name}"
            for each in node.names
            if f"{node.module}.{each.name}" in LOADERS
        )
    elif isinstance(node, ast.Attribute) and spelled(node, known) in LOADERS:
        yield spelled(node, known)
    elif isinstance(node, ast.Call):
        yield from asked(node, known)


def asked(call, known):
    """What is wrong with how something is called."""
    given = {each.arg: getattr(each.value, "value", None) for each in call.keywords}
    if given.get("allow_pickle", False) is not False:
        yield "allow_pickle"
    if "weights_only" in given and given["weights_only"] is not True:
        yield "weights_only"
    if spelled(call.func, known) == "numpy.load" and given.get("allow_pickle") is not False:
        yield "numpy.load without allow_pickle=False"
    if spelled(call.func, known) == "getattr" and [
        getattr(each, "value", 0) for each in call.args[1:2]
    ] == ["load"]:
        yield "getattr(…, 'load')"


def spelled(node, known):
    """torch.load for `torch.load`, for `t.load` after `import torch as t`, and for `load`."""
    if isinstance(node, ast.Attribute):
        return f"{spelled(node.value, known)}.{node.attr}"
    return known.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def found():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield from sins(path.read_text(encoding="utf-8"), name)


def test_torch_reads_a_pickle_in_one_place_only_and_as_weights_alone():
    assert [each.partition(":")[0] for each in found()] == [THE_ONE_PLACE]
    source = (ROOT / THE_ONE_PLACE).read_text(encoding="utf-8")
    (call,) = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and spelled(node.func, {}) == "torch.load"
    ]
    given = {each.arg: each.value.value for each in call.keywords}
    assert given == {"map_location": "cpu", "weights_only": True, "mmap": True}


@pytest.mark.parametrize(
    "sin",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('x', weights_only=True)",
        "import torch as t\nread = t.load",
        "from torch import load",
        "from torch import load as read",
        "from torch import serialization as s\ns.load('x')",
        "import torch.jit\ntorch.jit.load('x')",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "f('x', weights_only=False)",
        "f('x', weights_only=wish)",
        "import torch\ngetattr(torch, 'load')('x')",
    ],
)
def test_a_sin_is_caught(sin):
    assert list(sins(sin, "sinner.py"))


@pytest.mark.parametrize(
    "plain",
    [
        "import json\njson.load(stream)",
        "from safetensors.torch import load\nload(blob)",
        "import numpy as np\nnp.load('x', allow_pickle=False)",
        "from compliance.regimes import load\nload.regimes()",
    ],
)
def test_what_is_no_sin_passes(plain):
    assert not list(sins(plain, "plain.py"))
