"""MLflow has every lane once, whatever happened to the process that logs it, the store or the repository."""

import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline import tracking
from pipeline.executors import notes
from pipeline.files import store
from pipeline.settings import places
from pipeline.tracking import connection
from pipeline.tracking.__main__ import main
from pipeline.tracking.record import find
from pipeline.values import paths
from pipeline.values.errors import UserError
from tests import mirrored
from tests.mirrored import (
    artifacts,
    children,
    dense,
    every_run,
    is_whole,
    measured,
    points,
    runs,
    sync,
    ticket,
    tree,
    write,
    write_experiment,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root


def test_a_second_sync_adds_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    assert main(["sync", "toy/r00"]) == 0
    assert main(["sync"]) == 0
    before = {name: (run.info.run_id, run.data.tags) for name, run in runs().items()}
    assert main(["sync", "toy"]) == 0
    assert [line.split(", ")[1].split()[0] for line in capsys.readouterr().out.splitlines()] == ["2", "4", "0"]
    assert {name: (run.info.run_id, run.data.tags) for name, run in runs().items()} == before
    assert len(points(runs()["ticket"], "density")) == 2
    assert len(points(runs()["r01/seed1"], "history/test_loss")) == 3


def test_a_run_left_running_is_replaced(root: Path) -> None:
    from mlflow import MlflowClient

    write_experiment()
    assert main(["sync", "toy/r00"]) == 0
    client, key = MlflowClient(connection.uri()), write(ticket()).read_about()["input_key"]
    left = client.create_run(runs()["dense"].info.experiment_id, run_name="r01/seed1", tags={"input_key": key})
    client.log_metric(left.info.run_id, "history/test_loss", 1, step=0)
    assert main(["sync"]) == 0
    assert runs()["r01/seed1"].info.status == "FINISHED"
    assert runs()["r01/seed1"].info.run_id != left.info.run_id
    assert len(points(runs()["r01/seed1"], "history/test_loss")) == 3


def test_a_terminated_sync_leaves_no_run_running(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment()
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr("pipeline.tracking.artifacts.put", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        main(["sync"])
    assert stopped.value.code == 128 + signal.SIGTERM
    assert {name: run.info.status for name, run in runs().items()} == {"dense": "FINISHED", "r00/seed1": "KILLED"}
    assert main(["sync"]) == 0
    is_whole()


@pytest.mark.slow
def test_an_emptied_database_is_filled_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment()
    assert main(["sync"]) == 0
    before = set(runs())
    moved = root.rename(root.parent / "emptied")  # because this process still has the old database open
    monkeypatch.chdir(moved)
    connection.DATABASE.unlink()
    assert main(["sync"]) == 0
    assert set(runs()) == before


@pytest.mark.slow
def test_processes_that_start_together_on_a_new_store_log_each_lane_once(root: Path) -> None:
    write_experiment()
    connection.DATABASE.unlink()
    started = [sync(), *(sync("--background", "toy") for _ in range(4))]
    ended = [(*process.communicate(timeout=90), process.returncode) for process in started]
    assert [(errors, code) for _, errors, code in ended] == [("", 0)] * 5, ended
    is_whole()
    assert sum(int(out.split(", ")[1].split()[0]) for out, _, _ in ended if out) == 6
    assert sum(bool(out) for out, _, _ in ended[2:]) < 3  # some of them left it to another


def test_a_tracking_server_that_is_down_is_told_in_one_line_and_in_time(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        port = hanging.getsockname()[1]
        for down in (False, True):
            if down:
                hanging.close()
            os.environ["MLFLOW_TRACKING_URI"] = f"http://me:secret@127.0.0.1:{port}"  # the fixture restores it
            started = time.monotonic()
            assert main(["sync"]) == 1
            assert time.monotonic() - started < 15
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err.count("\n") == 1
            assert f"http://127.0.0.1:{port}" in said.err
            assert "does not answer" in said.err
            assert "secret" not in said.err


@pytest.mark.slow
def test_a_stage_does_not_wait_for_the_tracker(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment()
    log = Path(".lottery/tracking.log")
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{hanging.getsockname()[1]}")
        monkeypatch.setenv("LOTTERY_TRACKING", "off")
        tracking.start_sync("toy")
        assert not log.exists()
        monkeypatch.delenv("LOTTERY_TRACKING")
        started = time.monotonic()
        tracking.start_sync("toy")
        assert time.monotonic() - started < 0.1
        while not log.read_text():
            assert time.monotonic() - started < 120  # it has the lowest priority, beside other tests
            time.sleep(0.1)
    assert "cannot be used" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_sync_that_cannot_be_started_is_told_with_its_remedy(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".lottery").write_text("a file where a folder should be")
    tracking.start_sync("toy")
    assert "python -m pipeline.tracking sync" in capsys.readouterr().err


def test_a_moved_repository_takes_its_store_along(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment()
    assert main(["sync", "toy/r00"]) == 0
    before = runs()["r00/seed1"].info.run_id
    moved = root.rename(root.parent / "moved")
    monkeypatch.chdir(moved)
    assert main(["sync"]) == 0
    assert runs()["r00/seed1"].info.run_id == before
    assert artifacts(runs()["r00/seed1"])[0] == artifacts(runs()["r01/seed1"])[0] == "mask.safetensors"
    assert not root.exists()


def test_stages_in_a_copy_fill_the_store_of_the_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(root))
    copy = root / ".dvc" / "tmp"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    write_experiment()
    assert main(["sync"]) == 0
    assert (root / "mlflow-artifacts" / "toy").is_dir()
    assert {path.name for path in copy.iterdir()} == {"work"}


def test_another_pruning_rate_has_another_run_of_its_arm(root: Path) -> None:
    write(dense())
    for rate in (0.2, 0.4, 0.2):
        write(ticket(), rate=rate)
        assert main(["sync"]) == 0
    arms = [run for run in every_run() if run.data.tags["arm"] == "ticket" and "input_key" not in run.data.tags]
    assert sorted(run.data.params["pruning.rates.fc"] for run in arms) == ["0.2", "0.4"]
    assert [points(run, "density") for run in arms] == [[(0, 1.0), (1, 0.8)]] * 2
    assert [children(run) for run in arms] == [["r01/seed1"]] * 2
    assert len({run.info.run_name for run in arms}) == 2  # they would look alike
    assert children(next(run for run in every_run() if run.info.run_name == "dense")) == ["r00/seed1"]


def test_another_mean_has_a_new_run_of_its_arm_that_takes_over_the_lanes(root: Path) -> None:
    write(dense())
    write(ticket(seed=1))
    assert main(["sync"]) == 0
    first = runs()["ticket"].info.run_id
    write(ticket(seed=3))
    assert main(["sync"]) == 0
    found = runs()["ticket"]  # the old one is in MLflow's bin
    assert found.info.run_id != first
    mean = (measured(1, 2) + measured(3, 2)) / 2
    assert points(found, "accuracy_at_early_stop") == [(0, measured(1, 2)), (1, mean)]
    assert tree() == {"dense": ["r00/seed1"], "ticket": ["r01/seed1", "r01/seed3"]}


def test_an_empty_repository_is_told_what_makes_results(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync"]) == 0
    assert "`dvc repro`" in capsys.readouterr().out


@pytest.mark.parametrize(("target", "unknown", "there"), [("lenet", "lenet", "toy"), ("toy/r07", "r07", "r00, r01, reinit_r01")])
def test_an_unknown_target_is_told_what_there_is(
    root: Path, capsys: pytest.CaptureFixture[str], target: str, unknown: str, there: str
) -> None:
    write_experiment()
    assert main(["sync", target]) == 1
    said = capsys.readouterr().err
    assert repr(unknown) in said
    assert there in said
    assert said.count("\n") == 1


def test_lanes_that_are_being_written_or_are_of_an_older_version_are_left_out(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_experiment()
    (paths.WORK / "toy" / "notes" / "lanes").mkdir(parents=True)  # a folder of somebody else's
    write(ticket(seed=2)).weights_file("trained").unlink()
    old = write(dense(seed=2))
    store.write_json(old.about, {key: value for key, value in old.read_about().items() if key != "recipe_key"})
    assert main(["sync"]) == 0
    assert not {"r01/seed2", "r00/seed2"} & set(runs())
    assert len(runs()) == 3 + 4
    assert "2 more are not complete" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{}", "[]", '{"round": 0}', "garbage"])
def test_a_damaged_lane_is_named_and_the_others_are_logged(content: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    damaged = [write(ticket(seed=2)).about, write(dense(seed=2)).about]
    for path in damaged:
        path.write_text(content)
    assert main(["sync"]) == 0
    said = capsys.readouterr()
    assert re.match(rf"warning: {damaged[1]} is damaged .*; delete it and run `dvc repro` \(1 more damaged\)\n", said.err)
    assert "2 more are not complete" in said.out
    assert len(runs()) == 3 + 4


def test_a_damaged_table_is_named_and_not_put_on_the_parent(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(dense())
    places.report("toy").mkdir(parents=True)
    places.rounds("toy").write_text("round,arm\n0,dense\n")
    places.ledger().write_text("{}")
    assert main(["sync"]) == 0
    assert re.search(r"warning: reports/toy/rounds.csv is damaged .*toy/dvc.yaml:aggregate`", capsys.readouterr().err)
    assert artifacts(runs()["dense"]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"metric": 3},
        {"metric": {"name": "accuracy"}},
        {"config": 3},
        {"config": {"data": {}}},
        {"masks": 3},
        {"masks": "r" + 300 * "0"},
        {"seed": [1]},
        {"seed": 1},
        {"round": 2},
        {"experiment": "other"},
        {"final_accuracy": "a"},
        {"density": 10**400},
        {"data_digest": "\ud800"},
    ],
)
def test_a_forged_lane_is_named_and_the_others_are_logged(
    change: dict[str, Any], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its checksum is right, and its content is one that training never writes."""
    write_experiment()
    files = write(ticket(seed=2))
    store.write_json(files.about, files.read_about() | change)
    found, incomplete = find("toy")
    assert incomplete == 1
    assert [record.name for record in found if record.points] == [record.name for record in found]
    assert "r01/seed2" not in [record.name for record in found]
    assert capsys.readouterr().err.startswith(f"warning: {files.about} is damaged (")


@pytest.mark.parametrize("change", [lambda t: t.replace("0.", "x", 1), lambda t: t.split("\n")[0] + "\n", lambda t: "a\n1\n",
                                    lambda t: t.replace("\n10,", "\n10,1,1,"), lambda t: t.replace("\n10,", f"\n{10**400},"),
                                    lambda t: t.replace("\n10,", "\n0,")])  # fmt: skip
def test_a_forged_history_is_one_sentence(change: Any, root: Path) -> None:
    files = write(ticket(seed=2))
    store.write_table(files.history, change(store.read_table(files.history)))
    ([record], _) = find("toy")
    with pytest.raises(UserError, match=rf"^{files.history} is damaged \(.*`dvc repro experiments/toy/dvc.yaml:retrain@r01`$"):
        _ = record.points


def test_a_note_of_timings_without_timings_counts_as_missing(root: Path) -> None:
    write(ticket(seed=2))
    notes.write(paths.runtime("toy", "r01"), {"training_seconds": "x", "device": 3, "torch": "2"})
    ([record], _) = find("toy")
    assert (record.training.seconds, record.training.note) == (0.0, {"torch": "2"})
