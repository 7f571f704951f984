"""Latents are found by contrast, confirmed on other contents, and corrected for their number."""

import numpy as np
import pytest
import scipy.stats

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import discovery, stats
from assessments.scanner.contract import Family, Frame, WatchedLatent
from assessments.scanner.discovery import DiscoveryConfig, Peaks
from assessments.scanner.prompts import Use
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
        index: discovery.weigh(loaded, fit, held, Family.CYBER, index, 0.001, CONFIG)
        for index in range(8)
    }
    assert [index for index, latent in found.items() if latent] == [3]
    evidence = found[3].evidence
    assert evidence["auroc_confirm"] == 1
    assert evidence["hit_rate"] == 1
    assert evidence["false_hit_rate"] <= CONFIG.false_hit_rate
    assert evidence["n_concern"] == 24
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


def test_holm_by_hand():
    assert discovery.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


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
        assert latent.evidence["p_holm"] <= CONFIG.alpha
        assert 1 / 1.1 <= latent.evidence["frame_ratio"] <= 1.1
