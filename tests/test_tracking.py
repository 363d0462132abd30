"""MLflow mirrors the files: all of them, once, whatever happened to the process, the store or the repository."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import tracking
from pipeline.files import store
from pipeline.settings import places
from pipeline.tracking import connection
from pipeline.tracking.__main__ import main
from pipeline.values import paths
from pipeline.values.lanes import Item, Lane
from tests.mirrored import HISTORY, artifacts, environment, points, runs, sync, write, write_chain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to create a store; most tests start from a copy of this one."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment() | {"DVC_ROOT": str(folder)}).items():
            patch.setenv(name, value)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connection.connect().search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Iterator[Path]:
    folder = tmp_path / "a repo"  # MLflow's locations are URIs: a space must survive
    folder.mkdir()
    shutil.copy(empty_store, folder)
    monkeypatch.chdir(folder)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "LOTTERY_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield folder
    for number, handler in before.items():
        signal.signal(number, handler)


def test_all_that_the_files_hold_arrives(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_chain()
    write(Lane(Item("toy", 0, "ticket"), 2), final_accuracy=None, rows=2)
    hardware = {"stage_seconds": 9.0, "training_seconds": 8.0, "device": "cpu", "torch": "2"}
    store.write_json(paths.runtime("toy", "r01"), hardware)
    store.write_bytes(places.rounds("toy"), b"round,arm,seed,draw,early_stop_iteration,accuracy_at_early_stop\n")
    store.write_bytes(places.report("toy") / "figures" / "curve.svg", b"<svg/>")
    subprocess.run("git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x", shell=True, check=True)
    assert main(["sync"]) == 0
    assert capsys.readouterr().out == "6 runs in MLflow, 6 new\n"
    found = runs()
    assert {"toy", "r00/seed1", "r00/seed2", "r01/seed1", "r01/seed2", "reinit_r01/seed1_draw1"} < set(found)
    parent, ticket = found["toy"], found["r01/seed1"]
    assert all(run.info.status == "FINISHED" for run in found.values())
    assert {run.data.tags["mlflow.parentRunId"] for name, run in found.items() if name != "toy"} == {parent.info.run_id}
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    expected = {"round": "1", "arm": "ticket", "seed": "1", "density": "0.8", "git.commit": head, "device": "cpu"}
    expected |= {"dvc.stage": "experiments/toy/dvc.yaml:retrain@r01", "experiment": "toy", "chain_key": "chain of toy"}
    assert expected.items() <= ticket.data.tags.items()
    assert "draw" not in ticket.data.tags
    assert found["reinit_r01/seed1_draw1"].data.tags["draw"] == "1"
    assert {
        "model.hidden": "[32, 16]",
        "pruning.rates.fc": "0.2",
    }.items() <= ticket.data.params.items() & parent.data.params.items()
    assert points(ticket, "test_accuracy") == [(0, 1.0), (10, 0.5), (20, 1 / 3)]
    assert points(ticket, "train_loss") == [(10, 0.5), (20, 1 / 3)]
    metrics = {"early_stop_iteration": 20, "accuracy_at_early_stop": 0.91, "stage_seconds": 9}
    assert metrics.items() <= ticket.data.metrics.items()
    assert ticket.info.end_time - ticket.info.start_time >= 7000
    mean = (0.9 + 1 / 100 + 0.9 + 2 / 100) / 2
    assert points(parent, "accuracy_at_early_stop/ticket") == [(0, mean), (1, mean)]
    assert points(parent, "density/reinit") == [(1, 0.8)]
    [data] = ticket.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "d" * 36)
    assert artifacts(ticket) == ["mask.safetensors", "start.safetensors", "trained.safetensors"]
    assert artifacts(found["r00/seed1"]) == ["mask.safetensors", "rewind.safetensors", "start.safetensors", "trained.safetensors"]
    assert artifacts(parent) == ["report/figures/curve.svg", "report/rounds.csv"]


def test_mask_and_weights_load_back(root: Path) -> None:
    """The lines the README shows."""
    import mlflow
    from safetensors.torch import load_file

    write_chain()
    assert main(["sync"]) == 0
    mlflow.set_tracking_uri(connection.uri())
    query = "tags.round = '1' and tags.arm = 'ticket' and tags.seed = '2'"
    [run] = mlflow.search_runs(experiment_names=["toy"], filter_string=query, output_format="list")
    mask = store.read_mask(Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/mask.safetensors")))
    weights = load_file(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/trained.safetensors"))
    assert mask.density == 0.5
    assert weights["fc.weight"].tolist() == [[2, 2, 2], [2, 2, 2]]


def test_a_second_sync_adds_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_chain()
    assert main(["sync", "toy/r00"]) == 0
    assert main(["sync"]) == 0
    before = {name: (run.info.run_id, run.data.tags) for name, run in runs().items()}
    assert main(["sync", "toy"]) == 0
    assert [line.split(", ")[1] for line in capsys.readouterr().out.splitlines()] == ["2 new", "4 new", "0 new"]
    assert {name: (run.info.run_id, run.data.tags) for name, run in runs().items()} == before
    assert len(points(runs()["toy"], "density/ticket")) == 2
    assert len(points(runs()["r01/seed1"], "test_loss")) == 3


def test_a_run_left_running_is_replaced(root: Path) -> None:
    from mlflow import MlflowClient

    write_chain()
    assert main(["sync", "toy/r00"]) == 0
    client, seed1 = MlflowClient(connection.uri()), Lane(Item("toy", 1, "ticket"), 1)
    key = json.loads((paths.lanes("toy", "r01") / seed1.name / "lane.json").read_text())["input_key"]
    left = client.create_run(runs()["toy"].info.experiment_id, run_name="r01/seed1", tags={"input_key": key})
    client.log_metric(left.info.run_id, "test_loss", 1, step=0)
    assert main(["sync"]) == 0
    assert runs()["r01/seed1"].info.status == "FINISHED"
    assert runs()["r01/seed1"].info.run_id != left.info.run_id
    assert len(points(runs()["r01/seed1"], "test_loss")) == 3


def test_a_terminated_sync_leaves_no_run_running(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    write_chain()
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(MlflowClient, "log_inputs", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        main(["sync"])
    assert stopped.value.code == 128 + signal.SIGTERM
    assert {name: run.info.status for name, run in runs().items()} == {"toy": "FINISHED", "r00/seed1": "KILLED"}
    assert main(["sync"]) == 0
    assert {run.info.status for run in runs().values()} == {"FINISHED"}
    assert len(runs()) == 7


def test_an_emptied_database_is_filled_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chain()
    assert main(["sync"]) == 0
    before = set(runs())
    moved = root.rename(root.parent / "emptied")  # because this process still has the old database open
    monkeypatch.chdir(moved)
    Path("mlflow.db").unlink()
    assert main(["sync"]) == 0
    assert set(runs()) == before


def test_a_diverged_loss_is_not_a_number(root: Path) -> None:
    write(Lane(Item("toy", 0, "ticket"), 1), final_accuracy=None)
    history = paths.lanes("toy", "r00") / "seed1" / "history.csv"
    history.write_text(f"{','.join(HISTORY)}\n0,,inf,0.1,nan,0.1\n")
    assert main(["sync"]) == 0
    for key in ("validation_loss", "test_loss"):
        assert [math.isnan(value) for _, value in points(runs()["r00/seed1"], key)] == [True]


def test_processes_that_start_together_on_a_new_store_log_each_lane_once(root: Path) -> None:
    write_chain()
    Path("mlflow.db").unlink()
    started = [sync(), *(sync("--background", "toy") for _ in range(4))]
    ended = [(*process.communicate(timeout=90), process.returncode) for process in started]
    assert [(errors, code) for _, errors, code in ended] == [("", 0)] * 5, ended
    assert len(runs()) == 7
    assert sum(int(out.split(", ")[1].split()[0]) for out, _, _ in ended if out) == 6
    assert sum(bool(out) for out, _, _ in ended[2:]) < 3  # some of them left it to another


def test_a_tracking_server_that_is_down_is_one_sentence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_chain()
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
            assert said.err.startswith(f"the MLflow server http://127.0.0.1:{port} cannot be used: it does not answer. ")
            assert said.err.count("\n") == 1
            assert "secret" not in said.err


def test_a_stage_does_not_wait_for_the_tracker(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chain()
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
            assert time.monotonic() - started < 30
            time.sleep(0.1)
    assert "cannot be used" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_start_sync_never_raises(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".lottery").write_text("a file where a folder should be")
    tracking.start_sync("toy")
    assert "python -m pipeline.tracking sync" in capsys.readouterr().err


def test_a_moved_repository_takes_its_store_along(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chain()
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
    write_chain()
    assert main(["sync"]) == 0
    assert (root / "mlflow-artifacts" / "toy").is_dir()
    assert {path.name for path in copy.iterdir()} == {"work"}


def test_another_rate_is_another_parent_and_another_mean_replaces_it(root: Path) -> None:
    write(Lane(Item("toy", 0, "ticket"), 1))
    assert main(["sync"]) == 0
    first = runs()["toy"].info.run_id
    for rate in (0.2, 0.4):
        write(Lane(Item("toy", 1, "ticket"), 1), rate=rate)
        assert main(["sync"]) == 0
    from mlflow import MlflowClient

    client = MlflowClient(connection.uri())
    [toy] = [e.experiment_id for e in client.search_experiments() if e.name == "toy"]
    parents = client.search_runs([toy], "attributes.run_name = 'toy'")
    assert [p.data.params["pruning.rates.fc"] for p in parents] == ["0.4", "0.2"]
    assert parents[1].info.run_id == first
    assert [len(points(p, "density/ticket")) for p in parents] == [2, 2]
    write(Lane(Item("toy", 1, "ticket"), 3), rate=0.4)
    assert main(["sync"]) == 0
    parents = client.search_runs([toy], "attributes.run_name = 'toy'")
    assert points(parents[0], "accuracy_at_early_stop/ticket") == [(0, 0.91), (1, (0.9 + 1 / 100 + 0.9 + 3 / 100) / 2)]
    assert len(client.search_runs([toy], f"tags.mlflow.parentRunId = '{parents[0].info.run_id}'")) == 2
    assert len(client.search_runs([toy])) == 2 + 4


def test_nothing_to_show_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync"]) == 0
    assert capsys.readouterr().out == "work/ has no results yet; `dvc repro` makes them\n"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("lenet", "work/ has no results of an experiment 'lenet'; it has toy"),
        ("toy/r07", "work/toy has no round 'r07'; it has r00, r01, reinit_r01"),
    ],
)
def test_unknown_targets_are_told_what_there_is(
    root: Path, capsys: pytest.CaptureFixture[str], target: str, sentence: str
) -> None:
    write_chain()
    assert main(["sync", target]) == 1
    assert capsys.readouterr().err == f"{sentence}\n"


def test_a_lane_that_is_being_written_is_left_for_later(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_chain()
    (paths.lanes("toy", "r01") / "seed2" / "trained.safetensors").unlink()
    (paths.WORK / "toy" / "notes" / "lanes").mkdir(parents=True)
    assert main(["sync"]) == 0
    assert capsys.readouterr().out == "5 runs in MLflow, 5 new, 1 left out because their files are not complete\n"
