#!/usr/bin/env bash
# The browser and its driver for checks of pages; to be sourced. Debian's chromium comes from apt, its driver from PyPI,
# versions pinned.
#
#   install_browser     sets `browser`, Chromium's path
#   install_driver      sets `python`, a Python with playwright, and gRPC for the services that pages show
#
# shellcheck disable=SC2034 # what is set is for the script that sources this one

driver_requirements='greenlet==3.5.6
grpcio==1.85.1
grpcio-reflection==1.85.1
playwright==1.65.2
protobuf==7.36.2
typing_extensions==4.16.0
'

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_browser() {
  if ! command -v chromium >/dev/null; then
    as_root apt-get update -q >&2
    as_root apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core >&2
  fi
  browser="$(command -v chromium)"
}

install_driver() {
  local hash folder
  hash="$(printf '%s%s' "$driver_requirements" "$(python3 --version)" | sha256sum | cut -c1-16)"
  folder="${XDG_CACHE_HOME:-$HOME/.cache}/dayvec/console-python-$hash"
  if [ ! -f "$folder/done" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    printf '%s' "$driver_requirements" >"$folder/requirements.txt"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: -r "$folder/requirements.txt" >&2
    touch "$folder/done"
  fi
  python="$folder/bin/python"
}
