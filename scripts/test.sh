#!/usr/bin/env bash
# The gate: everything that must hold before a change is accepted. Sets up what it needs, and stops what it started.
#
#   scripts/test.sh
#
# Needs a Rust toolchain (rust-toolchain.toml names it), Python 3 with venv, a C++ compiler and the network once.
# The S3 server's folder and the log of the tests lie in a temporary folder that goes away at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mktemp -d)"
stop() { scripts/s3s.sh stop "$work/s3" 2>/dev/null || true; rm -rf "$work"; }
trap stop EXIT
trap 'exit 130' INT TERM

began=$SECONDS
step() { # <name> <command...>
  local name="$1" from=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %s s\n' "$name" $((SECONDS - from))
}

set_up() {
  if ! command -v shellcheck >/dev/null; then
    local sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq shellcheck >/dev/null
  fi
  libtorch="$(scripts/libtorch.sh env)"
  eval "$libtorch"
  DAYVEC_TEST_PYTHON="$(scripts/python-env.sh)"
  export DAYVEC_TEST_PYTHON
  s3="$(scripts/s3s.sh start "$work/s3")"
  eval "$s3"
  export OMP_NUM_THREADS=1 # tests run side by side; more threads an operation would only wait for each other
}

scripts() { # every shell script passes shellcheck
  local files
  mapfile -t files < <(git ls-files --cached --others --exclude-standard 'scripts/*.sh' 'deploy/*.sh' .ci/run)
  shellcheck "${files[@]}"
}

build_tests() { cargo test --workspace --no-run --quiet; }

run_tests() { cargo test --workspace 2>&1 | tee "$work/tests.log"; }

documents() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet; }

step "set up" set_up
step "format" cargo fmt --all --check
step "shell scripts" scripts
step "invariants" scripts/invariants.sh
step "deployment" scripts/check-deploy.sh
step "observability" scripts/check-observability.sh
step "clippy" cargo clippy --workspace --all-targets -- -D warnings
step "build" build_tests
step "tests" run_tests
step "status page" env -u OMP_NUM_THREADS scripts/check-console.sh
step "documents" documents

awk -v seconds=$((SECONDS - began)) '
  /^test result:/ { passed += $4; failed += $6; ignored += $8; suites++ }
  END { printf "\nall good: %d tests passed, %d failed, %d ignored, in %d suites; %d s in all\n", passed, failed, ignored, suites, seconds }
' "$work/tests.log"
