#!/usr/bin/env bash
# Whether the program of this container is alive: /livez of its admin port answers 200. Whether it can do its work is
# another question (/readyz): a lookup that waits for a first snapshot is not helped by a restart.
#
#   healthy PORT
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET /livez HTTP/1.0\r\n\r\n' >&3
read -r _ code _ <&3
[ "$code" = 200 ]
