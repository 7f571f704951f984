"""Weights laid out once: the same products, whatever the number of rows."""

import copy

import pytest

torch = pytest.importorskip("torch")

from assessments.scanner import instrument, packed, readpoints
from assessments.scanner.activations import batch, residuals
from assessments.scanner.instrument import Wanted
from assessments.scanner.packed import PackedLinear
from assessments.scanner.weights import load_model

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not packed.is_possible(), reason="this torch has no MKL"),
]


def linears(model):
    return [each for each in model.modules() if type(each) is torch.nn.Linear]


@pytest.mark.parametrize("shape", [(24, 16), (192, 576), (33, 7)])
@pytest.mark.parametrize("has_bias", [True, False])
@torch.no_grad()
def test_a_product_is_the_same_for_every_number_of_rows(shape, has_bias):
    torch.manual_seed(3)
    linear = torch.nn.Linear(shape[1], shape[0], bias=has_bias)
    made = PackedLinear(linear)
    for n_rows in (*range(1, 70), 255, 256, 257, 300, 1000):
        x = torch.randn(n_rows, shape[1])
        torch.testing.assert_close(made(x), linear(x), rtol=1e-5, atol=1e-5)
    x = torch.randn(2, 3, 5, shape[1])
    torch.testing.assert_close(made(x), linear(x), rtol=1e-5, atol=1e-5)
    across = torch.randn(shape[1], 9).T
    torch.testing.assert_close(made(across), linear(across), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_packed_model_reads_what_the_model_reads(model_folder):
    plain, laid_out = load_model(model_folder).model, load_model(model_folder).model
    n_blocks = len(readpoints.blocks_of(laid_out))
    n_linears = sum(len(linears(block)) for block in readpoints.blocks_of(laid_out))
    assert packed.pack(laid_out) == n_linears > n_blocks
    assert not any(linears(block) for block in readpoints.blocks_of(laid_out))
    given = batch([[5, 9, 11, 4], [7, 3]], (0, 1))
    for block in range(n_blocks):
        torch.testing.assert_close(
            residuals(laid_out, given, block)[given.mask.bool()],
            residuals(plain, given, block)[given.mask.bool()],
            rtol=1e-5,
            atol=1e-5,
        )


def test_a_model_in_bfloat16_stays_as_it_was(model_folder):
    model = load_model(model_folder, dtype=torch.bfloat16).model
    assert packed.pack(model) == 0
    assert linears(model)


def test_a_layer_that_comes_out_otherwise_is_not_used():
    linear = torch.nn.Linear(16, 24)
    other = copy.deepcopy(linear)
    with torch.no_grad():
        other.weight[3, 4] += 0.1
    assert packed.agrees(PackedLinear(linear), linear)
    assert not packed.agrees(PackedLinear(other), linear)


def test_a_scan_on_a_processor_reads_with_packed_weights(model_folder):
    loaded = instrument.load(Wanted(str(model_folder), "", "", "float32", "cpu"), 1)
    (block,) = readpoints.blocks_of(loaded.model)
    assert any(isinstance(each, PackedLinear) for each in block.modules())
