"""The progress line of a training run: how far it is, how fast it is, and what its checkpoints contained."""

import io
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline import executors
from pipeline.dag import experiment, order
from pipeline.executors import progress, tally
from pipeline.executors.progress import Progress
from pipeline.executors.reached import Reached
from pipeline.files import store
from pipeline.settings import places
from pipeline.tasks.classification import classification
from tests import lottery


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The last entry is the current time."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[-1])
    return now


def test_a_resumed_training_begins_at_what_was_done_and_its_rate_is_of_new_work(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    bar = Progress("toy r01", 5000)
    bar.update(3000, 3000)
    clock.append(clock[-1] + 20)
    bar.update(3400, 3000)
    first, second = capsys.readouterr().err.splitlines()
    assert re.search(r"3000/5000\b.*\b3000\b.* checkpoint", first)
    assert "/s" not in first
    assert re.search(r"3400/5000 .* 20/s, 01:20 left", second)  # 400 of them in 20 s; 1600 are left


def test_a_new_training_begins_at_0(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progress("toy r01", 5000)
    bar.update(0, 0)
    clock.append(clock[-1] + 5)
    bar.update(100, 0)  # too soon for another line
    clock.append(clock[-1] + 15)
    bar.update(400, 0)
    assert capsys.readouterr().err.splitlines() == [
        "toy r01: 0/5000 iterations", "toy r01: 400/5000 iterations, 20/s, 03:50 left",
    ]  # fmt: skip


def test_the_bar_of_a_terminal_does_not_count_a_checkpoint_as_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Progress("toy r01", 5000)
    bar.update(3000, 3000)
    bar.update(3400, 3000)
    assert (bar.bar.n, bar.bar.initial) == (3400, 3000)  # tqdm's rate is (n - initial) / time
    assert "60%" in terminal.getvalue()
    bar.close()


def test_executors_tell_what_came_from_checkpoints() -> None:
    """The first report of a group is its starting point."""

    def work(group: Sequence[int], report: Callable[[int], None], stopped: Any) -> None:
        for done in (40, 50, 100) if 0 in group else (0, 50, 100):
            report(done)

    reports: list[tuple[int, int]] = []
    job: Any = SimpleNamespace(run=work, device=torch.device("cpu"))
    executors.dispatch(job, [[0], [1]], lambda done, resumed: reports.append((done, resumed)))
    assert reports[-1] == (200, 40)


def test_work_that_is_lost_is_counted_no_longer() -> None:
    reports: list[tuple[int, int]] = []
    counted = tally.Tally(lambda done, resumed: reports.append((done, resumed)))
    counted.count("whole", 60)
    counted.forget("whole")
    counted.count("half", 0)
    counted.count("half", 10)
    assert reports == [(60, 60), (0, 0), (10, 0)]


CHAIN = "experiments/digits/dvc.yaml"


def test_every_stage_of_a_chain_comes_after_those_that_it_depends_on() -> None:
    """As `dvc repro` runs them, but without DVC, which takes a second to import."""
    content = experiment.stages(lottery.bound("digits"))
    found, stages = order.order(content), dict(order.filled(content))
    assert len(found) == len(stages) == 14
    assert found[:4] == ["train_dense", "prune@r01", "retrain@r01", "prune@r02"]
    made: set[str] = set()
    for name in found:
        assert not [path for path in stages[name]["deps"] if path.startswith("work/digits/") and path not in made], name
        made |= {*order.made(stages[name])}


@pytest.mark.parametrize(
    ("stage", "title"),
    [
        (f"{CHAIN}:retrain@r01", "stage 3 of 14: digits r01"),
        (f"{CHAIN}:plot", "stage 14 of 14: digits r01"),
        (f"{CHAIN}:retrain@r99", "digits r01"),  # of another version of the file
        ("experiments/nowhere/dvc.yaml:train_dense", "digits r01"),
        ("report", "digits r01"),  # of the file in the root
        ("", "digits r01"),  # run without DVC
    ],
)
def test_a_stage_says_its_place_in_its_chain(
    stage: str, title: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lottery.ROOT)
    assert places.chain("digits").as_posix() == CHAIN
    monkeypatch.setenv("DVC_STAGE", stage)
    Progress("digits r01", 100).update(0, 0)
    assert capsys.readouterr().err == f"{title}: 0/100 iterations\n"


def test_a_long_name_leaves_room_for_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    bar = Progress("conv2_dropout_cpu one_shot_reinit_r07 21.1%, 15 lanes", 123456, lambda: "accuracy 97.91% (2 of 5)")
    bar.bar.ncols, bar.bar.dynamic_ncols = 100, None  # a text has no width of its own
    bar.update(0, 0)
    bar.bar.start_t -= 360
    bar.bar.update(98765)
    bar.bar.refresh()
    last = terminal.getvalue().rsplit("\r", 1)[1].rstrip()
    assert len(last) <= 100
    assert last.startswith("conv2_dropout_cpu one_shot_reinit_r07") and last.endswith("it/s, accuracy 97.91% (2 of 5)")
    bar.close()


def test_the_accuracy_of_lanes_that_have_ended_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the stage that trains them, from the files that they leave."""
    lanes = [SimpleNamespace(name=f"seed{seed}") for seed in (1, 2, 3)]
    setup = SimpleNamespace(task=classification())
    job: Any = SimpleNamespace(folder=tmp_path, lanes=lanes, setup=setup)
    bar = Progress("toy r01", 300, Reached(job))
    bar.update(0, 0)
    for seed, value in ((1, 0.9), (2, 0.92), (3, 1.0)):
        store.write_json(tmp_path / f"seed{seed}/lane.json", {"accuracy_at_early_stop": value})
        told = bar.reached()
        assert told == {1: "accuracy 90.00% (1 of 3)", 2: "accuracy 91.00% (2 of 3)", 3: "accuracy 94.00%"}[seed]
    bar.update(300, 0)
    bar.close()
    first, last = capsys.readouterr().err.splitlines()
    assert first == "toy r01: 0/300 iterations"
    assert last.startswith("toy r01: 300/300 iterations, ") and last.endswith(", accuracy 94.00%")
