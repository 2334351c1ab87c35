#!/usr/bin/env bash
# Reads a synthetic log into sequences with dayvec's reader and groups the same files with DuckDB, in one run;
# prints events/s, peak memory and their ratio.
#
#   scripts/bench-sequences.sh [N_EVENTS=50000000] [text|integer]   item ids; user ids are integers
#
# Both drop repeated events and keep the newest 256 actions of each user. DuckDB (from PyPI) runs max_by with 256
# values over distinct events: of five ways to write it in DuckDB 2.0.0 the fastest. The log is kept under target/.
set -euo pipefail
cd "$(dirname "$0")/.."

n_events="${1:-50000000}"
items="${2:-text}"
case "$n_events/$items" in
  [1-9]*/text|[1-9]*/integer) ;;
  *) echo "usage: scripts/bench-sequences.sh [N_EVENTS] [text|integer]" >&2; exit 64 ;;
esac
bench=target/bench-sequences
log="$bench/$n_events-$items"
eval "$(scripts/libtorch.sh env)"
cargo build --quiet -p dayvec-e2e -p dayvec-sequences --example bench_sequences
program="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/examples/bench_sequences"

if [ ! -f "$log/complete" ]; then
  rm -rf "$log"
  "$program" write "$log" "$n_events" "$items"
  touch "$log/complete"
fi
if [ ! -x "$bench/venv/bin/python" ]; then
  python3 -m venv "$bench/venv"
  "$bench/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.0
fi

ours="$("$program" read "$log")"
duckdb="$("$bench/venv/bin/python" - "$log" <<'PY'
import json, resource, sys, time
import duckdb
start = time.perf_counter()
connection = duckdb.connect()
connection.execute("SET preserve_insertion_order = false")
connection.execute(f"""
  CREATE TABLE sequences AS
  SELECT user_id, max_by({{'item_id': item_id, 'action': action, 'timestamp': timestamp}}, timestamp, 256) AS actions
  FROM (SELECT DISTINCT user_id, item_id, action, timestamp FROM read_parquet('{sys.argv[1]}/*.parquet'))
  GROUP BY user_id""")
seconds = time.perf_counter() - start
users, actions = connection.execute("SELECT count(*), sum(len(actions)) FROM sequences").fetchone()
peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "peak_gib": peak_gib, "users": users, "actions": int(actions)}))
PY
)"
python3 - "$n_events" "$ours" "$duckdb" <<'PY'
import json, os, sys
n_events, ours, duckdb = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
for name, figures in (("dayvec", ours), ("DuckDB", duckdb)):
    print(f"{name}: {n_events / figures['seconds'] / 1e6:.2f} M events/s ({figures['seconds']:.1f} s), peak {figures['peak_gib']:.2f} GiB,"
          f" {figures['users']} users, {figures['actions']} actions")
print(f"ratio of speeds: {duckdb['seconds'] / ours['seconds']:.2f} ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
if (ours["users"], ours["actions"]) != (duckdb["users"], duckdb["actions"]):
    sys.exit("the two do not agree on what there is")
PY
