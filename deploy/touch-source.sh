#!/usr/bin/env bash
# Make every source file newer than what was built of its stand-in (deploy/manifests.sh): cargo goes by times, and a
# checkout may be older than the layer of dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
find crates proto config -type f -exec touch {} +
