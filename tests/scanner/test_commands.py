"""The command line: files in, files out, one clear line where something is refused."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file

from assessments.scanner import encoding, jobs
from assessments.scanner.__main__ import main
from assessments.scanner.contract import CheckStatus, ScanFailed, ScanResult, SelfCheck
from assessments.scanner.digests import file_sha256
from assessments.scanner.formats import open_sae, sae_sha256
from assessments.scanner.run import run
from assessments.scanner.sae import Architecture
from tests.scanner.conftest import LATENTS, WIDTH
from tests.scanner.test_run import WATCHLIST, but_for_time

ROOT = Path(__file__).resolve().parents[2]
X = torch.randn(23, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def acts(tmp_path):
    save_file({"x": X}, tmp_path / "acts.safetensors")
    return tmp_path / "acts.safetensors"


@pytest.fixture(scope="session")
def watchlist(tmp_path_factory):
    path = tmp_path_factory.mktemp("watchlist") / "watchlist.json"
    path.write_text(json.dumps({"latents": [each.to_json() for each in WATCHLIST]}))
    return path


def ask(*words):
    return main([str(each) for each in words])


def test_a_file_of_activations_is_encoded(tmp_path, sae_folder, acts, capsys):
    out = tmp_path / "f.safetensors"
    assert ask("encode", "--sae", sae_folder, "--acts", acts, "--out", out) == 0
    found = load_file(out)
    assert list(found) == ["f"]
    assert found["f"].dtype == torch.float32
    assert torch.allclose(found["f"], open_sae(sae_folder).encode(X), rtol=1e-5, atol=1e-6)
    assert "23 rows of 64 latents" in capsys.readouterr().out


def test_chosen_latents_come_in_the_order_asked(tmp_path, sae_folder, acts):
    out = tmp_path / "f.safetensors"
    words = ("--acts", acts, "--out", out, "--latents", "9,1,5,9", "--format", "saelens")
    assert ask("encode", "--sae", sae_folder, *words) == 0
    whole = open_sae(sae_folder).encode(X)
    assert torch.allclose(load_file(out)["f"], whole[:, [9, 1, 5, 9]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_fractions_are_encoded_as_float32(tmp_path, sae_folder, dtype):
    save_file({"x": X.to(dtype), "other": torch.zeros(2)}, tmp_path / "x.safetensors")
    encoding.encode_file(
        open_sae(sae_folder), tmp_path / "x.safetensors", tmp_path / "f.safetensors"
    )
    expected = open_sae(sae_folder).encode(X.to(dtype))
    assert torch.allclose(
        load_file(tmp_path / "f.safetensors")["f"], expected, rtol=1e-5, atol=1e-6
    )


def test_no_more_rows_are_held_than_fit(tmp_path, sae_folder, acts, monkeypatch):
    monkeypatch.setattr(encoding, "HELD", 5 * LATENTS)
    sae = open_sae(sae_folder)
    assert encoding.rows_at_once(sae, len(X)) == 5
    encoding.encode_file(sae, acts, tmp_path / "f.safetensors")
    assert torch.allclose(load_file(tmp_path / "f.safetensors")["f"], sae.encode(X), atol=1e-6)


def test_rows_that_compete_are_encoded_together_or_not_at_all(tmp_path, sae, acts, monkeypatch):
    competing = dataclasses.replace(sae, architecture=Architecture.BATCHTOPK, threshold=None, k=3)
    encoding.encode_file(competing, acts, tmp_path / "f.safetensors")
    assert torch.equal(load_file(tmp_path / "f.safetensors")["f"], competing.encode(X))
    monkeypatch.setattr(encoding, "HELD", 5 * LATENTS)
    with pytest.raises(ScanFailed, match=r"23 rows of 64 latents are too many.*at most 5"):
        encoding.encode_file(competing, acts, tmp_path / "f.safetensors")


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"y": X}, "expected a tensor 'x' of fractions"),
        ({"x": X[0].contiguous()}, "expected a tensor 'x' of fractions"),
        ({"x": torch.zeros(2, WIDTH, dtype=torch.int64)}, "expected a tensor 'x' of fractions"),
        ({"x": X[:, :7].contiguous()}, "reads a width of 32, 'x' is (23, 7)"),
        ({"x": X * torch.inf}, "x holds values that are not finite"),
    ],
)
def test_what_cannot_be_encoded_is_refused_in_one_line(
    tmp_path, sae_folder, capsys, tensors, complaint
):
    save_file(tensors, tmp_path / "x.safetensors")
    out = tmp_path / "f.safetensors"
    assert (
        ask("encode", "--sae", sae_folder, "--acts", tmp_path / "x.safetensors", "--out", out) == 1
    )
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_latents_that_are_not_there_are_refused(tmp_path, sae_folder, acts, capsys):
    words = ("--acts", acts, "--out", tmp_path / "f.safetensors", "--latents")
    assert ask("encode", "--sae", sae_folder, *words, "1,64") == 1
    assert "has 64 latents; asked for [64]" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        ask("encode", "--sae", sae_folder, *words, "one")


def test_what_the_files_say_is_printed_as_json(sae_folder, capsys):
    assert ask("inspect", "--sae", sae_folder) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "strata.sae/1"
    assert (found["format"], found["architecture"]) == ("saelens", "jumprelu")
    assert (found["d_in"], found["d_sae"], found["d_out"]) == (WIDTH, LATENTS, WIDTH)
    assert found["reads"] == found["rebuilds"] == {
        "name": "blocks.1.hook_resid_post", "site": "resid_post", "block": 1, "problem": "",
    }  # fmt: skip
    weights = found["tensors"]["sae_weights.safetensors"]
    assert weights["W_enc"] == {"dtype": "BF16", "shape": [WIDTH, LATENTS]}
    assert weights["threshold"] == {"dtype": "F32", "shape": [LATENTS]}
    assert found["sae_sha256"] == sae_sha256(sae_folder)
    assert found["files"]["cfg.json"] == file_sha256(sae_folder / "cfg.json")
    assert (found["k"], found["norm"], found["input_scale"]) == (0, "none", 1.0)
    assert {"l0", "fvu"} <= set(found["declared"])
    assert (found["not_evidence"], isinstance(found["doubts"], list)) == ("", True)


def test_what_is_no_autoencoder_is_refused_in_one_line(tmp_path, capsys):
    assert ask("inspect", "--sae", tmp_path) == 1
    said = capsys.readouterr()
    assert "no known layout of a sparse autoencoder" in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert ask("inspect", "--sae", tmp_path, "--format", "keras") == 1
    assert "no layout is called 'keras'" in capsys.readouterr().err


def test_whether_it_was_read_right_is_printed_with_other_ways(model_folder, sae_folder, capsys):
    assert ask("check", model_folder, sae_folder, "--tokens", "300", "--base-fvu", "0.001") == 0
    found = SelfCheck.from_json(json.loads(capsys.readouterr().out))
    assert (found.status, found.transfers) == (CheckStatus.DISAGREES, False)
    assert {each.variant for each in found.candidates} > {"as_declared", "with_layer_norm"}


@pytest.fixture
def written(tmp_path, model_folder, sae_folder, watchlist):
    """A job as the command writes it."""
    path = tmp_path / "job.json"
    words = ("--watchlist", watchlist, "--per-family", "1", "--frames", "6", "--seed", "3")
    assert ask("job", model_folder, sae_folder, "--out", path, *words) == 0
    return path


def test_a_written_job_holds_everything_and_is_scanned(tmp_path, written, sae_folder, capsys):
    raw = json.loads(written.read_text())
    assert raw["schema"] == "strata.scan-job/1"
    assert raw["sae_sha256"] == sae_sha256(sae_folder)
    assert (len(raw["prompts"]), raw["seed"]) == (72, 3)
    raw["coverage_tokens"] = 200
    written.write_text(json.dumps(raw))
    assert ask("scan", "--job", written, "--out", tmp_path / "result.json") == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result.pop("schema") == "strata.scan-result/1"
    found = ScanResult.from_json(result)
    assert found.self_check is not None
    assert but_for_time(found) == but_for_time(run(jobs.read(written)))
    said = capsys.readouterr()
    assert "thresholds" in said.out
    assert said.err == ""


def test_a_scan_without_a_job_is_the_scan_of_the_job_that_is_written(
    tmp_path, written, model_folder, sae_folder, watchlist
):
    words = ("--watchlist", watchlist, "--per-family", "1", "--frames", "6", "--seed", "3")
    assert ask("scan", model_folder, sae_folder, *words, "--out", tmp_path / "one.json") == 0
    assert ask("scan", "--job", written, "--out", tmp_path / "other.json") == 0
    one, other = (
        ScanResult.from_json(
            {k: v for k, v in json.loads((tmp_path / name).read_text()).items() if k != "schema"}
        )
        for name in ("one.json", "other.json")
    )
    assert but_for_time(one) == but_for_time(other)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "strata.scan-job/2"}, "expected schema 'strata.scan-job/1', came"),
        ({"sneed": 1}, "unknown fields ['sneed']"),
        ({"seed": "1"}, "ScanJob.seed: expected int, came str"),
        ({"model_sha256": "0"}, "expected model sha256 0"),
        ({"model_path": "/nowhere"}, "/nowhere"),
        ({"prompts": []}, "nothing to scan"),
    ],
)
def test_a_job_that_does_not_hold_is_refused_in_one_line(written, capsys, change, complaint):
    written.write_text(json.dumps(json.loads(written.read_text()) | change))
    capsys.readouterr()
    assert ask("scan", "--job", written) == 1
    said = capsys.readouterr()
    assert complaint in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"schema": 1}'])
def test_what_is_no_job_is_refused(tmp_path, capsys, text):
    (tmp_path / "job.json").write_text(text)
    assert ask("scan", "--job", tmp_path / "job.json") == 1
    assert "expected" in capsys.readouterr().err
    assert ask("scan", "--job", tmp_path / "none.json") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["scan"],
        ["scan", "model"],
        ["scan", "model", "sae", "--job", "job.json"],
        ["scan", "--job", "job.json", "--device", "cuda"],
        ["dance"],
        [],
    ],
)
def test_who_asks_wrongly_is_told_how(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        ask(*words)
    assert "usage: python -m assessments.scanner" in capsys.readouterr().err


def test_the_exit_status_says_it_and_no_traceback_is_shown(tmp_path):
    command = [sys.executable, "-m", "assessments.scanner", "inspect", "--sae", str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "no known layout" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_pickled_file_is_converted_and_refused_from_the_command_line(tmp_path, capsys):
    assert ask("convert", tmp_path / "none.pt", tmp_path / "out") == 1
    assert "expected a file, there is none" in capsys.readouterr().err
    torch.save({"W": torch.ones(2)}, tmp_path / "ae.pt")
    words = ("--layout", "goodfire", "--without-network-isolation")
    assert ask("convert", tmp_path / "ae.pt", tmp_path / "out", *words) == 0
    assert load_file(tmp_path / "out" / "weights.safetensors")["W"].tolist() == [1, 1]
