"""Lanes as the stages leave them, for MLflow to mirror, a repository that has some, and what MLflow then has."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.domain.masks import Mask
from pipeline.domain.task import Metric
from pipeline.files import masks as mask_files
from pipeline.files.lane import LaneFiles
from pipeline.tracking import connection
from pipeline.training.history import Row, outcome, table
from pipeline.values.lanes import DENSE, TICKET, Item, Lane

ACCURACY = Metric("accuracy", better="higher", unit="fraction")
RMSE = Metric("rmse", better="lower")
REPOSITORY = Path(__file__).parent.parent
# What `write_experiment` makes of MLflow: a run for each arm, and its lanes below it.
TREE = {
    "dense": ["r00/seed1", "r00/seed2"],
    "reinit": ["reinit_r01/seed1_draw1", "reinit_r01/seed2_draw1"],
    "ticket": ["r01/seed1", "r01/seed2"],
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is the repository's root, beside an MLflow store without runs."""
    folder = tmp_path / "a repo"  # MLflow's locations are URIs: a space must survive
    folder.mkdir()
    (folder / connection.DATABASE).write_bytes(new_store())
    monkeypatch.chdir(folder)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "LOTTERY_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield folder
    for number, handler in before.items():
        signal.signal(number, handler)


@cache
def new_store() -> bytes:
    """MLflow takes seconds to create a store, so the tests begin with copies of one."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in (environment() | {"DVC_ROOT": folder}).items():
            patch.setenv(name, value)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connection.connect().search_experiments()
        return Path(folder, connection.DATABASE).read_bytes()


def environment() -> dict[str, str]:
    ours = connection.ENVIRONMENT | {"PYTHONPATH": str(REPOSITORY), "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
    return {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "LOTTERY_TRACKING")} | ours


def dense(seed: int = 1, experiment: str = "toy") -> Lane:
    return Lane(Item(experiment, 0, DENSE), seed)


def ticket(round: int = 1, seed: int = 1, experiment: str = "toy") -> Lane:
    return Lane(Item(experiment, round, TICKET), seed)


def control(arm: str, seed: int = 1, draw: int | None = 1) -> Lane:
    return Lane(Item("toy", 1, arm), seed, draw)


def measured(seed: int, evaluation: int) -> float:
    """What `write` says that a lane of this seed measures on the test examples."""
    return evaluation / 10 + seed / 100


def write(
    lane: Lane, masks_of: Item | None = None, *, own_mask: bool = False, metric: Metric = ACCURACY, evaluations: int = 3,
    rate: float = 0.2, arm: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **about: Any,
) -> LaneFiles:  # fmt: skip
    """Writes a lane as the stages leave it, and the masks that it is trained under.

    masks_of: the item that has the masks, when it is not the lane's own. own_mask: whether the mask was made for this lane.
    arm: the options of the lane's arm. data: the options of the data set. about: other values for lane.json.
    """
    item, owner = lane.item, masks_of or lane.item
    mask = Mask({"fc.weight": np.array([[True, False, True], [False, True, False]])})
    if not own_mask:
        mask_files.write(owner, {seed: mask for seed in (1, 2, 3)})
    losses = [1 / (i + 1) for i in range(evaluations)]
    rows = [Row(10 * i, loss if i else None, loss, loss, loss, measured(lane.seed, i)) for i, loss in enumerate(losses)]
    config: dict[str, Any] = {
        "data": {"name": "digits", "validation": 200, "augment": {"crop": 0, "flip": False}, **(data or {})},
        "model": {"name": "lenet", "hidden": [32, 16]},
    }
    if item.arm != DENSE:
        config |= {"pruning": {"rates": {"fc": rate}}, "arm": {"name": item.arm, **(arm or {})}}
    values = {
        "experiment": item.experiment,
        "item": item.name,
        "round": item.round,
        "arm": item.arm,
        "seed": lane.seed,
        "draw": lane.draw,
        "density": 0.8**item.round,
        "weights": 6,
        "masks": None if own_mask else owner.name,
        "metric": asdict(metric),
        "input_key": f"key of {lane} {rate if item.round else ''}".replace("/", "-"),
        "recipe_key": f"recipe of {item.experiment}",
        "config": config,
        "data_digest": "d" * 64,
    }
    weights = {"fc.weight": np.full((2, 3), lane.seed, np.float32)}
    which = {"start": weights, "trained": weights} | ({"rewind": weights} if item.arm == DENSE else {})
    files = LaneFiles.of(lane)
    content = values | outcome(rows, metric) | about
    files.write(content, which, table(rows, metric), mask if own_mask else None)
    return files


def write_experiment(name: str = "toy") -> None:
    """Writes two replicates of a dense network, a ticket and its random reinitialisation: six lanes."""
    for seed in (1, 2):
        write(dense(seed, name))
        write(ticket(1, seed, name))
        write(Lane(Item(name, 1, "reinit"), seed, draw=1), masks_of=Item(name, 1, TICKET))


def every_run(experiment: str = "toy") -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(connection.uri())
    return list(client.search_runs([e.experiment_id for e in client.search_experiments() if e.name == experiment]))


def runs(experiment: str = "toy") -> dict[str, Any]:
    """The runs by their names. Fails when two runs have the same name."""
    found = every_run(experiment)
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def points(run: Any, key: str) -> list[tuple[int, float]]:
    """A metric's points by their steps."""
    from mlflow import MlflowClient

    return sorted((point.step, point.value) for point in MlflowClient(connection.uri()).get_metric_history(run.info.run_id, key))


def children(run: Any, experiment: str = "toy") -> list[str]:
    """The names of the runs below a run."""
    below = [child for child in every_run(experiment) if child.data.tags.get("mlflow.parentRunId") == run.info.run_id]
    return sorted(child.info.run_name for child in below)


def tree(experiment: str = "toy") -> dict[str, list[str]]:
    """The names of the runs that are below none, each with those below it. Fails when a run is below one that is gone."""
    found = every_run(experiment)
    names = {run.info.run_id: run.info.run_name for run in found}
    above = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    shown = {run.info.run_name: children(run, experiment) for run in above}
    assert len(shown) == len(above)
    assert sum(map(len, shown.values())) + len(above) == len(names)
    return shown


def is_whole() -> None:
    """Asserts that MLflow has each lane of `write_experiment` once, below its arm's run, and nothing that is not finished."""
    assert tree() == TREE
    assert {run.info.status for run in every_run()} == {"FINISHED"}


def sync(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline.tracking", "sync", *arguments]
    return subprocess.Popen(command, env=environment() | variables, stdout=-1, stderr=-1, text=True)


def artifacts(run: Any) -> list[str]:
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    if not MlflowClient(connection.uri()).list_artifacts(run.info.run_id):
        return []
    folder = Path(download_artifacts(run.info.artifact_uri))
    assert folder.is_relative_to(Path.cwd())
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
