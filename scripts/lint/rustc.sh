#!/usr/bin/env bash
# Lint a crate of the workspace with clippy, warnings as errors, then compile it: cargo's RUSTC_WORKSPACE_WRAPPER.
#
# `cargo clippy` would check every dependency a second time, in a build of its own. Here clippy reads the dependencies
# that the tests are built from. It reports what it finds, and the compiler proper, which follows, is silent.
set -euo pipefail

rustc="$1"
shift
arguments=("$@")
is_compilation=no
for argument; do [[ "$argument" != --emit=* ]] || is_compilation=yes; done
if [ "$is_compilation" = no ]; then exec "$rustc" "$@"; fi # cargo only asks the compiler about itself

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
lint=()
while [ $# -gt 0 ]; do
  case "$1" in
    --emit=*) lint+=(--emit=metadata) ;;
    --out-dir) lint+=(--out-dir "$scratch"); shift ;;
    --json=*) lint+=(--json=diagnostic-rendered-ansi) ;; # cargo must not take this output for the crate's
    incremental=*) lint+=("$1-clippy") ;;
    *) lint+=("$1") ;;
  esac
  shift
done
clippy-driver "${lint[@]}" -D warnings
"$rustc" "${arguments[@]}" --cap-lints allow
