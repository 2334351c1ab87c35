#!/usr/bin/env bash
# Make the lookup's shards for another number, as shards-NUMBER beside shards: a copy whose names end in -of-NUMBER, so that
# both may run at once. Prints what the console is to be told of them, as a list for DAYVEC__LOOKUPS.
#
#   deploy/kubernetes/components/sharded-lookup/shards.sh 8
set -euo pipefail
cd "$(dirname "$0")"
if [ $# -ne 1 ] || ! [[ "$1" =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: shards.sh NUMBER" >&2
  exit 64
fi
number="$1"
before="$(sed -n 's/^  replicas: \([0-9]*\).*/\1/p' shards/set/lookup.yaml)"
to="shards-$number"
# Services know shards by their number: two sets of one number would answer for each other.
[ "$number" != "$before" ] || { echo "shards.sh: $number is the number of shards/ already" >&2; exit 64; }
[ ! -e "$to" ] || { echo "shards.sh: $to is there already; remove it first" >&2; exit 64; }

cp -r shards "$to"
rm "$to"/shard-*.yaml
sed -i "s/^  replicas: $before/  replicas: $number/; s|(POD_INDEX)/$before|(POD_INDEX)/$number|" "$to/set/lookup.yaml"
sed -i "/^  - shard-/d; s/^# Four shards/# Shards, $number,/; s|dayvec/shards: \"$before\"|dayvec/shards: \"$number\"|
  s/^namespace: dayvec/&\nnameSuffix: -of-$number/" "$to/kustomization.yaml"
files='' lookups=''
for ((shard = 0; shard < number; shard++)); do
  sed "s/shard-0\.dayvec/shard-0-of-$number.dayvec/; s/shard-0/shard-$shard/; s/\"0\"/\"$shard\"/" shards/shard-0.yaml \
    >"$to/shard-$shard.yaml"
  files+="\n  - shard-$shard.yaml"
  for set in a b; do
    host="lookup-$set-of-$number-$shard.lookup-shards-of-$number"
    lookups+=",\n {name: shard-$shard-$set-of-$number, grpc: \"http://$host:50051\", metrics: null}"
  done
done
sed -i "s/^  # One file a shard.*/&$files/" "$to/kustomization.yaml"
echo -e "[${lookups#",\n "}]"
