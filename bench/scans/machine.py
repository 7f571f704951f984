"""What this machine can do at most: bare matrix products, measured beside the model.

shapes     those of the model's blocks, in its order, each with weights of its own
square     one large square product, which nothing delays
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from bench.frame import serve
from bench.scans import inputs

HEADS_WIDTH, KEYS_WIDTH, INNER = 576, 192, 1536
SHAPES = (
    (HEADS_WIDTH, inputs.WIDTH), (KEYS_WIDTH, inputs.WIDTH), (KEYS_WIDTH, inputs.WIDTH),
    (inputs.WIDTH, HEADS_WIDTH), (INNER, inputs.WIDTH), (INNER, inputs.WIDTH), (inputs.WIDTH, INNER),
)  # fmt: skip
"""(out, in) of query, keys, values, output, gate, up and down."""
SIDE = 2048
TOKENS = inputs.N_TEXTS * inputs.N_TOKENS


def products() -> float:
    """Floating-point operations of the blocks' products for all tokens."""
    return 2.0 * TOKENS * inputs.BLOCKS * sum(out * into for out, into in SHAPES)


def pass_operations() -> float:
    """Of one pass: the products, and attention over half of each text on average."""
    attention = 4.0 * (inputs.N_TOKENS / 2) * HEADS_WIDTH
    return products() + TOKENS * inputs.BLOCKS * attention


def shapes(dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """All products of the blocks, into buffers that are there."""
    torch.set_grad_enabled(False)
    given = {into: torch.randn(TOKENS, into, dtype=dtype) for _, into in SHAPES}
    weights = [
        torch.randn(out, into, dtype=dtype) for _ in range(inputs.BLOCKS) for out, into in SHAPES
    ]
    room = {out: torch.empty(TOKENS, out, dtype=dtype) for out, _ in SHAPES}

    def once() -> None:
        for weight in weights:
            torch.mm(given[weight.shape[1]], weight.T, out=room[weight.shape[0]])

    return once, products() / 1e9


def square(dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """One product of squares."""
    torch.set_grad_enabled(False)
    left, right = torch.randn(2, SIDE, SIDE).to(dtype)
    room = torch.empty(SIDE, SIDE, dtype=dtype)
    return lambda: torch.mm(left, right, out=room), 2.0 * SIDE**3 / 1e9


CASES: dict[str, Callable[[], tuple[Callable[[], object], float]]] = {
    f"{what.__name__}-{name}": partial(what, dtype)
    for what in (shapes, square)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
}

if __name__ == "__main__":
    serve(CASES)
