"""cfg.json of SAELens, of any age and from anybody."""

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import saelens_config
from assessments.scanner.formats.config import Config
from assessments.scanner.sae import Architecture
from tests.scanner.formats.made import NASTY, or_refused

METADATA = {"model_name": "gpt2-small", "hook_name": "blocks.8.hook_resid_pre"}
NEW = {
    "architecture": "jumprelu", "d_in": 8, "d_sae": 32, "dtype": "float32", "device": "cpu",
    "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
    "metadata": METADATA,
}  # fmt: skip
OLD = {
    "model_name": "gpt2-small", "hook_point": "blocks.8.hook_resid_pre", "hook_point_layer": 8,
    "hook_point_head_index": None, "dataset_path": "Skylion007/openwebtext", "context_size": 128,
    "use_cached_activations": False, "cached_activations_path": "activations/x", "d_in": 8,
    "n_batches_in_buffer": 128, "total_training_tokens": 300_000_000, "device": "mps", "seed": 42,
    "dtype": "torch.float32", "b_dec_init_method": "geometric_median", "expansion_factor": 4,
    "l1_coefficient": 8e-05, "lr": 0.0004, "lr_scheduler_name": None, "use_ghost_grads": False,
    "feature_sampling_window": 1000, "feature_reinit_scale": 0.2, "dead_feature_threshold": 1e-08,
    "d_sae": 32, "lp_norm": 1.0, "noise_scale": 0.0, "normalize_sae_decoder": True,
    "mse_loss_normalization": "dense_batch", "decoder_heuristic_init": True,
}  # fmt: skip


def read(raw):
    return saelens_config.read(Config("sae/cfg.json", raw))


def test_a_configuration_from_before_six_is_read():
    found = read(OLD)
    assert found.kind.rule is Architecture.STANDARD
    assert (found.d_in, found.d_sae, found.subtracts) == (8, 32, True)
    assert found.normalize == "none"
    assert found.hook_name == "blocks.8.hook_resid_pre"
    assert found.declared.model_name == "gpt2-small"
    assert found.declared.n_tokens == 300_000_000


@pytest.mark.parametrize("name", ["activation_fn_str", "activation_fn"])
def test_top_k_was_once_an_activation_function(name):
    found = read(OLD | {name: "topk", "activation_fn_kwargs": {"k": 5}})
    assert (found.kind.rule, found.k) == (Architecture.TOPK, 5)
    for kwargs in (None, {}, {"k": 0}, {"k": 33}, {"k": "5"}):
        with pytest.raises(ScanFailed, match="k: expected a whole number"):
            read(OLD | {name: "topk", "activation_fn_kwargs": kwargs})
    with pytest.raises(ScanFailed, match="'postact_fn' may change the computation"):
        read(OLD | {name: "topk", "activation_fn_kwargs": {"k": 5, "postact_fn": "Identity"}})


def test_another_activation_function_is_refused():
    with pytest.raises(ScanFailed, match="expected 'relu' or 'topk', came 'tanh-relu'"):
        read(OLD | {"activation_fn_str": "tanh-relu"})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (True, "expected_average_only_in"),
        (False, "none"),
        (None, "none"),
        ("layer_norm", "layer_norm"),
    ],
)
def test_normalising_was_once_yes_or_no(said, meant):
    assert read(OLD | {"normalize_activations": said}).normalize == meant


def test_heads_were_once_joined_by_the_hook_s_name():
    assert read(OLD | {"hook_point": "blocks.8.attn.hook_z"}).hook_name == "blocks.8.attn.hook_z"
    with pytest.raises(ScanFailed, match="reshape_activations: expected 'none', or 'hook_z'"):
        read(OLD | {"reshape_activations": "hook_z"})


def test_a_single_head_is_refused():
    for raw in (
        OLD | {"hook_point_head_index": 0},
        NEW | {"metadata": METADATA | {"hook_head_index": 3}},
    ):
        with pytest.raises(ScanFailed, match="hook_head_index: expected nothing, for the whole"):
            read(raw)


def test_a_stream_with_its_mean_taken_off_is_named_so():
    options = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    name = METADATA["hook_name"]
    assert read(NEW | {"metadata": METADATA | options}).hook_name == f"{name}:processed"
    assert read(NEW).hook_name == name
    # TransformerLens does not do it to models with RMS norms, nor to what is not on the stream.
    for elsewhere in ({"model_name": "gemma-2b"}, {"hook_name": "blocks.8.attn.hook_z"}):
        metadata = METADATA | options | elsewhere
        assert read(NEW | {"metadata": metadata}).hook_name == metadata["hook_name"]


def test_a_file_that_is_silent_on_the_mean_is_doubted():
    (doubt,) = read(OLD).doubts
    assert doubt.endswith("it reads blocks.8.hook_resid_pre:processed")
    said = {"model_from_pretrained_kwargs": {"center_writing_weights": False}}
    assert read(OLD | said).doubts == ()
    assert read(OLD | {"model_name": "gemma-2b"}).doubts == ()
    assert read(NEW).doubts == ()


def test_what_else_is_left_open_is_doubted():
    (doubt,) = read(NEW | {"metadata": {}}).doubts
    assert doubt == "the configuration names no read point"
    (doubt,) = read(NEW | {"metadata": METADATA | {"seqpos_slice": [4, 64]}}).doubts
    assert doubt == "trained on the positions [4, 64] alone"
    assert read(NEW | {"metadata": METADATA | {"seqpos_slice": [None]}}).doubts == ()
    found = read(NEW | {"architecture": "transcoder", "apply_b_dec_to_input": False, "d_out": 8})
    assert found.doubts == ("the configuration does not say what the transcoder rebuilds",)
    assert found.hook_name_out == "unknown"  # Not the stream it reads, as nothing would mean.


def test_a_hugging_face_name_serves_where_there_is_no_other():
    metadata = {"hf_hook_name": "model.layers.8.output"}
    assert read(NEW | {"metadata": metadata}).hook_name == "model.layers.8.output"


@pytest.mark.parametrize("key", ["hook_name", "hf_hook_name", "hook_name_out"])
@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "blocks.1..hook", "a\nb", 7, ["x"]]
)
def test_names_that_are_paths_are_refused(key, name):
    with pytest.raises(ScanFailed, match=f"sae/cfg.json: {key}"):
        read(NEW | {"metadata": {key: name}})


@pytest.mark.parametrize("architecture", ["temporal", "matching_pursuit"])
def test_what_is_not_computed_is_named(architecture):
    with pytest.raises(ScanFailed, match=f"{architecture} autoencoders are not computed here: "):
        read(NEW | {"architecture": architecture})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"architecture": "relu6"}, "architecture: expected one of standard, gated"),
        ({"architecture": None}, "architecture: expected a text .* came nothing"),
        ({"normalize_activations": "batch"}, "normalize_activations: expected one of none"),
        ({"rescale_acts_by_decoder_norm": True}, "expected false where latents do not compete"),
        ({"architecture": "topk"}, "k: expected a whole number .* came nothing"),
        ({"architecture": "topk", "k": 8.5}, "k: expected a whole number from 1 to 32, came 8.5"),
        ({"architecture": "topk", "k": 33}, "k: expected a whole number from 1 to 32, came 33"),
        ({"architecture": "batchtopk", "k": 0.0}, "k: expected a number above 0 and up to 32"),
        ({"architecture": "batchtopk", "k": float("nan")}, "k: expected a finite number, came nan"),
        ({"architecture": "transcoder"}, "apply_b_dec_to_input: expected false for a transcoder"),
        ({"d_in": 10**400}, "d_in: expected a whole number from 1"),
        ({"d_sae": 0}, "d_sae: expected a whole number from 1"),
        ({"metadata": [1]}, "metadata: expected an object"),
        ({"post_encoder_scale": 2.0}, "'post_encoder_scale' may change the computation"),
        ({"use_error_term": True}, "'use_error_term' may change the computation"),
        ({"tied_weights": True}, "'tied_weights' may change the computation"),
    ],
)
def test_what_would_be_read_nearly_is_refused(change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        read(NEW | change)


def test_keys_that_only_inform_are_let_be():
    told = {"wandb_project": "sae", "seed": 3, "use_error_term": False, "jumprelu_bandwidth": 0.05}
    assert read(NEW | told) == read(NEW)


KEYS = [*NEW, "k", "d_out", "rescale_acts_by_decoder_norm", "activation_fn", "activation_fn_kwargs"]


@pytest.mark.parametrize("base", [NEW, OLD], ids=["new", "old"])
@pytest.mark.parametrize("key", KEYS)
def test_whatever_a_key_holds_it_is_read_or_refused(base, key):
    for value in NASTY:
        for architecture in ("jumprelu", "topk", "transcoder"):
            changed = {**base, "architecture": architecture, "k": 4, key: value}
            found = or_refused(lambda changed=changed: read(changed))
            assert found is None or 1 <= found.d_in < 1 << 41


@given(st.dictionaries(st.sampled_from(["hook_name", "model_name", "l0", "seqpos_slice", "hook_head_index",
    "model_from_pretrained_kwargs", "training_architecture_details"]), st.recursive(st.none() | st.booleans()
    | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))))  # fmt: skip
def test_whatever_metadata_hold_they_are_read_or_refused(metadata):
    found = or_refused(lambda: read(NEW | {"metadata": metadata}))
    assert found is None or found.declared.l0 is None or found.declared.l0 >= 0
