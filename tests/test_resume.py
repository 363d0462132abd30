"""Stopped, killed or failed, then run again: the same bytes as without, and nothing computed is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline import executors
from pipeline.executors.work import Work
from pipeline.files import store
from pipeline.run import runner
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import retrain, train_dense
from tests import lottery

LONG = lottery.experiment(
    training={"iterations": 1500, "batch_size": 20, "evaluate_every": 25}, optimizer={"name": "sgd", "lr": 0.01, "momentum": 0.9}
)
DRAWN = {"name": "digits", "validation": 30, "augment": {"crop": 1, "flip": True}}
SCHEDULED = {"name": "adam", "lr": 1e-2, "warmup": "9it", "decay": {"at": ["12it"]}}
PARAMS = lottery.params(toy=lottery.experiment(rewind="7it", data=DRAWN, optimizer=SCHEDULED), long=LONG)
ITEMS = ("r00", "r01")
SAVING = "from pipeline.run import job; job.CHECKPOINT_EVERY = 0; from stages import run_stage, train_dense; "


def one_by_one(stop_after: int) -> Callable[..., None]:
    """Instead of executors.run: the lanes one after the other in this process, each stopped after so many evaluations."""

    def run(work: Work, groups: list[list[int]]) -> None:
        for group in groups:
            reported: list[int] = []
            work.run(group, reported.append, lambda reported=reported: len(reported) >= stop_after)
        raise KeyboardInterrupt

    return run


def without_runtime(root: Path) -> dict[str, bytes]:
    return lottery.files(root / "work")


@pytest.mark.parametrize("stop_after", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3))])
def test_stopped_at_an_evaluation_and_run_again(stop_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    with lottery.repository(whole, PARAMS):
        lottery.run("toy", *ITEMS)
    with lottery.repository(broken, PARAMS):
        for item in map(partial(lottery.item, "toy"), ITEMS):
            with monkeypatch.context() as patch:
                patch.setattr(executors, "run", one_by_one(stop_after))
                with pytest.raises(KeyboardInterrupt):
                    lottery.stage(item)
            assert not paths.lanes("toy", item.name).exists()  # nothing half done is there to be taken for an output
            found = list(paths.CHECKPOINTS.glob("*.safetensors"))
            assert len(found) == 2
            began = [int(store.read_arrays(path)["iteration"].item()) for path in found]
            assert began == [([0, 5, 10] if item.round == 0 else [7, 10, 15])[stop_after - 1]] * 2
            lottery.stage(item)
            assert not list(paths.CHECKPOINTS.glob("*.safetensors"))
    first, second = without_runtime(whole), without_runtime(broken)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_what_a_checkpoint_holds_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lottery.repository(tmp_path, PARAMS):
        steps: list[int] = []
        to_next = Trainer._to_next_evaluation
        monkeypatch.setattr(Trainer, "_to_next_evaluation", lambda self: steps.append(self.iteration) or to_next(self))
        for stop_after in (2, 10):
            monkeypatch.setattr(executors, "run", one_by_one(stop_after))
            with pytest.raises(KeyboardInterrupt):
                train_dense.main("toy")
        assert steps == [0, 0, 5, 10, 5, 10]


def test_another_configuration_does_not_go_on_from_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lottery.repository(tmp_path, PARAMS):
        with monkeypatch.context() as patch:
            patch.setattr(executors, "run", one_by_one(2))
            with pytest.raises(KeyboardInterrupt):
                train_dense.main("toy")
        before = set(paths.CHECKPOINTS.glob("*.safetensors"))
    changed = lottery.params(toy=lottery.experiment(rewind="7it", optimizer={"name": "adam", "lr": 2e-2}), long=LONG)
    with lottery.repository(tmp_path, changed):
        lottery.run("toy", "r00")
        assert set(paths.CHECKPOINTS.glob("*.safetensors")) == before
        rows = (paths.lanes("toy", "r00") / "seed1/history.csv").read_text()
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with lottery.repository(fresh, changed):
        lottery.run("toy", "r00")
        assert (paths.lanes("toy", "r00") / "seed1/history.csv").read_text() == rows


def started(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, "long"], env=lottery.environment(), stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, *(pytest.param(how, marks=pytest.mark.slow) for how in (signal.SIGTERM, signal.SIGINT))]
)
def test_a_stage_killed_while_it_trains_and_run_again(how: signal.Signals, long: bytes, tmp_path: Path) -> None:
    with lottery.repository(tmp_path, PARAMS):
        process = started(SAVING + "run_stage(train_dense.main)")
        until(lambda: len(list(paths.CHECKPOINTS.glob("*.safetensors"))) == 2)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
        assert "Traceback" not in said
        assert not paths.lanes("long", "r00").exists()
        # Its lanes' processes save and leave at their next evaluation; until then the item is theirs.
        until(lambda: not _is_locked("long/r00"))
        saved = {p: int(store.read_arrays(p)["iteration"].item()) for p in paths.CHECKPOINTS.rglob("*.safetensors")}
        assert len(saved) == 2
        assert all(0 <= iteration < 1500 for iteration in saved.values())
        train_dense.main("long")
        assert lanes_of("long") == long
        assert not list(paths.CHECKPOINTS.glob("*.safetensors"))
        assert sorted(p.name for p in paths.item("long", "r00").iterdir()) == ["lanes", "layers.json", "masks"]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The lanes that were never killed."""
    with lottery.repository(tmp_path_factory.mktemp("long"), PARAMS):
        train_dense.main("long")
        return lanes_of("long")


def lanes_of(name: str) -> dict[str, bytes]:
    found = lottery.files(paths.lanes(name, "r00"))
    assert len(found) == 2 * 5
    return found


def _is_locked(name: str) -> bool:
    try:
        with runner._locked(name):
            return False
    except UserError as error:
        assert "is being trained by process" in str(error)
        return True


def test_two_processes_do_not_train_one_item(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, PARAMS), runner._locked("toy/r00"):
        with pytest.raises(UserError, match=f"toy/r00 is being trained by process {os.getpid()}; wait for it or stop it"):
            train_dense.main("toy")
        assert not paths.lanes("toy", "r00").exists()


def test_a_lane_that_fails_names_itself_and_the_others_keep_their_work(tmp_path: Path) -> None:
    """The mask of one replicate is damaged so that its training cannot succeed: weights beyond what a float holds."""
    with lottery.repository(tmp_path, PARAMS):
        lottery.run("toy", "r00")
        before = lottery.files(tmp_path / "work")
        from stages import prune

        prune.main("toy/r01")
        path = paths.lanes("toy", "r00") / "seed2/rewind.safetensors"
        early = store.read_arrays(path)
        store.write_arrays(path, {name: array * 1e30 for name, array in early.items()})
        with pytest.raises(UserError, match=r"^lane toy/r01/seed2: the (training|validation) loss"):
            retrain.main("toy/r01")
        assert not paths.lanes("toy", "r01").exists()
        assert not list(paths.item("toy", "r01").glob(".lanes*"))
        store.write_arrays(path, early)
        retrain.main("toy/r01")
        assert (paths.lanes("toy", "r01") / "seed2/lane.json").is_file()
        after = lottery.files(tmp_path / "work")
        assert all(after[name] == content for name, content in before.items())


def test_what_was_there_stays_when_a_stage_run_again_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lottery.repository(tmp_path, PARAMS):
        lottery.run("toy", "r00")
        before = lottery.files(paths.lanes("toy", "r00"))
        with monkeypatch.context() as patch:
            patch.setattr(executors, "run", one_by_one(1))
            with pytest.raises(KeyboardInterrupt):
                train_dense.main("toy")
        assert lottery.files(paths.lanes("toy", "r00")) == before


def test_a_signal_to_a_process_that_just_begins_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Ctrl-C reaches the lanes' processes too, also before they ignore it."""
    with lottery.repository(tmp_path, PARAMS), monkeypatch.context() as patch:
        patch.setattr("multiprocessing.util._close_stdin", lambda: os.kill(os.getpid(), signal.SIGINT))
        train_dense.main("toy")
        patch.setattr("multiprocessing.util._close_stdin", lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(UserError, match="stopped from outside"):
            train_dense.main("toy")
    said = capfd.readouterr().err
    assert "toy r00" in said
    assert "Traceback" not in said
