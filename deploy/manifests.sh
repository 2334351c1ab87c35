#!/usr/bin/env bash
# Copy the workspace without its source: manifests, lock file, toolchain, and an empty stand-in for every target, so
# that an image layer can build the dependencies, and is built again only when one of these changes.
#
#   deploy/manifests.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: deploy/manifests.sh FOLDER" >&2; exit 64; }
out="$1"

stand_in() { # <file> [program]: documented, for the workspace's lints hold here as well
  mkdir -p "$(dirname "$1")"
  printf '//! Stand-in.\n\n%s\n' "${2:+fn main() {\}}" >"$1"
}

mkdir -p "$out"
cp Cargo.toml Cargo.lock rust-toolchain.toml "$out/"
for manifest in crates/*/Cargo.toml; do
  crate="$(dirname "$manifest")"
  mkdir -p "$out/$crate"
  cp "$manifest" "$out/$crate/"
  stand_in "$out/$crate/src/lib.rs"
  if [ -f "$crate/src/main.rs" ]; then stand_in "$out/$crate/src/main.rs" program; fi
  if [ -f "$crate/build.rs" ]; then stand_in "$out/$crate/build.rs" program; fi
  # Examples and benchmarks that a manifest names must be there, though they are not built here.
  sed -n 's/^path = "\(examples\|benches\)\(.*\)"/\1\2/p' "$manifest" | while read -r target; do
    stand_in "$out/$crate/$target" program
  done
  sed -n '/^\[\[bench\]\]/,/^$/ s/^name = "\(.*\)"/\1/p' "$manifest" | while read -r bench; do
    stand_in "$out/$crate/benches/$bench.rs" program
  done
done
