"""Latents are found by contrast, confirmed on other contents, and corrected for their number."""

import numpy as np
import pytest
import scipy.stats

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import discovery, stats
from assessments.scanner.contract import Family, Frame, WatchedLatent
from assessments.scanner.discovery import Candidate, DiscoveryConfig, Peaks
from assessments.scanner.prompts import Use, contents
from assessments.scanner.weights import load_model

CONFIG = DiscoveryConfig(per_family=12, n_candidates=6, per_concern=2, least_auroc=0.6)


def made(use, *, telling=3, framed=4):
    """Noise, one latent that tells cyber, and one that tells cyber only under deployment."""
    prompts = discovery.paired_prompts(use, CONFIG)
    draw = np.random.default_rng(len(use))
    values = draw.uniform(0, 1, (len(prompts), 8))
    ours = np.array([prompt.family is Family.CYBER for prompt in prompts])
    live = np.array([prompt.frame is Frame.DEPLOYMENT for prompt in prompts])
    values[ours, telling] += 3
    values[ours & live, framed] += 3
    return Peaks(prompts, values, np.full(values.shape, 5))


def test_the_telling_latent_is_weighed_and_the_framed_one_dropped(model_folder):
    loaded = load_model(model_folder)
    fit, held = made(Use.FIT), made(Use.CONFIRM)
    assert discovery.best_latents(fit, Family.CYBER, 2).tolist() == [3, 4]
    found = {
        index: discovery.weigh(
            loaded, fit, held, Candidate(Family.CYBER, index, 0.001, 0.2), CONFIG
        )
        for index in range(8)
    }
    assert [index for index, latent in found.items() if latent] == [3]
    evidence = found[3].evidence
    assert evidence["auroc_confirm"] == 1
    assert evidence["hit_rate"] == 1
    assert evidence["false_hit_rate"] <= CONFIG.false_hit_rate
    assert (evidence["n_concern"], evidence["n_other"]) == (12, 60)
    highest = held.values[~held.of(Family.CYBER), 3].reshape(-1, 2).max(axis=1)
    assert (highest > found[3].threshold).mean() == pytest.approx(
        evidence["false_hit_rate"], abs=1e-4
    )
    assert evidence["top_tokens"][0]["activation"] > 3


def test_aurocs_of_all_latents_agree_with_one_by_one():
    fit = made(Use.FIT)
    one_by_one = [discovery.aurocs_one(fit, Family.CYBER, index) for index in range(8)]
    assert discovery.aurocs(fit, Family.CYBER) == pytest.approx(one_by_one)
    ours = fit.of(Family.CYBER)
    u = scipy.stats.mannwhitneyu(fit.values[ours, 1], fit.values[~ours, 1]).statistic
    assert stats.auroc(fit.values[ours, 1], fit.values[~ours, 1]) == pytest.approx(
        u / (ours.sum() * (~ours).sum())
    )


NULL = DiscoveryConfig(per_family=8, n_candidates=6, n_labellings=399)
PROMPTS = {use: discovery.paired_prompts(use, NULL) for use in (Use.FIT, Use.CONFIRM)}


def shuffled(draw, use, *, n_latents=24):
    """Peaks without any tie to what the contents are about; half the latents are mostly silent."""
    prompts = PROMPTS[use]
    contents = draw.lognormal(0, 1, (len(prompts) // 2, n_latents))
    contents[:, ::2] *= draw.uniform(size=contents[:, ::2].shape) < 0.1
    contents = draw.permutation(contents + draw.normal(0, 1, (len(contents), 1)).clip(0))
    values = np.repeat(contents, 2, axis=0) * draw.uniform(0.9, 1.1, (len(prompts), 1))
    return Peaks(prompts, values, np.zeros(values.shape, dtype=np.int64))


def test_false_discoveries_stay_at_the_stated_level():
    """200 searches where nothing is to be found: about 5 % may find something, and no more."""
    false = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        fit, held = shuffled(draw, Use.FIT), shuffled(draw, Use.CONFIRM)
        false += bool(discovery.confirmed(fit, held, NULL))
    assert false / 200 <= 0.09


def test_a_planted_latent_is_found_and_for_its_own_concern():
    found = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        fit, held = shuffled(draw, Use.FIT), shuffled(draw, Use.CONFIRM)
        for each in (fit, held):
            each.values[each.of(Family.REFUSAL), 7] += 8
        kept = {(each.concern, each.index) for each in discovery.confirmed(fit, held, NULL)}
        found += (Family.REFUSAL, 7) in kept
    assert found >= 19


def test_what_only_the_fitting_contents_show_is_not_confirmed():
    draw = np.random.default_rng(1)
    fit, held = shuffled(draw, Use.FIT), shuffled(draw, Use.CONFIRM)
    fit.values[fit.of(Family.REFUSAL), 7] += 8
    assert discovery.best_latents(fit, Family.REFUSAL, 1).tolist() == [7]
    assert not discovery.confirmed(fit, held, NULL)


def test_a_latent_that_fires_on_a_sentence_is_told_from_one_that_fires_on_a_concern():
    """Patterns light up by chance: as contents they look telling, as patterns they do not."""
    known = discovery.patterns()
    names = sorted(set(known.values()))
    by_content, by_pattern = 0, 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        lit = {name: draw.lognormal(0, 1, 12) for name in names}
        peaks = {}
        for use, prompts in PROMPTS.items():
            rows = np.array([lit[known[prompt.content_id]] for prompt in prompts])
            noise = draw.uniform(0.9, 1.1, rows.shape)
            peaks[use] = Peaks(prompts, rows * noise, np.zeros(rows.shape, dtype=np.int64))
        found = discovery.confirmed(peaks[Use.FIT], peaks[Use.CONFIRM], NULL)
        by_content += bool(found)
        by_pattern += any(each.p_pattern <= NULL.alpha for each in found)
    assert by_content / 60 > 0.5
    assert by_pattern / 60 <= 0.12


def test_every_built_in_content_has_a_pattern():
    known = discovery.patterns()
    assert set(known) == {each.id for each in contents()}
    assert len(set(known.values())) == 27


def test_a_latent_is_watched_for_one_concern_only():
    def latent(index, concern, auroc):
        return WatchedLatent(index, concern, "", 1.0, {"auroc_confirm": auroc})

    found = discovery.chosen(
        [
            latent(1, Family.CYBER, 0.9),
            latent(1, Family.REFUSAL, 0.8),
            latent(2, Family.CYBER, 0.7),
            latent(3, Family.CYBER, 0.95),
        ],
        CONFIG,
    )
    assert [(each.index, each.concern) for each in found] == [(3, Family.CYBER), (1, Family.CYBER)]


def test_a_random_autoencoder_is_searched_without_error_and_evidence_is_complete(model_folder, sae):
    found = discovery.discover(load_model(model_folder), sae, CONFIG)
    assert len({latent.index for latent in found}) == len(found)
    for latent in found:
        assert latent.threshold > 0
        assert latent.evidence["p_max_t"] <= CONFIG.alpha
        assert 1 / 1.1 <= latent.evidence["frame_ratio"] <= 1.1
