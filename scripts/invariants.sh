#!/usr/bin/env bash
# The architecture invariants that a command can prove (ARCHITECTURE.md lists them all). Each is mostly about what is
# absent, so each first shows that the same search does find the thing where it is present.
#
#   scripts/invariants.sh     one line an invariant; exit 1 when one is broken
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
holds() { echo "holds   $1"; }
broken() { echo "BROKEN  $1" >&2; failed=1; }

links() { [ -n "$(cargo tree --quiet --edges normal,build -p "$1" -i "$2" 2>/dev/null)" ]; } # <package> <dependency>

absent() { # <package> <dependency> <package that has it>
  local says="$1 does not link $2 ($3 does)"
  if ! links "$3" "$2"; then
    broken "$says: the control fails, is the name right?"
  elif links "$1" "$2"; then
    broken "$says"
    cargo tree --edges normal,build -p "$1" -i "$2" >&2
  else
    holds "$says"
  fi
}

found() { git grep --untracked -nIE "$@"; }

nowhere() { # <what it proves> <pattern> <place that has it> <pathspec...>
  local says="$1" pattern="$2" control="$3"
  shift 3
  if ! found "$pattern" -- "$control" >/dev/null; then
    broken "$says: the control fails, $control does not match either"
  elif found "$pattern" -- "$@" >&2; then
    broken "$says"
  else
    holds "$says"
  fi
}

selected() { # <kinds of dependencies> <cargo tree's choice of packages...>: third-party packages with their features
  local kinds="$1"
  shift
  cargo tree --quiet --edges "$kinds" -f '{p} {f}' --prefix none "$@" | sed 's/ (\*)$//; s/ (proc-macro)//' | grep -v " ($PWD/" | sort -u
}

stands_alone() { # every crate, tested or benchmarked by itself, selects the workspace's features: nothing is built twice
  local kinds all crate other
  # What is linked, apart from what build scripts and macros run: the same package may have other features there.
  for kinds in normal,dev,no-proc-macro normal,dev,build; do
    all="$(selected "$kinds" --workspace)"
    for crate in crates/*; do
      other="$(comm -13 <(echo "$all") <(selected "$kinds" -p "dayvec-${crate#crates/}"))"
      if [ -n "$other" ]; then
        broken "$crate alone selects other features than the workspace; add what is missing to crates/features/Cargo.toml:"
        echo "$other" >&2
      fi
    done
  done
  [ "$failed" = 1 ] || holds "each crate alone is built with the workspace's features"
}

for torch in tch torch-sys; do absent dayvec-lookup "$torch" dayvec-trainer; done
for polars in polars polars-core; do absent dayvec-lookup "$polars" dayvec-trainer; done
for light in dayvec-cli dayvec-console; do
  absent "$light" tch dayvec-trainer
  absent "$light" polars dayvec-trainer
done
absent dayvec-model polars dayvec-sequences
absent dayvec-proto object_store dayvec-bucket

absent dayvec-core object_store dayvec-bucket
for io in tokio parquet polars tch tonic memmap2; do absent dayvec-core "$io" dayvec-e2e; done
nowhere "core opens no file, socket, process or environment" 'std::(fs|net|process|env|io)\b' crates/cli/src crates/core/src
nowhere "objects are written through dayvec-bucket alone" 'object_store::' crates/bucket/src \
  'crates/*/src' ':!crates/bucket'
nowhere "nothing overwrites an object" 'PutMode::Overwrite|store\.put\(' crates/bucket/tests 'crates/*/src'
nowhere "the console writes nothing" 'put_new|put_part|\bdiscard\(|\bannounce\(|\bpromote\(' crates/inference/src crates/console/src
nowhere "libtorch comes from scripts/libtorch.sh alone" 'torch==|pytorch\.org|libtorch-[a-z-]*\.zip' scripts/libtorch.sh \
  scripts .ci '*Dockerfile*' '*.yml' '*.toml' ':!scripts/libtorch.sh' ':!scripts/invariants.sh'

stands_alone
if scripts/module_graph.py; then holds "no two modules of a crate need each other"; else broken "no two modules of a crate need each other"; fi

exit "$failed"
