#!/usr/bin/env bash
# Make the lookup's shards for another number, as shards-NUMBER beside shards: a copy whose names end in -of-NUMBER, so that
# both may run at once, each shard with as many replicas as shard 0. Prints the console's list of them, for
# DAYVEC__LOOKUPS.
#
#   deploy/kubernetes/components/sharded-lookup/shards.sh 8
set -euo pipefail
cd "$(dirname "$0")"
if [ $# -ne 1 ] || ! [[ "$1" =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: shards.sh NUMBER" >&2
  exit 64
fi
number="$1"
before="$(sed -n 's|.*{dayvec/shards: "\(.*\)"}|\1|p' shards/kustomization.yaml)"
replicas="$(sed -n 's/^ *replicas: \([0-9]*\).*/\1/p' shards/shard-0/kustomization.yaml)"
to="shards-$number"
# Services know shards by their number: two sets of one number would answer for each other.
[ "$number" != "$before" ] || { echo "shards.sh: shards/ already has $number shards" >&2; exit 64; }
[ ! -e "$to" ] || { echo "shards.sh: $to already exists; remove it first" >&2; exit 64; }

mkdir "$to"
cp -r shards/shard shards/names.yaml "$to"
folders='' lookups=''
for ((shard = 0; shard < number; shard++)); do
  mkdir "$to/shard-$shard"
  sed "s/^# Shard 0 /# Shard $shard /; s/\"-0\"/\"-$shard\"/; s/\"0\"/\"$shard\"/; s|\"0/$before\"|\"$shard/$number\"|" \
    shards/shard-0/kustomization.yaml >"$to/shard-$shard/kustomization.yaml"
  folders+="\n  - shard-$shard"
  for ((replica = 0; replica < replicas; replica++)); do
    host="lookup-shard-$shard-of-$number-$replica.lookup-shards-of-$number"
    lookups+=",\n {name: shard-$shard-of-$number-$replica, grpc: \"http://$host:50051\", metrics: null}"
  done
done
sed "/^  - shard-/d; s/^  # All alike.*/&$folders/; s/^# Four shards/# $number shards/
  s|dayvec/shards: \"$before\"|dayvec/shards: \"$number\"|; s/^namespace: dayvec/&\nnameSuffix: -of-$number/" \
  shards/kustomization.yaml >"$to/kustomization.yaml"
echo -e "[${lookups#",\n "}]"
