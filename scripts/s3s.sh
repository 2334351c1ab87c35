#!/usr/bin/env bash
# A real S3 server on this machine for tests: s3s-fs, which honours If-None-Match, though not between requests at
# the same moment (it looks for the object, then writes it).
#
#   eval "$(scripts/s3s.sh start FOLDER)"   install it if needed, serve FOLDER on a free loopback port, and set
#                                           DAYVEC_TEST_S3 (the URL of a bucket) and the AWS_* variables for it
#   scripts/s3s.sh stop FOLDER              end the server that was started on FOLDER
#   scripts/s3s.sh install                  only install
set -euo pipefail

version=0.14.1
tools="$(cd "$(dirname "$0")" && pwd)"
usage() { echo "usage: scripts/s3s.sh start FOLDER | stop FOLDER | install" >&2; exit 64; }

install_server() { programs="$("$tools/cargo-tool.sh" s3s-fs "$version" --features binary)"; }

start_server() { # <folder>
  mkdir -p "$1/buckets/dayvec-test"
  local folder port pid
  folder="$(cd "$1" && pwd)"
  if [ -f "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null; then
    echo "s3s.sh: a server runs on $folder already; stop it first" >&2
    exit 75
  fi
  for _ in 1 2 3 4 5; do # a port that was free may be taken by the time the server binds it
    port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
    RUST_LOG=warn nohup "$programs/s3s-fs" --host 127.0.0.1 --port "$port" --access-key dayvec-test \
      --secret-key dayvec-test-secret "$folder/buckets" >"$folder/log" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      if python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; then
        echo "$pid" >"$folder/pid"
        cat <<ENV
export DAYVEC_TEST_S3=s3://dayvec-test
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=dayvec-test AWS_SECRET_ACCESS_KEY=dayvec-test-secret
export DAYVEC_TEST_S3_PID=$pid
ENV
        return
      fi
      sleep 0.1
    done
    kill "$pid" 2>/dev/null || true
  done
  echo "s3s.sh: the server does not start; its log:" >&2
  cat "$folder/log" >&2
  exit 69
}

[ $# -ge 1 ] || usage
case "$1" in
  install) install_server ;;
  start) [ $# -eq 2 ] || usage; install_server; start_server "$2" ;;
  stop)
    [ $# -eq 2 ] || usage
    if [ -f "$2/pid" ]; then
      kill "$(cat "$2/pid")" 2>/dev/null || true
      rm -f "$2/pid"
    fi
    ;;
  *) usage ;;
esac
