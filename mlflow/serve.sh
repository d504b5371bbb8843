#!/usr/bin/env bash
# The MLflow UI of one workspace, on this machine only.
#   mlflow/serve.sh [WORKSPACE] [PORT]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "${1:-.}" && pwd)
port=${2:-${MLFLOW_PORT:-5000}}
folder="$workspace/.lorag/mlflow"

if [[ ! -f "$workspace/params.yaml" ]]; then
  echo "error: no params.yaml in $workspace - name a workspace: mlflow/serve.sh WORKSPACE" >&2
  exit 2
fi
mkdir -p "$folder"

# One worker: each holds some hundred megabytes. No job runner: it serves model judges, of which there are none here.
export MLFLOW_DISABLE_TELEMETRY=true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

command=("${PYTHON:-python}" -m mlflow server
  --backend-store-uri "sqlite:///$folder/mlflow.db"
  --default-artifact-root "file://$folder/artifacts"
  --no-serve-artifacts
  --host 127.0.0.1 --port "$port" --workers 1)
printf '%q ' "${command[@]}"
# The plain address opens on pages about traces.
printf '\n\nhttp://127.0.0.1:%s/#/experiments?workflowType=machine_learning\n\n' "$port"

"${PYTHON:-python}" "$here/save_views.py" "sqlite:///$folder/mlflow.db" "http://127.0.0.1:$port"

# Not in the repository, where Python would look for a package in the folder mlflow/ first.
cd "$folder"
exec "${command[@]}"
