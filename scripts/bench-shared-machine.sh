#!/usr/bin/env bash
# Training beside other processes: tokens/s alone, beside one process that burns a core, and beside two, with a thread for
# every core (run.threads: N) and with the cores that are free (run.threads: 0).
#
#   scripts/bench-shared-machine.sh [STEPS]     300 by default: half a minute a run, six runs
#
# The last table is Markdown; ratios are against the run of the same setting alone. For a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
steps="${1:-300}"

eval "$(scripts/libtorch.sh env)"
cargo build --quiet --package dayvec-trainer --package dayvec-cli
target="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
work="$(mktemp -d)"
burners=()
stop_burners() { for pid in "${burners[@]}"; do kill "$pid" 2>/dev/null || true; done; burners=(); }
trap 'stop_burners; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

"$target/debug/dayvec" synth --users 3000 --items 2000 --days 90 --out "$work/log" >/dev/null
cat >"$work/trainer.yaml" <<YAML
events:
  url: $work/log/events
  schema: {actions: [view, click, save, purchase, hide], positives: [{action: save}, {action: purchase}]}
run: {steps: $steps}
parts: {candidates: []}
evaluation: {bootstrap: 1, ease_items: 1}
YAML

tokens_per_s() { # <threads> <burners>
  local run="$work/$1-$2"
  for _ in $(seq "$2"); do
    (while :; do :; done) &
    burners+=($!)
  done
  DAYVEC__BUCKET="$run/bucket" DAYVEC__WORK_DIR="$run/work" DAYVEC__RUN__THREADS="$1" RUST_LOG=warn \
    "$target/debug/trainer" train --config "$work/trainer.yaml" >"$run.log" 2>&1 || { cat "$run.log" >&2; exit 1; }
  stop_burners
  sed -n 's/.*"tokens_per_s": \([0-9.]*\).*/\1/p' "$run"/bucket/checkpoints/*/metrics.json | head -1
}

cores="$(nproc)"
printf '| run.threads | alone | beside 1 | beside 2 |\n|---|---|---|---|\n'
for threads in "$cores" 0; do
  row="| $threads |" alone=
  for beside in 0 1 2; do
    speed="$(tokens_per_s "$threads" "$beside")"
    alone="${alone:-$speed}"
    row+="$(awk -v s="$speed" -v a="$alone" 'BEGIN { printf " %.1f k tokens/s (%.2f) |", s / 1000, s / a }')"
  done
  printf '%s\n' "$row"
done
