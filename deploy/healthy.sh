#!/usr/bin/env bash
# Whether the program of this container can do its work: /readyz of its admin port answers 200.
#
#   healthy PORT
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ code _ <&3
[ "$code" = 200 ]
