"""dictionary_learning's classes by their formulas, written out again in numpy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import readnames
from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import dictionary_learning, layout_of, open_sae
from assessments.scanner.sae import Architecture
from tests.scanner.formats.made import (
    NASTY,
    D,
    F,
    agree,
    converted,
    largest,
    numbers,
    or_refused,
    relu,
    tokens,
)

K, THETA = 6, 0.8
LINEAR = ("AutoEncoder", "AutoEncoderNew", "GatedAutoEncoder", "AutoEncoderTopK", "BatchTopKSAE")
PLAIN = ("MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder")
TRAINER = {
    "activation_dim": D, "dict_size": F, "layer": 8, "lm_name": "EleutherAI/pythia-70m-deduped",
    "submodule_name": "resid_post_layer_8", "steps": 1000, "seed": 0,
}  # fmt: skip
BUFFER = {"d_submodule": D, "io": "out", "ctx_len": 128, "out_batch_size": 2048}
RANKED = {"AutoEncoderTopK", "BatchTopKSAE", "MatryoshkaBatchTopKSAE"}


def weights(name):
    draw = numbers()
    decoder = draw(F, D) * np.linspace(0.3, 2, F, dtype=np.float32)[:, None]
    encoder, b_enc, b_dec = draw(D, F, scale=0.3), draw(F, scale=0.3), draw(D, scale=0.3)
    if name in PLAIN:
        found = {"W_enc": encoder, "b_enc": b_enc, "W_dec": decoder, "b_dec": b_dec}
    else:
        bias = {
            "AutoEncoder": "bias",
            "AutoEncoderNew": "decoder.bias",
            "GatedAutoEncoder": "decoder_bias",
        }
        found = {
            "encoder.weight": encoder.T,
            "decoder.weight": decoder.T,
            bias.get(name, "b_dec"): b_dec,
        }
        if name == "GatedAutoEncoder":
            found |= {each: draw(F, scale=0.4) for each in ("r_mag", "gate_bias", "mag_bias")}
        else:
            found["encoder.bias"] = b_enc
    if name in RANKED:
        found |= {"k": np.int32(K), "threshold": np.float32(THETA)}
    if name == "MatryoshkaBatchTopKSAE":
        found["group_sizes"] = np.array([8, 12, 20])
    if name == "JumpReluAutoEncoder":
        found["threshold"] = np.abs(draw(F))
    return found


def save(path, name, tensors=None, *, buffer=None, values=None, **trainer):
    said = TRAINER | {"dict_class": name} | ({"k": K} if name in RANKED else {}) | trainer
    return converted(
        path, "dictionary_learning", weights(name) if tensors is None else tensors,
        config={"trainer": said, "buffer": BUFFER | (buffer or {})}, values=values or {},
    )  # fmt: skip


def by_formula(name, w, x):
    """What its own loader and `encode` give."""
    if name == "JumpReluAutoEncoder":
        pre = x @ w["W_enc"] + w["b_enc"]
        f = relu(pre * (pre > w["threshold"]))
        return f, f @ w["W_dec"] + w["b_dec"]
    if name == "MatryoshkaBatchTopKSAE":
        f = relu((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
        f = f * (f > THETA)
        return f, f @ w["W_dec"] + w["b_dec"]
    encoder, decoder = w["encoder.weight"].T, w["decoder.weight"].T
    if name == "GatedAutoEncoder":
        inner = (x - w["decoder_bias"]) @ encoder
        strength = relu(np.exp(w["r_mag"]) * inner + w["mag_bias"])
        f = (inner + w["gate_bias"] > 0) * strength
        return f, f @ decoder + w["decoder_bias"]
    if name == "AutoEncoder":  # Its loader brings the decoder to unit length, the encoder with it.
        lengths = np.linalg.norm(decoder, axis=-1)
        f = relu((x - w["bias"]) @ (encoder * lengths) + w["encoder.bias"] * lengths)
        return f, f @ (decoder / lengths[:, None]) + w["bias"]
    if name == "AutoEncoderNew":
        f = relu(x @ encoder + w["encoder.bias"])
        return f, f @ decoder + w["decoder.bias"]
    f = relu((x - w["b_dec"]) @ encoder + w["encoder.bias"])
    f = f * (f > THETA) if name == "BatchTopKSAE" else f * largest(f, K)
    return f, f @ decoder + w["b_dec"]


@pytest.mark.parametrize("name", [*LINEAR, *PLAIN])
def test_each_class_follows_its_formula(tmp_path, name):
    sae = open_sae(save(tmp_path, name))
    agree(sae, tokens(), *by_formula(name, weights(name), tokens()))
    assert sae.format == "dictionary_learning"
    assert sae.not_evidence == ""
    assert sae.doubts == ()
    assert readnames.parse(sae.hook_name) == readnames.after(8)


def test_declared_figures_are_taken_over(tmp_path):
    declared = open_sae(save(tmp_path / "a", "AutoEncoderTopK")).declared
    assert (declared.l0, declared.model_name) == (K, "EleutherAI/pythia-70m-deduped")
    assert declared.n_tokens == 1000 * 2048
    assert open_sae(save(tmp_path / "b", "JumpReluAutoEncoder", target_l0=60)).declared.l0 == 60
    assert open_sae(save(tmp_path / "c", "BatchTopKSAE")).declared.trained_as == "BatchTopKSAE"
    assert open_sae(save(tmp_path / "d", "AutoEncoder")).declared.l0 is None


@pytest.mark.parametrize("name", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
@pytest.mark.parametrize("unset", [-1.0, 0.0, None])
def test_a_batch_without_a_set_threshold_is_no_evidence(tmp_path, name, unset):
    """Its own loader would let everything above zero fire."""
    tensors = weights(name) | {"threshold": np.float32(unset or 0)}
    if unset is None:
        del tensors["threshold"]
    sae = open_sae(save(tmp_path, name, tensors))
    assert sae.architecture is Architecture.BATCHTOPK
    assert "without a pinned threshold" in sae.not_evidence
    assert (sae.encode(torch.from_numpy(tokens())) > 0).sum() == K * len(tokens())


def test_k_may_stand_in_the_weights_beside_them_or_in_the_configuration(tmp_path):
    bare = {name: each for name, each in weights("AutoEncoderTopK").items() if name != "k"}
    wanted = by_formula("AutoEncoderTopK", weights("AutoEncoderTopK"), tokens())
    agree(open_sae(save(tmp_path / "a", "AutoEncoderTopK", k=None)), tokens(), *wanted)
    agree(open_sae(save(tmp_path / "b", "AutoEncoderTopK", bare)), tokens(), *wanted)
    beside = save(tmp_path / "c", "AutoEncoderTopK", bare, k=None, values={"k": K})
    agree(open_sae(beside), tokens(), *wanted)


@pytest.mark.parametrize("name", ["AutoEncoder", "AutoEncoderNew", "GatedAutoEncoder"])
def test_the_first_release_is_known_by_its_tensors_and_folders(tmp_path, name):
    at = tmp_path / "mlp_out_layer1" / "10_32768"
    sae = open_sae(converted(at, "dictionary_learning", weights(name)))
    agree(sae, tokens(), *by_formula(name, weights(name), tokens()))
    assert readnames.parse(sae.hook_name) == readnames.named(readnames.Site.MLP_RAW, 1)


@pytest.mark.parametrize("name", ["AutoEncoderTopK", "JumpReluAutoEncoder"])
def test_others_must_be_named(tmp_path, name):
    path = converted(tmp_path, "dictionary_learning", weights(name), config={"trainer": {"k": K}})
    with pytest.raises(ScanFailed, match="dict_class: expected a text"):
        open_sae(path)


def test_a_place_that_is_not_named_is_doubted(tmp_path):
    sae = open_sae(save(tmp_path / "trainer_0", "AutoEncoder", submodule_name=None))
    assert sae.hook_name == ""
    assert sae.doubts == ("the configuration names layer 8 but no place in it",)


def test_what_a_submodule_is_given_is_doubted(tmp_path):
    sae = open_sae(save(tmp_path, "AutoEncoder", buffer={"io": "in"}))
    assert sae.doubts == ("trained on what its submodule is given, not on what it puts out",)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"dict_class": "IdentityDict"}, "dict_class: expected one of AutoEncoder"),
        (
            {"dict_class": "AutoEncoderTopK", "k": 5},
            "k: expected .* and 6 as the weights say, came 5",
        ),
        ({"dict_class": "AutoEncoderTopK", "k": "6"}, "k: expected a whole number"),
        ({"dict_class": "GatedAutoEncoder"}, "no tensor 'decoder_bias' there"),
        ({"dict_class": "JumpReluAutoEncoder"}, "no tensor 'W_enc' there"),
        ({"submodule_name": "../../etc"}, "expected a read point as blocks"),
        ({"buffer": {"io": "in_to_out"}}, "io: expected 'in' or 'out', came 'in_to_out'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path, "AutoEncoderTopK", **change))


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("AutoEncoderTopK", {"encoder.weight": numbers()(D, F)}, "the other way round"),
        ("AutoEncoderTopK", {"decoder.weight": numbers()(F, D)}, "the other way round"),
        ("AutoEncoderTopK", {"W_enc": numbers()(D, F)}, "no tensor .*W_enc"),
        ("AutoEncoderTopK", {"k": np.float32(6.5)}, "k: expected a whole number from 1, came 6.5"),
        ("AutoEncoderTopK", {"k": np.array([6, 7])}, "k: expected a single number"),
        ("AutoEncoderTopK", {"k": np.int64(F + 1)}, "k: expected a whole number from 1 to 40"),
        (
            "BatchTopKSAE",
            {"threshold": np.float32("nan")},
            "threshold holds values that are not finite",
        ),
        (
            "BatchTopKSAE",
            {"threshold": np.ones(F, np.float32)},
            "threshold: expected a single number",
        ),
        ("JumpReluAutoEncoder", {"threshold": np.float32(0.5)}, "threshold: expected a shape"),
        ("GatedAutoEncoder", {"encoder.bias": numbers()(F)}, "no tensor .*encoder.bias"),
        (
            "AutoEncoder",
            {"bias": np.full(D, np.inf, np.float32)},
            "bias holds values that are not finite",
        ),
        ("AutoEncoder", {"encoder.weight": numbers()(F)}, "encoder.weight: expected a matrix"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, name, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_sae(save(tmp_path, name, weights(name) | change))


@pytest.mark.parametrize("key", [*TRAINER, "dict_class", "k", "target_l0"])
def test_whatever_a_key_holds_it_is_read_or_refused(tmp_path, key):
    for at, value in enumerate(NASTY):
        path = save(tmp_path / str(at), "AutoEncoderTopK", **{key: value})
        sae = or_refused(lambda path=path: open_sae(path))
        assert sae is None or (sae.k, sae.d_sae) == (K, F)


def test_the_layout_is_recognised_and_complete(tmp_path):
    path = save(tmp_path, "AutoEncoder")
    assert layout_of(path).NAME == "dictionary_learning"
    assert {each.name for each in dictionary_learning.files(path)} == {
        "converted.json",
        "weights.safetensors",
    }
