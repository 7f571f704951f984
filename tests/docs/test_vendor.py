"""The third-party files are the recorded ones, and a changed byte is noticed."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs/vendor.py"


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_vendor", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_vendor"] = module
    spec.loader.exec_module(module)
    return module


def test_every_vendored_file_has_its_recorded_digest(vendor: ModuleType) -> None:
    assert vendor.check(vendor.read_table()) == []


def test_every_file_in_the_vendor_folder_is_recorded(vendor: ModuleType) -> None:
    recorded = {row.path for row in vendor.read_table()}
    here = {
        path for path in (vendor.ROOT / "compliance/static/vendor").rglob("*") if path.is_file()
    }
    assert here <= recorded


def test_a_changed_digest_is_named(vendor: ModuleType) -> None:
    row = replace(vendor.read_table()[0], sha256="0" * 64)
    assert "expected sha256 0000" in vendor.check([row])[0]


def test_the_table_is_written_as_it_was_read(vendor: ModuleType) -> None:
    rows = vendor.read_table()
    assert vendor.HEAD + "\n" + "\n".join(map(vendor.block, rows)) == vendor.TABLE.read_text(
        encoding="utf-8"
    )


def test_a_module_becomes_a_script_only_when_it_looks_as_expected(vendor: ModuleType) -> None:
    with pytest.raises(ValueError, match="expected one import"):
        vendor.classic_script("export default 1;")
