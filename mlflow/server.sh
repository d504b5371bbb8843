#!/usr/bin/env bash
# The tracking server of a team: runs lie in PostgreSQL, artifacts in a bucket.
#   mlflow/server.sh
# Everything comes from the environment, none of it from the command line, where other users would read the password.
set -euo pipefail

: "${MLFLOW_BACKEND_STORE_URI:?the database, such as postgresql://lorag:PASSWORD@127.0.0.1:5432/mlflow}"
: "${MLFLOW_ARTIFACTS_DESTINATION:?the bucket, such as s3://lorag/mlflow}"
: "${MLFLOW_SERVER_ALLOWED_HOSTS:?the names under which clients reach it, such as mlflow.example.org,localhost:*}"

export MLFLOW_HOST=${MLFLOW_HOST:-127.0.0.1}
export MLFLOW_PORT=${MLFLOW_PORT:-5000}
export MLFLOW_WORKERS=${MLFLOW_WORKERS:-2}
# Clients send artifacts to the server, so that it alone holds the bucket's keys.
export MLFLOW_SERVE_ARTIFACTS=true
export MLFLOW_DISABLE_TELEMETRY=true
# No job runner: it serves model judges, of which there are none here.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

# Not in the repository, where Python would look for a package in the folder mlflow/ first.
cd /
exec "${PYTHON:-python}" -m mlflow server
