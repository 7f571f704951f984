"""A TransformerLens name means to us what it means to TransformerLens, in every family."""

import os
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file

from assessments.scanner import activations
from assessments.scanner.contract import ScanFailed
from assessments.scanner.readnames import LENS, PROCESSED, parse
from tests.peers.conftest import PYTHON, QUIET
from tests.scanner.conftest import tiny_tokenizer
from tests.scanner.families import BLOCKS, FAMILIES, GIVEN, IDS, model

# TransformerLens installs packages by itself where a multimodal model seems to want them. So it
# gets none of those, and a pip that finds nothing.
COMPARED = [family for family in FAMILIES if family != "gemma3_nested"]
NO_PIP = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
WITH_GAIN = ("attn.hook_in", "mlp.hook_in")
"""Processing moves the gain into the weights behind them; what stands there is another tensor."""


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    """A folder for each family, with what TransformerLens reads there."""
    if not PYTHON.exists():
        pytest.fail("The peers' packages are not here: run `make peers`.", pytrace=False)
    root = tmp_path_factory.mktemp("lens")
    save_file({"ids": torch.tensor(IDS)}, root / "ids.safetensors")
    tiny_tokenizer().save_pretrained(root / "tokenizer")
    for family in COMPARED:
        model(family).save_pretrained(root / family)
    done = subprocess.run(
        [str(PYTHON), str(Path(__file__).with_name("of_transformerlens.py")), str(root)],
        env={"PATH": os.environ["PATH"], "HOME": str(root), **QUIET, **NO_PIP},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"TransformerLens could not read:\n{done.stderr[-3000:]}", pytrace=False)
    return root


def ours(family, name):
    """What we read there, padding left out."""
    found = activations.residuals(model(family), GIVEN, parse(name))
    return found[:, : len(IDS[0])]


def test_every_family_is_read_where_transformerlens_reads_it(peers):
    for family in COMPARED:
        theirs = load_file(peers / family / "plain.safetensors")
        names = [f"blocks.{k}.{each}" for k in range(BLOCKS) for each in LENS]
        shared = [name for name in names if name in theirs]
        assert len(shared) >= BLOCKS * 12
        for name in shared:
            assert torch.allclose(ours(family, name), theirs[name], atol=5e-5), (family, name)


def test_processed_points_are_those_after_transformerlens_worked_the_weights_over(peers):
    n_processed = 0
    for family in COMPARED:
        theirs = load_file(peers / family / "processed.safetensors")
        for name in (f"blocks.{k}.{each}" for k in range(BLOCKS) for each in LENS):
            if name not in theirs or name.endswith(WITH_GAIN):
                continue
            try:
                found = ours(family, name + PROCESSED)
                n_processed += 1
            except ScanFailed:  # Where processing changes nothing.
                found = ours(family, name)
            assert torch.allclose(found, theirs[name], atol=5e-5), (family, name)
    assert n_processed >= 60
