"""MLflow's record is whole again after faults of the store, other clones cannot disturb it, and no message has a password."""

import os
import shutil
import signal
import sqlite3
import time
import weakref
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from pipeline.files import store
from pipeline.settings import places
from pipeline.tracking import connection, mirror
from pipeline.tracking.__main__ import main
from tests import mirrored
from tests.mirrored import TREE, artifacts, dense, runs, ticket, write, write_experiment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root


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
    assert not artifacts(runs()["ticket"])
    assert main(["sync"]) == 0
    assert {name: artifacts(run) for name, run in runs().items()} == before
    assert before["ticket"] == ["report/figures/curve.svg"]
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
        assert len(found) == 9
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
    assert sorted(runs()) == sorted({*TREE, *(lane for lanes in TREE.values() for lane in lanes)} - {"r00/seed2", "r01/seed2"})
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
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in the background of a script
    with pytest.raises(SystemExit) if number == signal.SIGTERM else nullcontext() as stopped:
        ended = main(["sync"])
    signal.signal(signal.SIGINT, before)
    assert (stopped.value.code if stopped else ended) == code
    assert "Traceback" not in capsys.readouterr().err


class Doomed:
    """Something that a weak reference can refer to."""
