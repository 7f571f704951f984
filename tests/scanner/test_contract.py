"""The words both sides speak can be written down and read back, without torch."""

import subprocess
import sys
from dataclasses import replace

import pytest

from assessments.scanner.contract import (
    Family,
    Frame,
    Prompt,
    ScanJob,
    Trust,
    WatchedLatent,
    plain_sha256,
)
from assessments.scanner.plain import NotPlain

PROMPT = Prompt("a", Family.CYBER, "text", Frame.EVALUATION, "t", "c", "system")
LATENT = WatchedLatent(3, Family.CYBER, "why", 1.5, {"auroc": 0.9, "tokens": ["a"]})
JOB = ScanJob("m", "1", "s", "2", "blocks.1.hook_resid_post", (LATENT,), (PROMPT,), "3", alpha=0.01)


def test_a_job_survives_being_written():
    assert ScanJob.from_json(JOB.to_json()) == JOB


def test_the_record_holds_no_floats():
    def floats(value):
        if isinstance(value, dict):
            return any(map(floats, value.values()))
        if isinstance(value, list):
            return any(map(floats, value))
        return isinstance(value, float)

    assert floats(JOB.to_json())
    assert not floats(JOB.to_record())
    assert JOB.to_record()["watchlist"][0]["threshold"] == "1.5"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seed": "1"}, "expected int, came str"),
        ({"colour": 1}, "unknown fields"),
        ({"prompts": [{}]}, "missing 3 required"),
        ({"prompts": [PROMPT.to_json() | {"family": "x"}]}, "expected one of"),
        ({"alpha": None}, "expected float"),
    ],
)
def test_what_does_not_fit_is_named(change, complaint):
    with pytest.raises(NotPlain, match=complaint):
        ScanJob.from_json(JOB.to_json() | change)


def test_a_suite_is_pinned_by_every_word_of_it():
    other = Prompt("a", Family.CYBER, "texts", Frame.EVALUATION, "t", "c", "system")
    assert plain_sha256((PROMPT,)) == plain_sha256((PROMPT,))
    assert plain_sha256((PROMPT,)) != plain_sha256((other,))


def test_the_web_may_read_these_pages_without_torch():
    program = (
        "import sys\n"
        "from assessments.scanner import contract, digests, header, plain, prompts, text\n"
        "heavy = {'torch', 'numpy', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_field_that_came_later_is_not_written_until_it_says_something():
    assert "trust" not in LATENT.to_json()
    assert "trust" not in JOB.to_json()["watchlist"][0]
    known = replace(LATENT, trust=Trust.HUMAN)
    assert known.to_json()["trust"] == "human"
    assert WatchedLatent.from_json(known.to_json()) == known
    assert plain_sha256((known,)) != plain_sha256((LATENT,))
