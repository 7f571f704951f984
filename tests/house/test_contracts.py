import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(*arguments, cwd=ROOT):
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-logo", "--no-cache", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_contract_is_kept():
    answer = lint_imports()
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-2000:]


@pytest.mark.parametrize(
    ("place", "sin", "contract"),
    [
        (
            "compliance/services/subject.py",
            "import assessments.models",
            "The house stands in storeys",
        ),
        ("incidents/services/alert.py", "def f():\n    import torch", "open the door to torch"),
        ("compliance/utils.py", "", "Compliance, room by room"),
        ("assessments/scanner/sae.py", "from django.conf import settings", "never heard of Django"),
        (
            "compliance/services/report.py",
            "import compliance.audit.models",
            "written by the audit log alone",
        ),
        ("compliance/audit/verify.py", "import compliance.clock", "with nothing installed"),
        ("compliance/tasks.py", "import weasyprint", "makes PDFs"),
        ("compliance/views/tables.py", "import compliance.models", "never touches a table"),
    ],
)
def test_a_sin_is_caught_by_name(tmp_path, place, sin, contract):
    for room in ("assessments", "compliance", "config", "incidents"):
        for source in (ROOT / room).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    sinner = tmp_path / place
    before = sinner.read_text() if sinner.exists() else '"""New."""\n'
    sinner.write_text(f"{before}\n{sin}\n")
    answer = lint_imports(cwd=tmp_path)
    broken = [line for line in answer.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), answer.stdout[-3000:]
