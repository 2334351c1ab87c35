#!/usr/bin/env bash
# The S3 server of docker-compose.yml: serves the folder /data, with the bucket of DAYVEC_BUCKET made if it is not there.
set -euo pipefail
bucket="${DAYVEC_BUCKET#s3://}"
mkdir -p "/data/${bucket%%/*}"
exec s3s-fs --host 0.0.0.0 --port 9000 --access-key "$AWS_ACCESS_KEY_ID" --secret-key "$AWS_SECRET_ACCESS_KEY" /data
