"""A wrong pack is an error of the checks, which says where."""

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

from django.core.checks import registry, run_checks

from compliance import checks
from compliance.regimes import load


def test_the_packs_are_among_what_is_checked() -> None:
    assert "regimes" in registry.registry.tags_available()
    assert run_checks(tags=["regimes"]) == []


def test_a_wrong_pack_is_an_error_that_names_the_place() -> None:
    pack = resources.files("compliance.regimes").joinpath("data", "house-72h.toml").read_text()
    broken = pack.replace('type = "text"', 'type = "txt"', 1).encode()
    [found] = checks.complaints(lambda: load.parse(broken, file="house-72h.toml"))
    assert found.id == "compliance.E001"
    assert found.msg.startswith("house-72h.toml, field what_happened, field 'type'")


BROKEN = """
from compliance.regimes import load
from compliance.regimes.table import RegimeError

def parse(content, *, file):
    raise RegimeError(f"{file}: expected a pack, got nothing")

load.parse = parse

import django

django.setup()

from django.core.management import execute_from_command_line

import compliance.forms.calendar
import compliance.services.authority_request
import compliance.views.authority_requests
import compliance.views.duties

execute_from_command_line(["manage.py", "check"])
"""


def test_with_a_wrong_pack_the_command_says_so_and_no_import_reads_it_before() -> None:
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", BROKEN],
        cwd=root,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "(compliance.E001)" in ran.stderr
    assert "expected a pack, got nothing" in ran.stderr
    assert "Traceback" not in ran.stderr
