"""Weights that are not kept as they are used give the same slices as the whole they stand for."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from hypothesis import given, settings
from hypothesis import strategies as st

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats.turned import Exp, Same, Stacked
from assessments.scanner.rows import InMemory
from tests.scanner.formats.formulas import numbers


def in_memory(kept):
    return InMemory(torch.from_numpy(kept))


def agree(rows, whole, latents, run):
    start, stop = sorted(run)
    assert rows.shape == whole.shape
    np.testing.assert_array_equal(rows.take(latents).numpy(), whole[latents])
    np.testing.assert_array_equal(rows.part(start, stop).numpy(), whole[start:stop])


@settings(max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=1, max_size=4),
    data=st.data(),
)
def test_stacked_matrices_are_a_block_diagonal(sizes, data):
    blocks = [numbers(at, *size) for at, size in enumerate(sizes)]
    n, d = sum(f for f, _ in sizes), sum(width for _, width in sizes)
    whole, down, right = np.zeros((n, d), np.float32), 0, 0
    for block in blocks:
        whole[down : down + block.shape[0], right : right + block.shape[1]] = block
        down, right = down + block.shape[0], right + block.shape[1]
    latents = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=9))
    run = data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))
    agree(Stacked(tuple(map(in_memory, blocks))), whole, latents, run)


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), data=st.data())
def test_stacked_vectors_follow_each_other(sizes, data):
    vectors = [numbers(at, size) for at, size in enumerate(sizes)]
    n = sum(sizes)
    latents = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=9))
    run = data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))
    agree(Stacked(tuple(map(in_memory, vectors))), np.concatenate(vectors), latents, run)


def test_one_number_stands_for_every_latent():
    agree(Same(0.25, 7), np.full(7, 0.25, np.float32), [6, 0, 0], (2, 7))


def test_logarithms_are_undone():
    kept = numbers(1, 9)
    rows = Exp(in_memory(kept), "w.safetensors: log_threshold")
    np.testing.assert_allclose(rows.take([8, 2]).numpy(), np.exp(kept[[8, 2]]), rtol=1e-6)
    np.testing.assert_allclose(rows.part(1, 5).numpy(), np.exp(kept[1:5]), rtol=1e-6)
    assert rows.shape == (9,)


def test_what_is_no_logarithm_is_refused():
    rows = Exp(in_memory(np.array([1, 500], np.float32)), "w.safetensors: log_threshold")
    assert rows.take([0]).item() == pytest.approx(np.e)
    with pytest.raises(ScanFailed, match=r"log_threshold: expected logarithms, came 500"):
        rows.part(0, 2)
