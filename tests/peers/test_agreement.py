"""What SAELens and sparsify write, we read, and compute what they compute."""

import json

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import open_sae
from tests.peers.cases import CASES

COMPUTED = [case for case in CASES if not case.refused]
REFUSED = [case for case in CASES if case.refused]


def where(written, case):
    said = json.loads((written / str(case) / "case.json").read_text())
    return written / str(case) / said["sae"]


def both(written, case):
    """Our reading of what the peer wrote, and what the peer computes."""
    return open_sae(where(written, case)), load_file(written / str(case) / "expected.safetensors")


def off(found, wanted):
    """The largest difference in each row, in the row's largest value."""
    assert found.shape == wanted.shape
    return ((found - wanted).abs().amax(-1) / wanted.abs().amax(-1)).max().item()


@pytest.mark.parametrize("case", COMPUTED, ids=str)
def test_the_same_latents_fire_as_strongly(case, written):
    sae, expected = both(written, case)
    assert sae.not_evidence == ""
    f = sae.encode(expected["x"])
    assert 0.01 < (expected["f"] != 0).float().mean() < 0.7
    assert torch.equal(f != 0, expected["f"] != 0)
    assert off(f, expected["f"]) < 1e-6


@pytest.mark.parametrize("case", COMPUTED, ids=str)
def test_the_stream_is_rebuilt_alike(case, written):
    sae, expected = both(written, case)
    assert off(sae.rebuild(expected["x"]), expected["xhat"]) < 1e-5


@pytest.mark.parametrize("case", COMPUTED, ids=str)
def test_watched_columns_are_those_of_the_peer(case, written):
    sae, expected = both(written, case)
    by_mass = expected["f"].abs().sum(0).argsort(descending=True)
    latents = [*by_mass[:4].tolist(), *by_mass[-4:].tolist(), int(by_mass[len(by_mass) // 2])]
    some = sae.columns(latents).encode(expected["x"])
    wanted = expected["f"][:, latents]
    assert torch.equal(some != 0, wanted != 0)
    largest = expected["f"].abs().amax(-1, keepdim=True)
    assert ((some - wanted).abs() / largest).max() < 1e-6


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_we_do_not_compute_is_refused(case, written):
    with pytest.raises(ScanFailed, match=case.architecture) as refusal:
        open_sae(where(written, case))
    assert refusal.value.permanent
