"""The stream is read at the named block, whatever the company."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import activations
from assessments.scanner.contract import ScanFailed
from assessments.scanner.weights import load_model

SEQUENCES = [tuple(range(2, 2 + n)) for n in (17, 5, 30, 9, 9, 2)]


def test_a_hook_name_says_its_block():
    assert activations.block_of("blocks.12.hook_resid_post") == 12
    with pytest.raises(ScanFailed, match=r"came 'blocks\.1\.hook_mlp_out'"):
        activations.block_of("blocks.1.hook_mlp_out")


def test_batches_keep_to_the_budget_and_lose_nobody():
    found = list(activations.batches(SEQUENCES, 40))
    assert sorted(at for batch in found for at in batch.indices) == list(range(6))
    for batch in found:
        assert batch.ids.shape[1] % 8 == 0
        assert batch.ids.numel() <= 40 or len(batch.indices) == 1
        for row, at in enumerate(batch.indices):
            assert batch.ids[row, : len(SEQUENCES[at])].tolist() == list(SEQUENCES[at])
            assert int(batch.mask[row].sum()) == len(SEQUENCES[at])


@pytest.mark.parametrize("block", [0, 1])
def test_the_stream_is_that_of_the_named_block_and_padding_does_not_matter(model_folder, block):
    model = load_model(model_folder).model
    streams = dict(activations.each_sequence(model, SEQUENCES, block, token_budget=64))
    for at, ids in enumerate(SEQUENCES):
        with torch.no_grad():
            hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[block + 1]
        assert torch.allclose(streams[at], hidden[0], atol=1e-5)


def test_nothing_behind_the_read_point_is_computed(model_folder):
    model = load_model(model_folder).model
    reached = []
    model.model.layers[2].register_forward_hook(lambda *_args: reached.append(True))
    list(activations.each_sequence(model, SEQUENCES, 1, token_budget=64))
    assert not reached
