#!/usr/bin/env bash
# Write the locks again: the newest versions that pyproject.toml and the .in files allow, with digests.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -x .venv/bin/uv ]] || .venv/bin/python -m pip --quiet install uv
compile=(.venv/bin/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes)
"${compile[@]}" --extra documents pyproject.toml -o requirements/web.txt
"${compile[@]}" -c requirements/web.txt requirements/scanner.in -o requirements/scanner.txt
"${compile[@]}" -c requirements/web.txt -c requirements/scanner.txt requirements/dev.in requirements/demo.in -o requirements/dev.txt
# The peers without what they ask for: peers.in names it, and what is shared stays at our digests.
"${compile[@]}" --no-deps -c requirements/web.txt -c requirements/scanner.txt -c requirements/dev.txt requirements/peers.in -o requirements/peers.txt
