"""How MLflow's page of an experiment opens: a view that is saved in the experiment, and the addresses that open it.

MLflow 3.17 opens an experiment among GenAI's traces unless the address says otherwise, and no tag changes that. A saved view is a
tag of the experiment, in which MLflow's own button "Save view" keeps columns and charts as JSON; the address names it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.results.metric import Metric
from pipeline.tracking.record import HISTORY

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME, KEY = "Tickets against controls", "tickets"
LANES = "lanes"  # a section of the view
TAG = f"mlflow.sharedViewState.{KEY}"
SAVED = "sync.view"  # the experiment's tag with a digest of the view that was saved


def address(server: str, experiment: str) -> str:
    """Of an experiment's charts beside the list of its runs. experiment: its id."""
    place = f"{server.rstrip('/')}/#/experiments/{quote(experiment)}/runs"
    return f"{place}?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={KEY}"


def addresses(client: "MlflowClient", server: str) -> dict[str, str]:
    """Of all experiments that have the view, by their names."""
    found = client.search_experiments(filter_string=f"tags.`{SAVED}` LIKE '%'", order_by=["name ASC"])
    return {str(each.name): address(server, str(each.experiment_id)) for each in found}


def tags(metric: Metric, now: int) -> dict[str, str]:
    """The tags of an experiment that keep the view and say which metric is the first. now: milliseconds since 1970."""
    state = json.dumps(_state(metric), separators=(",", ":"))
    return {
        TAG: json.dumps({"name": NAME, "createdAt": now, "updatedAt": now, "state": state}),
        "mlflow.experiment.primaryMetric.name": metric.at_early_stop,
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(metric.better == "higher"),
    }


def save(client: "MlflowClient", experiment: str, found: Mapping[str, str], metric: Metric, now: int) -> None:
    """found: the experiment's tags. What a user has changed in the view stays until the pipeline has another one."""
    digest = hashlib.sha256(json.dumps(_state(metric)).encode()).hexdigest()[:16]
    if found.get(SAVED) != digest:
        for key, value in (tags(metric, now) | {SAVED: digest}).items():
            client.set_experiment_tag(experiment, key, value)


def _state(metric: Metric) -> dict[str, Any]:
    """Columns first, then charts: the arms against the round, then against the density, then the curves of the lanes."""
    values = [metric.at_early_stop, "early_stop_iteration", metric.final]
    columns = [*(f"metrics.`{key}`" for key in ("density", *values)), "tags.`differs`"]
    columns.append("attributes.`Duration`")  # further attributes would stand before the metrics, and move them out of sight
    sections = {
        "round": "Arms by round",  # MLflow cuts longer names
        "density": "Arms by density (log)",
        LANES: "Lanes by iteration",  # closed: it is empty until somebody shows lanes in the list
    }
    charts = [_line("round", key) for key in [*values, "validation_loss_at_early_stop"]]
    charts += [_line("density", key, "density") for key in values]
    histories = [metric.test, "validation_loss", "test_loss", "train_loss", f"validation_{metric.name}"]
    charts += [_line(LANES, f"{HISTORY}/{key}") for key in histories]
    return {
        "selectedColumns": columns,
        "columnOrder": [],
        "columnWidths": {},
        "orderByKey": "attributes.start_time",  # in any other order, lanes would be shown beside the arms, not below
        "orderByAsc": True,
        "runsHiddenMode": "FIRST_20_RUNS",
        "hideEmptyCharts": True,
        "useGroupedValuesInCharts": True,
        "compareRunSections": [
            {"uuid": key, "name": name, "display": key != LANES, "isReordered": True, "deleted": False, "isGenerated": False}
            for key, name in sections.items()
        ],
        "compareRunCharts": charts,
        "isAccordionReordered": True,
    }


def _line(section: str, key: str, against: str = "") -> dict[str, Any]:
    """against: the metric on the horizontal axis; without one, it is the step."""
    return {
        "type": "LINE",
        "uuid": f"{section}-{key}",
        "metricSectionId": section,
        "isGenerated": True,
        "deleted": False,
        "runsCountToCompare": 20,
        "metricKey": key,
        "selectedMetricKeys": [key],
        "displayName": key.rpartition("/")[2].replace("_", " ") + (f" against {against}" if against else ""),
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisKey": "metric" if against else "step",
        "xAxisScaleType": "log" if against else "linear",
        "selectedXAxisMetricKey": against,
        "useGlobalXaxisKey": not against,
        "useGlobalLineSmoothing": True,
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "displayPoints": True,
        "ignoreOutliers": False,
        "range": {},
    }
