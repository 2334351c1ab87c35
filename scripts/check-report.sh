#!/usr/bin/env bash
# Make the report of a small experiment, open it in a browser at the width of a desktop and of a phone, and hold what it
# shows against the records that it was made from.
#
#   scripts/check-report.sh [FOLDER]     screenshots, report and pictures into FOLDER, by default target/report-screenshots
#
# Makes a log in which titles of items try to break out of the page, trains a tiny model, and asks for its report twice:
# before freshness and ablations were measured, and after.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/browser.sh
. scripts/browser.sh
# shellcheck source=scripts/small-model.sh
. scripts/small-model.sh

screenshots="${1:-target/report-screenshots}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

make_experiment() { # sets `model`
  make_log
  "$python" scripts/report/hostile.py "$work/log/items.csv"
  train_model
  model="$(basename "$(tail -n 1 "$work/train.log")")"
  cat >"$work/matrix.yaml" <<MATRIX
name: objectives
title: Objectives <b>of a check</b>
source: Two short trainings.
seeds: [1]
settings: {run: {steps: 20}}
rows:
  - {name: next action, settings: {objective: {name: next_action}}, paper: {recall: 0.186, coverage: 0.05}}
  - {name: dense all action, paper: {recall: 0.229, coverage: 0.042}}
MATRIX
}

trainer() { # <name of the log> <arguments...>
  local name="$1"
  shift
  logged "$name" env DAYVEC__WORK_DIR="$work/trainer" "$bin/trainer" "$@"
}

install_browser
install_driver
eval "$(scripts/libtorch.sh env)"
cargo build --quiet --workspace --bins
bin="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug"
make_experiment
mkdir -p "$screenshots"
trainer report-before report --checkpoint "$model" --out "$work/before.html"
trainer freshness freshness --checkpoint "$model"
trainer ablate ablate --matrix "$work/matrix.yaml"
trainer report-after report --checkpoint "$model" --out "$screenshots/report.html" --pictures "$screenshots/pictures"
"$python" scripts/report/check.py "$browser" "$work" "$model" "$work/before.html" "$screenshots"
