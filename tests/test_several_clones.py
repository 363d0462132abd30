"""Several clones of the repository, or repositories, that fill one MLflow store."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.tracking import connection, mirror, others
from pipeline.tracking.__main__ import main
from pipeline.tracking.record import find
from pipeline.values.lanes import Lane
from tests import mirrored
from tests.mirrored import dense, every_run, is_whole, points, runs, ticket, write, write_experiment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root


@pytest.mark.parametrize("moment", [1, pytest.param(5, marks=pytest.mark.slow)])  # the creation of an arm's run, of a lane
def test_a_clone_that_logs_the_same_meanwhile_doubles_nothing(moment: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    write_experiment()
    monkeypatch.setattr(connection, "is_shared", lambda: True)
    made: list[str] = []
    whole = MlflowClient.create_run

    def create(self: MlflowClient, *arguments: Any) -> Any:
        run = whole(self, *arguments)
        made.append(run.info.run_id)
        if len(made) == moment:
            with monkeypatch.context() as patch:
                patch.setattr(others, "_clone", lambda: "another")
                mirror.fill(find()[0], lambda name: None)
        return run

    monkeypatch.setattr(MlflowClient, "create_run", create)
    assert main(["sync"]) == 0
    assert len(made) > 9
    is_whole()
    assert main(["sync"]) == 0
    is_whole()


def test_a_data_set_that_another_clone_makes_at_the_same_moment_is_no_fault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST

    def log(self: MlflowClient, *arguments: Any) -> None:
        patch.undo()
        raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name", BAD_REQUEST)

    write_experiment()
    monkeypatch.setattr(connection, "is_shared", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_inputs", log)
        assert main(["sync"]) == 0
    is_whole()


@pytest.mark.parametrize(
    ("tags", "stays"),
    [
        ({}, False),
        (lambda: {others.CLONE: others._clone(), others.BEGUN: str(int(time.time()))}, False),
        (lambda: {others.CLONE: "another", others.BEGUN: str(int(time.time()))}, True),
        (lambda: {others.CLONE: "another", others.BEGUN: str(int(time.time()) - 2 * others.PATIENCE)}, False),
    ],
)
def test_the_open_run_of_another_clone_is_left_for_an_hour(
    tags: dict[str, str] | Callable[[], dict[str, str]], stays: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setattr(connection, "is_shared", lambda: True)
    key = write(dense()).read_about()["input_key"]
    assert main(["sync"]) == 0
    experiment = runs()["dense"].info.experiment_id
    open_tags = (tags() if callable(tags) else tags) | {"input_key": key}
    left = MlflowClient(connection.uri()).create_run(experiment, run_name="open", tags=open_tags).info.run_id
    assert main(["sync"]) == 0
    assert (left in {run.info.run_id for run in every_run()}) == stays
    assert {"r00/seed1", "dense"} <= set(runs())


@pytest.mark.parametrize("more", [[dense(3), ticket(1, 3)], [ticket(2, 1), ticket(2, 2)]])  # another seed, another round
def test_of_two_clones_with_other_lanes_of_an_arm_the_one_with_more_makes_its_run(
    more: list[Lane], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each would replace the other's run, or its description, in every sync."""
    monkeypatch.setattr(connection, "is_shared", lambda: True)

    def synced(clone: str) -> tuple[dict[str, str], list[tuple[int, float]], str]:
        """Returns: the runs by their names, and the ticket's points and description."""
        monkeypatch.setattr(others, "_clone", lambda: clone)
        assert main(["sync"]) == 0
        ids = {name: run.info.run_id for name, run in runs().items()}
        return ids, points(runs()["ticket"], "accuracy_at_early_stop"), runs()["ticket"].data.tags["mlflow.note.content"]

    for seed in (1, 2):
        write(dense(seed))
        write(ticket(1, seed))
    small = synced("with fewer")
    folders = [write(lane).about.parent for lane in more]
    large = synced("with more")
    assert small[1] != large[1] and small[2] != large[2]
    for folder in folders:
        shutil.rmtree(folder)
    assert synced("with fewer") == large
    assert synced("with more")[2] == small[2]  # its own run: it has fewer lanes now


def test_the_open_run_of_a_lane_whose_files_are_gone_is_removed(root: Path) -> None:
    from mlflow import MlflowClient

    write(dense())
    assert main(["sync"]) == 0
    MlflowClient(connection.uri()).create_run(runs()["dense"].info.experiment_id, run_name="open", tags={"input_key": "gone"})
    assert main(["sync"]) == 0
    assert sorted(runs()) == ["dense", "r00/seed1"]


def test_repositories_that_share_an_sqlite_file_share_its_lock(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/shared.db")
    first = connection.lock_path()
    (root / "another").mkdir()
    monkeypatch.chdir(root / "another")
    assert connection.lock_path() == first == root / "shared.db.lock"
    assert not connection.is_shared()
