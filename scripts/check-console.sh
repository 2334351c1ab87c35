#!/usr/bin/env bash
# Open every page of the status page in a browser, over a small world made for it, and hold what they show against what
# the lookup, the trainer and the bucket say.
#
#   scripts/check-console.sh [FOLDER]     screenshots into FOLDER, by default target/console-screenshots
#
# Makes a log, trains a tiny model, runs three days (the last held back by a gate), and starts a lookup, a trainer with a
# run under way and a status page on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/browser.sh
. scripts/browser.sh
# shellcheck source=scripts/small-model.sh
. scripts/small-model.sh

screenshots="${1:-target/console-screenshots}"
work="$(mktemp -d)"
pids=()

stop() { # what this run started, and nothing else
  local pid
  for pid in "${pids[@]}"; do
    if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

free_ports() { # <n>: that many, all different
  "$python" -c 'import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

start() { # <name> <program...>: in the background, with its log kept
  local name="$1"
  shift
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids+=("$!")
}

make_world() { # log → model → two announced days, and one that a gate holds back
  local day
  make_log
  train_model
  for day in 2026-02-27 2026-02-28; do
    logged "day-$day" infer "$day"
  done
  if DAYVEC__GATES__MIN_EFFECTIVE_RANK=1000 infer 2026-03-01 >"$work/held-back.log" 2>&1; then
    echo "check-console.sh: no gate held the third day back" >&2
    exit 1
  fi
}

infer() { # <day>
  env -u DAYVEC__EVENTS__SCHEMA -u DAYVEC__EVENTS__URL -u DAYVEC__MODEL__PRESET -u DAYVEC__RUN__STEPS \
    -u DAYVEC__EVALUATION__BOOTSTRAP -u DAYVEC__ITEMS__BUILD__TEXT DAYVEC__EVENTS="$work/log/events" \
    DAYVEC__WORK_DIR="$work/inference" DAYVEC__N_BUCKETS=4 "$bin/inference" run --day "$1"
}

start_services() { # sets `lookup`, `trainer` and `page`
  local ports
  read -r -a ports < <(free_ports 7)
  lookup="127.0.0.1:${ports[0]}" trainer="127.0.0.1:${ports[2]}" page="127.0.0.1:${ports[4]}"
  start trainer-service env DAYVEC__WORK_DIR="$work/trainer-service" DAYVEC__SERVICE__LISTEN="$trainer" \
    DAYVEC__SERVICE__ADMIN_LISTEN="127.0.0.1:${ports[3]}" "$bin/trainer" serve
  start lookup env -i DAYVEC__BUCKET="$work/bucket" DAYVEC__CACHE_DIR="$work/lookup" DAYVEC__LISTEN="$lookup" \
    DAYVEC__ADMIN_LISTEN="127.0.0.1:${ports[1]}" "$bin/lookup"
  start console env -i DAYVEC__BUCKET="$work/bucket" DAYVEC__LISTEN="$page" DAYVEC__ADMIN_LISTEN="127.0.0.1:${ports[5]}" \
    DAYVEC__TRAINER="http://$trainer" \
    DAYVEC__LOOKUPS="[{name: lookup-0, grpc: 'http://$lookup', metrics: 'http://127.0.0.1:${ports[1]}/metrics'}, {name: lookup-1, grpc: 'http://127.0.0.1:${ports[6]}'}]" \
    "$bin/console"
}

install_browser
install_driver
eval "$(scripts/libtorch.sh env)"
cargo build --quiet --workspace --bins
bin="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug"
make_world
start_services
mkdir -p "$screenshots"
"$python" scripts/console/check.py "$browser" "$work/bucket" "$lookup" "$trainer" "$page" "$screenshots" || {
  tail -n 5 "$work"/{lookup,console,trainer-service}.log >&2
  exit 1
}
