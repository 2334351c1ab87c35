#!/usr/bin/env bash
# Install a tool from crates.io outside the build tree, once, and print the folder of its programs.
#
#   scripts/cargo-tool.sh PACKAGE VERSION [--features …]
#
# The tool lies in ~/.cache/dayvec/PACKAGE-VERSION.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: scripts/cargo-tool.sh PACKAGE VERSION [--features …]" >&2; exit 64; }
package="$1" version="$2"
shift 2
root="${XDG_CACHE_HOME:-$HOME/.cache}/dayvec/$package-$version"
if [ ! -d "$root/bin" ]; then
  mkdir -p "$(dirname "$root")"
  exec 9>"$root.lock"
  flock 9 # another run may be installing it: wait and find it done
  if [ ! -d "$root/bin" ]; then
    echo "installing $package $version, once, into $root (takes minutes)" >&2
    # A target folder of its own, and none of the caller's flags: they belong to other builds.
    env -u RUSTC_WORKSPACE_WRAPPER CARGO_TARGET_DIR="$root.target" \
      cargo install --quiet --locked --root "$root" "$package@$version" "$@" >&2 \
      || { echo "cargo-tool.sh: cannot install $package $version; check the network and cargo's settings" >&2; exit 69; }
    rm -rf "$root.target"
  fi
  exec 9>&-
fi
echo "$root/bin"
