"""MLflow's record is whole again after faults of the store, other clones cannot disturb it, and no message has a password."""

import os
import shutil
import signal
import sqlite3
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from pipeline.files import store
from pipeline.settings import places
from pipeline.tracking import connection, mirror, others
from pipeline.tracking.__main__ import main
from pipeline.tracking.record import find
from pipeline.values.errors import UserError
from tests import mirrored
from tests.mirrored import artifacts, children, dense, every_run, runs, ticket, write, write_experiment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root
LANES = ["r00/seed1", "r00/seed2", "r01/seed1", "r01/seed2", "reinit_r01/seed1_draw1", "reinit_r01/seed2_draw1"]


def is_whole() -> None:
    """Asserts that MLflow has each lane of `write_experiment` once, below one parent, and nothing that is not finished."""
    found = runs()
    assert sorted(found) == [*LANES, "toy"]
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert children(found["toy"]) == LANES


# --- The local store


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_creation_leaves_no_store(
    fault: BaseException, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def begin(self: object, uri: str, *_: object) -> None:
        with sqlite3.connect(uri.removeprefix("sqlite:///")) as made:
            made.execute("CREATE TABLE experiments (half INTEGER)")
        raise fault

    write_experiment()
    connection.DATABASE.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "__init__", begin)
        assert main(["sync"]) == (130 if isinstance(fault, KeyboardInterrupt) else 1)
    assert capsys.readouterr().err.count("\n") <= 2
    assert not list(root.glob("*mlflow*"))


def test_a_database_that_cannot_be_opened_is_told_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_experiment()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}")
    started = time.monotonic()
    assert main(["sync"]) == 1
    assert time.monotonic() - started < 30  # MLflow would try for 100 s
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "unable to open database file. The results are safe" in said


def test_a_damaged_database_is_told_with_its_remedy(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(dense())
    connection.DATABASE.write_bytes(b"no database" * 100)
    assert main(["sync"]) == 1
    assert "or mlflow.db is moved away, run `python -m pipeline.tracking sync` again" in capsys.readouterr().err


def test_an_error_of_the_database_is_one_sentence(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(dense())
    with closing(sqlite3.connect(connection.DATABASE)) as database, database:
        database.execute("ALTER TABLE metrics RENAME COLUMN step TO other")
    assert main(["sync"]) == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "no column named step" in said


def test_deleted_artifacts_come_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    store.write_bytes(places.figures("toy") / "curve.svg", b"<svg/>")
    assert main(["sync"]) == 0
    before = {name: artifacts(run) for name, run in runs().items()}
    shutil.rmtree(connection.ARTIFACTS)
    assert not artifacts(runs()["toy"])
    assert main(["sync"]) == 0
    assert {name: artifacts(run) for name, run in runs().items()} == before
    assert before["toy"] == ["report/figures/curve.svg"]
    assert "0 of them new; MLflow had lost the files of 6 and has them again" in capsys.readouterr().out
    assert main(["sync"]) == 0
    assert "lost" not in capsys.readouterr().out


@pytest.mark.parametrize("above", ["mlflow-artifacts", "a%20b?c"])
def test_a_repository_may_be_moved_below_any_folder(above: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment()
    assert main(["sync"]) == 0
    Path(root.parent, above).mkdir()
    moved = root.rename(root.parent / above / "repo")
    monkeypatch.chdir(moved)
    for _ in range(2):
        assert main(["sync"]) == 0
        found = runs()
        assert len(found) == 7
        for run in found.values():
            id = run.info.run_id
            assert run.info.artifact_uri == (moved / "mlflow-artifacts" / "toy" / id / "artifacts").as_uri()
        assert artifacts(found["r01/seed1"])[0] == "mask.safetensors"
    assert [path.name for path in moved.iterdir()].count("mlflow.db") == 1
    assert {path.name for path in moved.parent.parent.iterdir()} == {above}  # nothing is made beside


# --- Faults of lanes


def test_a_lane_of_another_form_is_named_and_the_others_are_logged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    about = write(ticket(seed=2)).about
    store.write_json(about, store.read_json(about) | {"metric": "accuracy"})
    history = write(dense(seed=2)).history
    store.write_table(history, store.read_table(history).replace("0.5", "half", 1))
    assert main(["sync"]) == 0
    said = capsys.readouterr()
    assert sorted(runs()) == sorted({*LANES, "toy"} - {"r00/seed2", "r01/seed2"})
    assert [line.split(" is damaged")[0] for line in said.err.splitlines()] == [f"warning: {about}", f"warning: {history}"]
    assert "MLflow has 4 lanes, 4 of them new; the files of 2 more are not complete" in said.out


# --- Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_comes_while_an_object_is_removed_is_not_lost(
    number: signal.Signals, code: int, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(*_: Any, **__: Any) -> None:
        doomed = Doomed()
        reference = weakref.ref(doomed, lambda _: os.kill(os.getpid(), number))
        del doomed
        started = time.monotonic()
        while reference() is None and time.monotonic() - started < 10:
            time.sleep(0.01)

    write(dense())
    monkeypatch.setattr(mirror, "fill", fill)
    with pytest.raises(SystemExit) if number == signal.SIGTERM else nullcontext() as stopped:
        ended = main(["sync"])
    assert (stopped.value.code if stopped else ended) == code
    assert "Traceback" not in capsys.readouterr().err


class Doomed:
    """Something that a weak reference can refer to."""


# --- Several clones, one store


@pytest.mark.parametrize("moment", [1, 5])  # the creation of the parent, of a lane
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
    assert len(made) > 7
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
    experiment = runs()["toy"].info.experiment_id
    open_tags = (tags() if callable(tags) else tags) | {"input_key": key}
    left = MlflowClient(connection.uri()).create_run(experiment, run_name="open", tags=open_tags).info.run_id
    assert main(["sync"]) == 0
    assert (left in {run.info.run_id for run in every_run()}) == stays
    assert {"r00/seed1", "toy"} <= set(runs())


def test_the_open_run_of_a_lane_whose_files_are_gone_is_removed(root: Path) -> None:
    from mlflow import MlflowClient

    write(dense())
    assert main(["sync"]) == 0
    MlflowClient(connection.uri()).create_run(runs()["toy"].info.experiment_id, run_name="open", tags={"input_key": "gone"})
    assert main(["sync"]) == 0
    assert sorted(runs()) == ["r00/seed1", "toy"]


def test_repositories_that_share_an_sqlite_file_share_its_lock(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/shared.db")
    first = connection.lock_path()
    (root / "another").mkdir()
    monkeypatch.chdir(root / "another")
    assert connection.lock_path() == first == root / "shared.db.lock"
    assert not connection.is_shared()


# --- Secrets

SECRETS = [
    ("http://me:s3cret@host:5000", "http://host:5000"),
    ("https://s3cret@host/mlflow", "https://host/mlflow"),
    ("http://me:p@s3cret@host", "http://host"),
    ("http://me:a/s3cret@host", "http://host"),
    ("http://me:%73%33cret@host", "http://host"),
    ("postgresql://me:s3cret@host/runs?password=s3cret", "postgresql://host/runs"),
    ("http://[me:s3cret@host", "http://host"),
]


@pytest.mark.parametrize(("uri", "shown"), SECRETS)
def test_the_address_that_is_shown_has_no_password(
    uri: str, shown: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert connection.address() == shown
    with pytest.raises(UserError) as told, connection.explained():
        raise OSError(f"cannot reach {uri} as me with s3cret or t0ken")
    if uri.startswith("http"):
        assert main(["ui"]) == 0
    said = f"{told.value} {capsys.readouterr()}"
    assert "s3cret" not in said and "t0ken" not in said and "%73" not in said
    assert shown in said


def test_the_path_of_a_database_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////tmp/a@b/mlflow.db")
    assert connection.address() == "sqlite:////tmp/a@b/mlflow.db"
    assert connection.without_secrets("no such file: /tmp/a@b") == "no such file: /tmp/a@b"


def test_the_server_listens_here_only_and_its_command_line_has_no_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(os, "execv", lambda program, command: ran.extend(command))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:s3cret@127.0.0.1:9/runs")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "")  # restored afterwards
    assert main(["ui", "--port", "5987"]) == 0
    assert ran[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert ran[ran.index("--host") + 1] == "127.0.0.1"
    assert not [word for word in ran if "s3cret" in word]
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:s3cret@127.0.0.1:9/runs"


def test_a_driver_that_is_missing_is_told_without_the_password(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(dense())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql+nodriver://me:s3cret@127.0.0.1:9/runs")
    assert main(["sync"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("the MLflow store mysql+nodriver://127.0.0.1:9/runs cannot be used: ")
    assert said.count("\n") == 1 and "s3cret" not in said
