import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = {"torch", "transformers", "safetensors", "gguf"}
PRESSES = {"weasyprint", "vl_convert", "altair"}

WEB = """
import config.wsgi
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

def callbacks(patterns):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from callbacks(pattern.url_patterns)
        else:
            yield pattern.callback

found = list(callbacks(get_resolver().url_patterns))
"""
DEFAULT_WORKER = """
import config.wsgi
from config.celery import app
app.loader.import_default_modules()
found = [name for name in app.tasks if not name.startswith("celery.")]
"""
KEEPER = """
import config.wsgi
from compliance.management.commands import keeper
found = [keeper.Command]
"""
REPORT = """
import json, sys
print(json.dumps({"n": len(found), "names": [str(f) for f in found], "modules": sorted({m.partition(".")[0] for m in sys.modules})}))
"""


def loaded(program, tmp_path):
    env = {**os.environ, "STRATA_VAR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", program + REPORT],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_resolving_every_address_loads_neither_torch_nor_a_press(tmp_path):
    web = loaded(WEB, tmp_path)
    assert web["n"] > 100
    assert set(web["modules"]) & (TORCH | PRESSES) == set()


def test_the_default_worker_knows_no_scan_and_loads_no_torch(tmp_path):
    worker = loaded(DEFAULT_WORKER, tmp_path)
    assert {"compliance.send_notice", "incidents.judge_batch"} <= set(worker["names"])
    assert "assessments.run_scan" not in worker["names"]
    assert set(worker["modules"]) & TORCH == set()


def test_the_keeper_loads_neither(tmp_path):
    assert set(loaded(KEEPER, tmp_path)["modules"]) & (TORCH | PRESSES) == set()


def test_the_scan_worker_registers_the_scan(tmp_path):
    door = (
        DEFAULT_WORKER
        + '\nimport assessments.worker\nfound = [n for n in app.tasks if n == "assessments.run_scan"]'
    )
    assert loaded(door, tmp_path)["n"] == 1
