#!/usr/bin/env bash
# Open every page of the status page in a browser, over a small world made for it, and hold what they show against what
# the lookup, the trainer and the bucket say.
#
#   scripts/check-console.sh [FOLDER]     screenshots into FOLDER, by default target/console-screenshots
#
# Makes a log, trains a tiny model, runs three days (the last held back by a gate), and starts a lookup, a trainer with a
# run under way and a status page on free ports. Debian's chromium comes from apt, its driver from PyPI, versions pinned.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements='greenlet==3.5.6
grpcio==1.85.1
grpcio-reflection==1.85.1
playwright==1.65.2
protobuf==7.36.2
typing_extensions==4.16.0
'
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

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_browser() { # sets `browser`
  if ! command -v chromium >/dev/null; then
    as_root apt-get update -q >&2
    as_root apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core >&2
  fi
  browser="$(command -v chromium)"
}

install_driver() { # sets `python`
  local hash folder
  hash="$(printf '%s%s' "$requirements" "$(python3 --version)" | sha256sum | cut -c1-16)"
  folder="${XDG_CACHE_HOME:-$HOME/.cache}/dayvec/console-python-$hash"
  if [ ! -f "$folder/done" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    printf '%s' "$requirements" >"$folder/requirements.txt"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: -r "$folder/requirements.txt" >&2
    touch "$folder/done"
  fi
  python="$folder/bin/python"
}

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

logged() { # <name> <program...>: show its log only when it fails
  local name="$1"
  shift
  "$@" >"$work/$name.log" 2>&1 || { echo "check-console.sh: $name failed" >&2; cat "$work/$name.log" >&2; exit 1; }
}

make_world() { # log → model → two announced days, and one that a gate holds back
  local day
  logged synth "$bin/dayvec" synth --out "$work/log" --users 300 --items 400 --days 60
  DAYVEC__EVENTS__SCHEMA="$(sed -n 's/^  //p' <(sed -n '/^schema:/,/^text:/p' "$work/log/dataset.yaml"))"
  export DAYVEC__EVENTS__SCHEMA
  export DAYVEC__EVENTS__URL="$work/log/events" DAYVEC__MODEL__PRESET=tiny DAYVEC__RUN__STEPS=60 DAYVEC__EVALUATION__BOOTSTRAP=50
  export DAYVEC__ITEMS__BUILD__TEXT="{path: $work/log/items.csv, columns: {item_id: item_id, text: [title], title: title, interest: interest}}"
  export DAYVEC__BUCKET="$work/bucket"
  logged train env DAYVEC__WORK_DIR="$work/trainer" "$bin/trainer" train
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
