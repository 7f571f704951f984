"""Published autoencoders against the figures their makers give; skipped where no weights lie.

STRATA_PUBLISHED_SAES names a folder that holds

    saes/<repository>/<path>              as published; what is pickled, converted, in a folder
                                          called as the file without its ending
    acts/<model>/<read point>.safetensors x (n, d): what stands there on held-out text, without
                                          position 0 and special tokens; the model as the
                                          autoencoder declares it, or `any`

and any part of it may be missing.
"""

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.numpy import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import layout_of, open_sae
from assessments.scanner.store import open_store
from tests.scanner.formats.formulas import numbers

VARIABLE = "STRATA_PUBLISHED_SAES"
ROOT = Path(os.environ.get(VARIABLE, "."))
published = pytest.mark.skipif(
    VARIABLE not in os.environ, reason=f"{VARIABLE} names no folder with published autoencoders"
)
JB = "jbloom/GPT2-Small-SAEs-Reformatted/blocks"
GEMMA = "jbloom/Gemma-2b-Residual-Stream-SAEs/gemma_2b_blocks"
MISTRAL = "JoshEngels/Mistral-7B-Residual-Stream-SAEs/mistral_7b_layer"
SCOPE = "google/gemma-scope-2b-pt-transcoders/layer_19/width_16k/average_l0_12"
FIGURES = [
    *((f"{JB}.{layer}.hook_resid_pre", l0, None)
      for layer, l0 in enumerate((10, 10, 18, 23, 31, 41, 51, 54, 60, 70, 52, 56))),
    (f"{JB}.11.hook_resid_post", 70, None),
    (f"{GEMMA}.0.hook_resid_post_16384_anthropic", 47, None),
    (f"{GEMMA}.6.hook_resid_post_16384_anthropic_fast_lr", 56, None),
    (f"{MISTRAL}_8", 81.8, 0.26),
    (f"{MISTRAL}_16", 73.7, 0.15),
    (f"{MISTRAL}_24", 75.2, 0.279),
    (SCOPE, 12.8, None),
]  # fmt: skip
"""L0 and unexplained variance, from the cards of each; None where what is rebuilt is elsewhere."""
R1 = {
    "logic": {26850: 2.4509, 14306: 1.3170, 24913: 1.0869, 11430: 1.0192, 11884: 0.9164},
    "math": {7464: 1.1172, 3477: 0.7969, 15072: 0.75},
}
"""The strongest latents of the sample token that Goodfire publishes beside them."""
WITHIN = 0.25
MOST_TOKENS = 8192


def stream(root, sae):
    """What stands at the autoencoder's read point, or None."""
    for model in (sae.declared.model_name, "any"):
        path = root / "acts" / model / f"{sae.hook_name}.safetensors"
        if model and path.is_file():
            return open_store(path).read("x")[:MOST_TOKENS]
    return None


def figures(sae, x):
    """L0 and unexplained variance about the mean."""
    f = torch.cat([sae.encode(each) for each in x.split(256)])
    l0 = float((f > 0).sum(-1).double().mean())
    if sae.hook_name_out or sae.w_dec is None:
        return l0, None
    rebuilt = torch.cat([sae.rebuild(each) for each in x.split(256)]).double()
    spread = (x.double() - x.double().mean(0)).square().sum()
    return l0, float((x.double() - rebuilt).square().sum() / spread)


def autoencoders(root):
    """The path of everything below saes/ that some layout knows."""
    for folder in sorted(each for each in (root / "saes").rglob("*") if each.is_dir()):
        try:
            layout_of(folder)
        except ScanFailed:
            continue
        yield folder


def compare(root, path):
    """The declared L0 and the measured one; None for what is missing."""
    sae = open_sae(path)
    x = stream(root, sae)
    return sae.declared.l0, None if x is None else figures(sae, x)[0]


@published
def test_each_fires_as_often_as_it_declares():
    found = {path: compare(ROOT, path) for path in autoencoders(ROOT)}
    known = {path: both for path, both in found.items() if None not in both}
    if not known:
        pytest.skip(f"of {len(found)} autoencoders, none has both a declared L0 and a stream")
    wrong = {str(path): both for path, both in known.items()
             if abs(both[1] / both[0] - 1) > WITHIN}  # fmt: skip
    assert not wrong


@published
@pytest.mark.parametrize(("path", "l0", "fvu"), FIGURES)
def test_published_figures(path, l0, fvu):
    folder = ROOT / "saes" / path
    if not folder.is_dir():
        pytest.skip(f"{path} is not there")
    sae = open_sae(folder)
    if (x := stream(ROOT, sae)) is None:
        pytest.skip(f"there is no stream of {sae.hook_name}")
    found_l0, found_fvu = figures(sae, x)
    assert found_l0 == pytest.approx(l0, rel=WITHIN)
    if fvu is not None and found_fvu is not None:
        assert found_fvu == pytest.approx(fvu, abs=0.1)


@published
@pytest.mark.parametrize("kind", R1)
def test_the_published_sample_of_r1(kind):
    """x is the one token of sample_acts.pt, and the k largest of one token are what they are."""
    folder = ROOT / "saes/Goodfire/DeepSeek-R1-SAE-l37" / kind / "DeepSeek-R1-SAE-l37"
    sample = ROOT / "acts/goodfire-ai/r1-interpretability/sample_acts.safetensors"
    if not folder.is_dir() or not sample.is_file():
        pytest.skip("the autoencoder or the sample is not there")
    f = open_sae(folder).encode(open_store(sample).read("x").reshape(1, -1))[0]
    assert f.topk(len(R1[kind])).indices.tolist() == list(R1[kind])
    assert f[list(R1[kind])].tolist() == pytest.approx(list(R1[kind].values()), rel=0.02)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_stream_that_is_off_by_a_factor_is_noticed(tmp_path, scale):
    """The same comparison on an autoencoder made here, whose L0 is known."""
    x, d, f = numbers(1, 300, 16), 16, 200
    w_enc = numbers(2, d, f)
    threshold = np.quantile(x @ w_enc, 0.95, axis=0).astype(np.float32)
    place = tmp_path / "saes/google/gemma-scope-2b-pt-res/layer_2/width_16k/average_l0_10"
    place.mkdir(parents=True)
    np.savez(
        place / "params.npz", W_enc=w_enc, W_dec=w_enc.T.copy(), threshold=threshold,
        b_enc=np.zeros(f, np.float32), b_dec=np.zeros(d, np.float32),
    )  # fmt: skip
    acts = tmp_path / "acts/google/gemma-2-2b"
    acts.mkdir(parents=True)
    save_file({"x": scale * x}, acts / "blocks.2.hook_resid_post.safetensors")
    (path,) = autoencoders(tmp_path)
    declared, measured = compare(tmp_path, path)
    assert (abs(measured / declared - 1) <= WITHIN) == (scale == 1.0)
