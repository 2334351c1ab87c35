#!/usr/bin/env bash
# Run a crate's documentation tests, then render its documentation with warnings as errors: cargo's RUSTDOC, for
# `cargo test --doc`.
#
# `cargo doc` would check every dependency a second time, in a build of its own. Here the documentation is rendered from
# the dependencies that the tests are built from, into $DOCUMENTATION.
set -euo pipefail

rustdoc "$@"
render=()
while [ $# -gt 0 ]; do
  case "$1" in
    --test) ;;
    --test-run-directory) shift ;;
    *) render+=("$1") ;;
  esac
  shift
done
exec rustdoc "${render[@]}" -D warnings --out-dir "$DOCUMENTATION"
