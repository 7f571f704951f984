"""The published formulas in numpy, in float64, written out apart from the scanner's own."""

import numpy as np
import pytest
import torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import open_sae


def numbers(seed, *shape, scale=1.0):
    """Seeded normal numbers in float32."""
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def relu(pre):
    return np.maximum(pre, 0)


def jump(pre, threshold):
    return np.where(pre > threshold, relu(pre), 0)


def largest(pre, k):
    """ReLU of the k largest of each row."""
    least = np.sort(pre, axis=-1)[:, -k][:, None]
    return np.where(pre >= least, relu(pre), 0)


def largest_of_all(pre, k):
    """ReLU of the k·n largest of all n rows."""
    least = np.sort(pre, axis=None)[-k * len(pre)]
    return np.where(pre >= least, relu(pre), 0)


def tokens(d, n=40, seed=99):
    return numbers(seed, n, d)


def expect_encodes(path, x, expected, *, name=""):
    """The same latents are on, with the same activations, whole and by column."""
    sae = open_sae(path, name=name)
    f = sae.encode(torch.from_numpy(x)).numpy()
    assert 0 < (expected > 0).mean() < 1, "an expectation that everything meets shows nothing"
    assert np.array_equal(f > 0, expected > 0)
    np.testing.assert_allclose(f, expected, rtol=2e-5, atol=2e-6)
    if not sae.not_evidence:
        some = [expected.shape[1] - 1, 0, 3, 3]
        f = sae.columns(some).encode(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(f, expected[:, some], rtol=2e-5, atol=2e-6)
    return sae


def expect_rebuilds(sae, x, expected):
    rebuilt = sae.rebuild(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(rebuilt, expected, rtol=1e-4, atol=1e-5)


def expect_refused(path, complaint, *, name=""):
    """It is refused, for good, by open_sae or as soon as weights are read."""
    with pytest.raises(ScanFailed, match=complaint) as caught:
        open_sae(path, name=name).held()
    assert caught.value.permanent
