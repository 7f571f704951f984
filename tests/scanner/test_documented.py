"""docs/scanner.md says of every field what it means, and its example runs."""

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import jobs
from assessments.scanner.__main__ import main, parser
from assessments.scanner.contract import ScanJob, ScanResult
from assessments.scanner.selfcheck import VARIANTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scanner.md").read_text(encoding="utf-8")


def parts(kind):
    """A dataclass and all dataclasses in it."""
    yield kind
    for hint in get_type_hints(kind).values():
        for each in [hint, *get_args(hint)]:
            if dataclasses.is_dataclass(each):
                yield from parts(each)


def section(title):
    return PAGE.split(f"\n### {title}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]


def block(kind):
    return re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1]


KINDS = list(dict.fromkeys([*parts(ScanJob), *parts(ScanResult)]))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_documented_and_none_besides(kind):
    rows = re.findall(r"^\| `(\w+)` \|", section(kind.__name__), re.MULTILINE)
    assert rows == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize("field", dataclasses.fields(ScanJob), ids=lambda field: field.name)
def test_what_holds_if_a_field_of_the_job_is_left_out_is_told_right(field):
    row = next(r for r in section("ScanJob").splitlines() if r.startswith(f"| `{field.name}` |"))
    said = row.rstrip(" |").rpartition("| ")[2].strip("`")
    if field.default is dataclasses.MISSING:
        assert said == "required"
    else:
        assert said == {None: "null", "": '""'}.get(field.default, str(field.default))


def test_every_variant_is_named():
    assert all(f"`{name}`" in section("CandidateScore") for name in VARIANTS)


def test_the_schemas_are_named():
    assert f'"{jobs.JOB}"' in PAGE
    assert f'"{jobs.RESULT}"' in PAGE


def test_the_example_runs(tmp_path, model_folder, sae_folder):
    example = json.loads(block("json"))
    example |= {"model_path": str(model_folder), "sae_path": str(sae_folder)}
    (tmp_path / "job.json").write_text(json.dumps(example))
    out = tmp_path / "result.json"
    assert main(["scan", "--job", str(tmp_path / "job.json"), "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result.pop("schema") == jobs.RESULT
    found = ScanResult.from_json(result)
    assert found.run.n_pairs == 1
    assert found.self_check.n_tokens > 100
    assert [each.hit.latent for each in found.findings] == [9, 9]


def test_the_commands_are_asked_rightly():
    lines = block("sh").strip().splitlines()
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line)
        assert words[:3] == ["python", "-m", "assessments.scanner"]
        parser().parse_args(words[3:])
