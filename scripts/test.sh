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
  target="$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
  export OMP_NUM_THREADS=1 # tests run side by side; more threads an operation would only wait for each other
}

scripts() { # every shell script passes shellcheck
  local files
  mapfile -t files < <(git ls-files --cached --others --exclude-standard 'scripts/*.sh' 'deploy/*.sh' 'benchmarks/*.sh' .ci/run)
  shellcheck "${files[@]}"
}

unused_dependencies() { # crates/features is only a list of dependencies
  local crates
  mapfile -t crates < <(find crates -mindepth 1 -maxdepth 1 ! -name features)
  "$(scripts/cargo-tool.sh cargo-machete 0.9.2)/cargo-machete" "${crates[@]}"
}

build() { # everything that is tested, linted in the same pass
  # Cargo builds our crates anew when the path of the wrapper changes, so a changed clippy.toml has a path of its own.
  local lint
  lint="$target/lint/$(cat scripts/lint/rustc.sh clippy.toml | sha256sum | cut -c1-16).sh"
  install -D scripts/lint/rustc.sh "$lint"
  export RUSTC_WORKSPACE_WRAPPER="$lint"
  cargo test --workspace --all-targets --no-run --quiet
}

run_tests() { cargo test --workspace --lib --bins --tests --examples --no-fail-fast 2>&1 | tee "$work/tests.log"; }

each_crate() { # every crate checks, tests and benchmarks by itself, and nothing is compiled for it: all is built
  local crate
  for crate in crates/*/; do
    cargo test --package "dayvec-$(basename "$crate")" --all-targets --no-run --quiet
  done
}

documents() { # documentation tests, and the documentation itself
  RUSTDOC="$PWD/scripts/lint/rustdoc.sh" DOCUMENTATION="$target/doc" cargo test --workspace --doc 2>&1 | tee -a "$work/tests.log"
}

step "set up" set_up
step "format" cargo fmt --all --check
step "shell scripts" scripts
step "invariants" scripts/invariants.sh
step "deployment" scripts/check-deploy.sh
step "observability" scripts/check-observability.sh
step "unused dependencies" unused_dependencies
step "build and clippy" build
step "tests" run_tests
step "each crate alone" each_crate
step "documentation" documents
step "status page" env -u OMP_NUM_THREADS scripts/check-console.sh
step "report" env -u OMP_NUM_THREADS scripts/check-report.sh

awk -v seconds=$((SECONDS - began)) '
  /^test result:/ { passed += $4; failed += $6; ignored += $8; suites++ }
  END { printf "\nall good: %d tests passed, %d failed, %d ignored, in %d suites; %d s in all\n", passed, failed, ignored, suites, seconds }
' "$work/tests.log"
