"""One autoencoder class, three rules, two ways to ask it."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.sae import Architecture

WATCHED = [5, 0, 63]


def variants(sae):
    return [
        sae,
        dataclasses.replace(sae, architecture=Architecture.STANDARD, threshold=None),
        dataclasses.replace(sae, architecture=Architecture.TOPK, threshold=None, k=7),
        dataclasses.replace(sae, apply_b_dec_to_input=False),
    ]


def test_watched_columns_equal_those_of_the_whole(sae):
    x = torch.randn(50, sae.d_in, generator=torch.Generator().manual_seed(0))
    for each in variants(sae):
        whole = each.encode(x)
        some = each.encode_some(x, WATCHED)
        assert torch.equal(some > 0, whole[:, WATCHED] > 0)
        assert torch.allclose(some, whole[:, WATCHED], atol=1e-6)


def test_encoding_follows_the_formula(sae):
    x = torch.randn(9, sae.d_in, generator=torch.Generator().manual_seed(1))
    pre = (x - sae.b_dec) @ sae.w_enc + sae.b_enc
    assert torch.allclose(sae.encode(x), torch.where(pre > 0.01, pre, 0.0))
    topk = variants(sae)[2].encode(x)
    assert ((topk > 0).sum(-1) == 7).all()
    assert torch.allclose(topk.max(-1).values, pre.max(-1).values)


def test_a_stream_of_another_width_is_refused(sae):
    with pytest.raises(ScanFailed, match="reads a width of 32, the model gives 31"):
        sae.encode(torch.zeros(2, 31))
