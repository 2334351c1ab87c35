#!/usr/bin/env bash
# A made-up log and a tiny model of it, for checks of what programs show; to be sourced. `work` is a folder of the caller's,
# `bin` the folder of the programs.
#
#   logged NAME PROGRAM...    run a program, and show its log only when it fails
#   make_log                  makes $work/log and exports the trainer's settings
#   train_model               trains, into $work/bucket
#
# shellcheck disable=SC2154 # both are set by the script that sources this one

logged() {
  local name="$1"
  shift
  "$@" >"$work/$name.log" 2>&1 || { echo "${0##*/}: $name failed" >&2; cat "$work/$name.log" >&2; exit 1; }
}

make_log() {
  logged synth "$bin/dayvec" synth --out "$work/log" --users 300 --items 400 --days 60
  DAYVEC__EVENTS__SCHEMA="$(sed -n 's/^  //p' <(sed -n '/^schema:/,/^text:/p' "$work/log/dataset.yaml"))"
  export DAYVEC__EVENTS__SCHEMA
  export DAYVEC__EVENTS__URL="$work/log/events" DAYVEC__MODEL__PRESET=tiny DAYVEC__RUN__STEPS=60 DAYVEC__EVALUATION__BOOTSTRAP=50
  export DAYVEC__ITEMS__BUILD__TEXT="{path: $work/log/items.csv, columns: {item_id: item_id, text: [title], title: title, interest: interest}}"
  export DAYVEC__BUCKET="$work/bucket"
}

train_model() { logged train env DAYVEC__WORK_DIR="$work/trainer" "$bin/trainer" train; }
