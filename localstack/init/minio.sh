#!/bin/sh
# Makes the two buckets of a platform on MinIO, and has `workspaces` tell the platform what changes. Runs in a container
# of its own; may be run again.
set -eu

if [ -z "$CLOUDYKNIGHT_INGEST_TOKEN" ]; then
    echo "error: CLOUDYKNIGHT_INGEST_TOKEN is not set, and the platform takes no notifications without it" >&2
    echo "hint: put it into .env: any long random text, and start the platform with the same" >&2
    exit 1
fi

until mc alias set platform http://minio:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" >/dev/null 2>&1; do
    echo "waiting for MinIO"
    sleep 1
done
mc mb --ignore-existing platform/workspaces platform/cloudyknight
mc event add --ignore-existing --event put,delete platform/workspaces arn:minio:sqs::CLOUDYKNIGHT:webhook
