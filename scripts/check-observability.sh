#!/usr/bin/env bash
# Check the alerts, their tests and the dashboards under deploy/, and that they agree with docs/metrics.md and
# docs/runbook.md. The checks are in scripts/observability/check.py.
#
#   scripts/check-observability.sh     one line per check; exit 1 when one fails
#
# promtool is the one on the PATH, or else that of Debian's package `prometheus`, which is downloaded without root and
# unpacked once (not installed or started) into ~/.cache/dayvec/promtool.
set -euo pipefail
cd "$(dirname "$0")/.."

fetch_promtool() { # <folder that receives it>
  local work options
  work="$(mktemp -d)"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$1"
  # Lists of its own: those of the machine may be missing, and only root may renew them.
  options=(-qq -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update \
    && (cd "$work" && apt-get "${options[@]}" download prometheus) \
    && dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool \
    && mv "$work/usr/bin/promtool" "$1/promtool" # at the end, so that a file there is a whole one
  rm -rf "$work"
}

promtool="$(command -v promtool || true)"
if [ -z "$promtool" ]; then
  folder="${XDG_CACHE_HOME:-$HOME/.cache}/dayvec/promtool"
  promtool="$folder/promtool"
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  flock 9 # another run may be fetching it: wait and find it there
  [ -x "$promtool" ] || fetch_promtool "$folder" >&2
  exec 9>&-
  [ -x "$promtool" ] \
    || { echo "check-observability.sh: cannot fetch promtool; put one on the PATH (Debian: the package prometheus)" >&2; exit 69; }
fi

python="$(scripts/python-env.sh)"
"$python" -B scripts/observability/check.py "$promtool"
