"""Lanes as the stages leave them, for MLflow to mirror, and what it then has."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.domain.masks import Mask
from pipeline.files import store
from pipeline.tracking import connection
from pipeline.values import paths
from pipeline.values.lanes import Item, Lane

HISTORY = ("iteration", "train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
REPOSITORY = Path(__file__).parent.parent


def environment() -> dict[str, str]:
    ours = connection.ENVIRONMENT | {"PYTHONPATH": str(REPOSITORY), "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
    return {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "LOTTERY_TRACKING")} | ours


def write(lane: Lane, rows: int = 3, size: int = 6, rate: float = 0.2, **about: Any) -> None:
    """A lane as the stages leave it."""
    item, weights = lane.item, {"fc.weight": np.full((2, size // 2), lane.seed, np.float32)}
    folder = paths.lanes(item.experiment, item.name) / lane.name
    mask = paths.masks(item.experiment, item.masked.name) / f"seed{lane.seed}.safetensors"
    store.write_mask(mask, Mask({"fc.weight": np.arange(size).reshape(2, -1) % 2 == 0}))
    for name in ("start", "trained", *(["rewind"] if item.round == 0 else [])):
        store.write_arrays(folder / f"{name}.safetensors", weights)
    history = [{"iteration": 10 * i} | dict.fromkeys(HISTORY[1:], 1 / (i + 1)) for i in range(rows)]
    history[0]["train_loss"] = ""  # type: ignore[assignment]  # before the first step there is none
    store.write_csv(folder / "history.csv", HISTORY, history)
    config = {"data": {"name": "digits", "validation": 200}, "model": {"name": "lenet", "hidden": [32, 16]}}
    values = {
        "experiment": item.experiment,
        "round": item.round,
        "arm": item.arm,
        "seed": lane.seed,
        "draw": lane.draw,
        "density": 0.8**item.round,
        "weights": size,
        "input_key": f"key of {lane} {rate if item.round else ''}".replace("/", "-"),
        "chain_key": f"chain of {item.experiment}",
        "config": config | ({"pruning": {"rates": {"fc": rate}}} if item.round else {}),
        "data_digest": "d" * 64,
        "early_stop_iteration": 20,
        "accuracy_at_early_stop": 0.9 + lane.seed / 100,
        "validation_loss_at_early_stop": 0.1,
        "final_accuracy": 0.95,
        "final_iteration": 20,
    }
    store.write_json(folder / "lane.json", values | about)


def write_chain(experiment: str = "toy") -> None:
    """Two replicates of a dense network, a ticket and its control: six lanes."""
    for item in (Item(experiment, 0, "ticket"), Item(experiment, 1, "ticket"), Item(experiment, 1, "reinit")):
        for seed in (1, 2):
            write(Lane(item, seed, draw=1 if item.arm == "reinit" else None))


def runs(experiment: str = "toy") -> dict[str, Any]:
    """Run name -> run. Fails when two runs have the same name."""
    from mlflow import MlflowClient

    client = MlflowClient(connection.uri())
    found = client.search_runs([e.experiment_id for e in client.search_experiments() if e.name == experiment])
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def points(run: Any, key: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    return [(point.step, point.value) for point in MlflowClient(connection.uri()).get_metric_history(run.info.run_id, key)]


def sync(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline.tracking", "sync", *arguments]
    return subprocess.Popen(command, env=environment() | variables, stdout=-1, stderr=-1, text=True)


def artifacts(run: Any) -> list[str]:
    from mlflow.artifacts import download_artifacts

    folder = Path(download_artifacts(run.info.artifact_uri))
    assert folder.is_relative_to(Path.cwd())
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
