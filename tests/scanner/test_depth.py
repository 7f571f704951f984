"""A model cut over devices is read as a whole one; what has no values stands for a second device."""

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from transformers import DynamicCache

from assessments.scanner import depth
from assessments.scanner.activations import several
from assessments.scanner.contract import ScanFailed
from assessments.scanner.coverage import summed_losses
from assessments.scanner.readnames import after
from assessments.scanner.readpoints import blocks_of, parse
from tests.scanner.families import BLOCKS, FAMILIES, GIVEN, IDS, WIDTH, close, model

CPU, META = torch.device("cpu"), torch.device("meta")
"""Tensors of `meta` have a shape and no values, and torch refuses to mix them with others."""


def cut(family, *chosen):
    built = copy.deepcopy(model(family))
    depth.place(built, chosen)
    return built


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_handed_from_device_to_device(family):
    built = cut(family, CPU, META)
    early, late = (
        several(built, GIVEN, (after(0), after(0)))[0],
        several(built, GIVEN, (after(2),))[0],
    )
    assert close(early, several(model(family), GIVEN, (after(0),))[0])
    assert (late.device, late.shape) == (META, (*GIVEN.ids.shape, WIDTH))


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "gpt_neox"])
def test_the_whole_model_runs_to_a_head_of_its_own(family):
    logits = cut(family, CPU, META)(input_ids=GIVEN.ids, attention_mask=GIVEN.mask).logits
    assert logits.shape[:2] == GIVEN.ids.shape


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_read_otherwise(family):
    built = cut(family, CPU, CPU)
    points = tuple(after(block) for block in range(BLOCKS))
    for ours, whole in zip(
        several(built, GIVEN, points), several(model(family), GIVEN, points), strict=True
    ):
        assert torch.equal(ours, whole)
    edit = torch.zeros_like
    assert summed_losses(built, GIVEN, 1, edit) == summed_losses(model(family), GIVEN, 1, edit)


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_kept_keys_lie_with_their_block(family):
    built = cut(family, CPU, META)
    cache = DynamicCache(config=built.config)
    built.base_model(input_ids=torch.tensor(IDS[:1]), past_key_values=cache, use_cache=True)
    places = [cache.layers[block].keys.device for block in range(BLOCKS)]
    assert places == [CPU, CPU, META]


def test_blocks_are_dealt_out_in_order():
    built = cut("llama", CPU, CPU, META)
    where = [next(block.parameters()).device for block in blocks_of(built)]
    assert where == [CPU, CPU, META]
    assert depth.device_at(built, after(1)) == CPU
    assert depth.device_at(built, after(2)) == META
    assert built.device == CPU


def test_a_tied_head_stays_with_its_embedding():
    from tests.scanner.conftest import tiny_model

    built = tiny_model()
    depth.place(built, (CPU, META))
    assert built.get_output_embeddings().weight is built.get_input_embeddings().weight
    assert built.get_output_embeddings().weight.device == CPU
    assert depth.device_at(built, parse("blocks.2.hook_resid_post")) == META


@pytest.mark.parametrize(
    ("spelled", "found"),
    [
        ("cpu", [CPU]),
        ("cuda", [torch.device("cuda")]),
        ("cuda:1", [torch.device("cuda:1")]),
        ("cuda:1-3", [torch.device("cuda", at) for at in (1, 2, 3)]),
    ],
)
def test_devices_by_name(spelled, found):
    assert list(depth.devices(spelled)) == found


@pytest.mark.parametrize("spelled", ["gpu", "cuda:3-1", "nothing:0-1", "", "cuda:0,cuda:1"])
def test_an_unknown_device_is_named(spelled):
    with pytest.raises(ScanFailed, match="device"):
        depth.devices(spelled)
