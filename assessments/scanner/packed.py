"""Weights laid out once as a processor's matrix products want them, instead of at every product.

A product of MKL first copies the weights into the order in which it reads them. For small lots that
is a fifth of its time, and the copy is the same every time, so it is made once and kept in place of
the weights. What is computed is the same product in float32.

MKL takes weights that were laid out for another number of rows, but its manual does not promise it;
so each layer is tried, and stays as it was where the two ways do not agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from assessments.scanner import readpoints

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROWS = 256
"""Tokens that a product is laid out for: a lot's. Others are computed all the same."""
TRIED = (1, 24, 200)
"""Numbers of rows on which a layer is tried."""
MOST_APART = 1e-5
"""As a share of the largest value, what two orders of adding may differ by."""


class PackedLinear(nn.Module):
    """A linear layer whose weights only MKL can read."""

    def __init__(self, linear: nn.Linear) -> None:
        """Lay the weights out; those of `linear` are not needed after."""
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        weight = linear.weight.detach()
        lay_out = torch.ops.mkl._mkl_reorder_linear_weight  # noqa: SLF001 - torch names it no other way
        self.laid_out: Tensor = lay_out(weight.contiguous(), ROWS)
        # The operator asks the weights themselves for nothing but their shape.
        self.shape_of_it = weight.new_empty(1).expand(self.out_features, self.in_features)

    @override
    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        n_rows = x.numel() // self.in_features
        product = torch.ops.mkl._mkl_linear  # noqa: SLF001 - torch names it no other way
        found: Tensor = product(x, self.laid_out, self.shape_of_it, self.bias, n_rows)
        return found


def is_possible() -> bool:
    """Whether this torch was built with MKL and has the operators."""
    has_mkl = bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
    return has_mkl and hasattr(torch.ops.mkl, "_mkl_linear")


@torch.no_grad()
def pack(model: PreTrainedModel) -> int:
    """Lay out the linear layers of all blocks of a model in float32 on a processor; how many.

    The model can only be run afterwards, not trained or saved.
    """
    if not is_possible():
        return 0
    n_packed = 0
    for block in readpoints.blocks_of(model):
        for parent in list(block.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear and child.weight.dtype == torch.float32:
                    made = PackedLinear(child)
                    if agrees(made, child):
                        setattr(parent, name, made)
                        n_packed += 1
    return n_packed


def agrees(packed: PackedLinear, linear: nn.Linear) -> bool:
    """Whether both give the same, but for the order of adding."""
    for n_rows in TRIED:
        x = torch.linspace(-1, 1, n_rows * linear.in_features).view(n_rows, -1).sin()
        expected = linear(x)
        apart = (packed(x) - expected).abs().max()
        if not bool(apart <= MOST_APART * expected.abs().max()):
            return False
    return True
