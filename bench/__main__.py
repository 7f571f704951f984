"""Run the named benchmarks, or all: print each table and write bench/results/<name>.md."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from bench import frame
from compliance.clock import now

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in {"__init__", "__main__", "frame"}
)


def main(asked: list[str]) -> int:
    """Run them one after the other; nothing else should be busy meanwhile."""
    unknown = set(asked) - set(NAMES)
    if unknown:
        print(f"No benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}.")
        return 2
    frame.RESULTS.mkdir(exist_ok=True)
    for name in asked or NAMES:
        _one(name)
    return 0


def _one(name: str) -> None:
    module = importlib.import_module(f"bench.{name}")
    began = time.monotonic()
    rows = module.run()
    remarks = getattr(module, "remarks", str)()
    table = frame.table(rows) + (f"\n\n{remarks}" if remarks else "")
    print(f"\n{module.TITLE} ({time.monotonic() - began:.0f} s)\n\n{table}", flush=True)
    text = (
        f"# {module.TITLE}\n\n{module.ABOUT.strip()}\n\n{table}\n\n"
        f"Measured {now():%Y-%m-%d %H:%M} UTC on {frame.device()}.\n"
    )
    (frame.RESULTS / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
