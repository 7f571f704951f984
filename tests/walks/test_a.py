"""A version is registered, scanned by a worker and judged; outsiders see nothing of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scanner.conftest import model_folder, sae, sae_folder
from tests.walks import acts
from tests.walks.conftest import Standing
from tests.walks.visitor import Pick, Visitor

pytestmark = [pytest.mark.walk, pytest.mark.torch, pytest.mark.xdist_group("walks")]
__all__ = ["model_folder", "sae", "sae_folder"]


def test_a_version_is_registered_scanned_and_judged(
    standing: Standing,
    signed_in: Callable[[str], Visitor],
    model_folder: Path,
    sae_folder: Path,
    outsider: Visitor,
) -> None:
    ada, bo = signed_in("ada"), signed_in("bo")
    standing.arrange("instruments", sae_folder=str(sae_folder))
    shutil.copytree(model_folder, standing.folder("tiny"))

    ada.fill("/inventory/entities/new/", name="Handbook GmbH", country="DE")
    registered = ada.fill(
        "/inventory/systems/new/",
        entity=Pick("Handbook GmbH"),
        name="Handbook assistant",
        intended_purpose="Answers questions from the handbook.",
        risk_class="minimal",
        eu_role="provider",
        member_states="DE FR",
    )
    model = acts.register_model(ada, acts.uuid_of(registered), "Tiny")
    version = acts.register_version(ada, model, "1.0.0", standing.folder("tiny"))
    assert standing.weights("tiny") in ada.open(version.path).html

    asked = bo.fill(
        f"/assess/scans/request/?version={version.uuid}",
        watchlists=Pick("tiny"),
        suite=Pick("small pairs"),
        seed=7,
    )
    scan = f"/assess/scans/{acts.uuid_of(asked)}/"
    done = bo.wait(scan, lambda page: re.search(r" Findings \d", page.text) is not None)
    assert " done " in done.text
    assert " Findings 0 " not in done.text
    assert "cyber" in done.text

    # What it measured is evidence; random weights explain too little, and it says so.
    evidence = bo.open(f"{version.path}evidence/").text
    assert "Scan with sparse autoencoders" in evidence
    assert "Test for suppression under evaluation" in evidence
    assert "inconclusive" in evidence
    gate = bo.submit(
        f"/assess/gate/{version.uuid}/production/", f"/assess/gate/{version.uuid}/production/ask"
    )
    assert "NO-GO" in gate.text
    for lacking in ("Red-team campaign", "Rollback drill", "Rota without gaps"):
        assert lacking in gate.text

    for path in (
        version.path,
        f"{version.path}evidence/",
        scan,
        f"/assess/gate/{version.uuid}/production/",
    ):
        assert outsider.open(path).status == 404, path
    assert "Handbook assistant" not in outsider.open("/inventory/").text
