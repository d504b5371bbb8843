"""Save the views of views.yaml in every experiment of a tracking server, and print their addresses.

python mlflow/save_views.py TRACKING_URI UI_ADDRESS
"""

import argparse
import json
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from ruamel.yaml import YAML

PREFIX = "mlflow.sharedViewState."
"""The prefix of an experiment's tags from which the UI reads its state, as its own button *Share* writes them."""


def main() -> None:
    """Tag the experiments that have runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tracking_uri", help="such as sqlite:///mlflow.db")
    parser.add_argument("address", help="where the UI is opened, such as http://127.0.0.1:5000")
    arguments = parser.parse_args()
    client, address = MlflowClient(arguments.tracking_uri), arguments.address
    views = YAML(typ="safe").load((Path(__file__).parent / "views.yaml").read_text(encoding="utf-8"))
    for experiment in client.search_experiments():
        if not client.search_runs([experiment.experiment_id], max_results=1):
            continue
        for name, view in views.items():
            client.set_experiment_tag(experiment.experiment_id, f"{PREFIX}{name}", json.dumps(state_of(view)))
            page = f"{address}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
            print(f"{experiment.name}: {view['title']}\n  {page}&compareRunsMode=CHART&viewStateShareKey={name}")


def state_of(view: dict[str, Any]) -> dict[str, Any]:
    """Return the stored state of an experiment's page: the filter, and a section of bar charts."""
    charts = [
        {
            "type": "BAR",
            "uuid": f"lorag-{metric}",
            "metricKey": metric,
            "metricSectionId": "lorag",
            "runsCountToCompare": 20,
            "deleted": False,
            "isGenerated": False,
        }
        for metric in view["charts"]
    ]
    grouped = [{"mode": "tag", "groupByData": view["group_by"]}] if "group_by" in view else []
    return {
        "groupBy": {"aggregateFunction": "average", "groupByKeys": grouped} if grouped else None,
        "searchFilter": view["runs"],
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": "lorag", "name": view["title"], "display": True, "isReordered": False, "deleted": False}
        ],
    }


if __name__ == "__main__":
    main()
