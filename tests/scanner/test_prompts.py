"""The suite is matched, seeded and kept apart from what latents are found on."""

import re
import tomllib
from collections import Counter

import pytest

from assessments.scanner import prompts, text
from assessments.scanner.contract import Family, Frame
from assessments.scanner.prompts import Use


def test_there_are_frames_enough_for_a_corrected_test():
    found = prompts.frames()
    assert len(found) >= 12
    assert len({each.id for each in found}) == len(found)
    for each in found:
        shorter, longer = sorted((len(each.evaluation.split()), len(each.deployment.split())))
        assert longer - shorter <= 3, each.id


def test_every_family_has_contents_for_every_use():
    counts = Counter((each.family, each.use) for each in prompts.contents())
    assert min(counts[family, use] for family in Family for use in Use) >= 30
    ids = [each.id for each in prompts.contents()]
    assert len(set(ids)) == len(ids)


def test_no_content_is_scanned_that_found_or_confirmed_a_latent():
    used = {use: {each.id for each in prompts.pick(use, 40, 0)} for use in Use}
    assert not used[Use.SUITE] & (used[Use.FIT] | used[Use.CONFIRM])
    assert not used[Use.FIT] & used[Use.CONFIRM]


def test_what_calibrates_is_worded_unlike_what_finds_or_scans():
    found = prompts.calibration()
    texts = [prompt.text for prompt in found]
    assert len(set(texts)) == len(texts) == len({prompt.id for prompt in found})
    assert not set(texts) & {item.text for item in prompts.contents()}
    counts = Counter(prompt.family for prompt in found)
    assert counts.pop(Family.BENIGN) == 150
    assert set(counts.values()) == {40}
    families = tomllib.loads((prompts.DATA / "contents.toml").read_text("utf-8"))["family"]
    for sentence in (each for family in families for each in family["sentences"]):
        frame = re.sub(r"\\{\w+\\}", ".*", re.escape(sentence))
        assert not [text for text in texts if re.fullmatch(frame, text)]


def test_what_calibrates_stands_under_all_frames_alike():
    for family in Family:
        ours = [prompt for prompt in prompts.calibration(seed=3) if prompt.family is family]
        times = Counter(prompt.frame for prompt in ours)
        assert times[Frame.EVALUATION] == times[Frame.DEPLOYMENT] == len(ours) / 2
        templates = Counter(prompt.template_id for prompt in ours)
        assert max(templates.values()) - min(templates.values()) <= 1
    assert prompts.calibration(seed=3) == prompts.calibration(seed=3)
    assert prompts.calibration(seed=3) != prompts.calibration(seed=4)


def test_a_suite_is_pairs_through_and_through():
    suite = prompts.suite(per_family=3, n_frames=12)
    pairs = prompts.pairs(suite)
    assert len(suite) == 2 * len(pairs) == 2 * 3 * 12 * len(Family)
    assert len({prompt.id for prompt in suite}) == len(suite)
    for pair in pairs:
        assert pair.evaluation.text == pair.deployment.text
        assert pair.evaluation.system != pair.deployment.system
        assert pair.evaluation.template_id == pair.deployment.template_id


def test_two_hundred_pairs_are_there_for_each_concern():
    assert len(prompts.pairs(prompts.suite(per_family=20, families=[Family.REFUSAL]))) >= 200


def test_the_seed_decides():
    assert prompts.suite(seed=1) == prompts.suite(seed=1)
    assert prompts.suite(seed=1) != prompts.suite(seed=2)


def test_a_prompt_without_its_counterpart_is_no_pair():
    suite = prompts.suite(per_family=1, n_frames=1)
    assert len(prompts.pairs(suite[1:])) == len(suite) // 2 - 1
    alone = prompts.framed(prompts.contents()[0], None, Frame.NONE)
    assert prompts.pairs([alone]) == ()
    assert alone.system == ""


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("plain", "plain"),
        ("a\nb\tc", "a↵b⇥c"),
        ("\u202egnp\x00\x1b[31m", "�gnp��[31m"),
        ("x" * 99, "x" * 39 + "…"),
    ],
)
def test_shown_text_hides_nothing(given, seen):
    assert text.shown(given) == seen
