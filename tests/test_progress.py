"""The progress line of a training run: how far it is, how fast it is, and what its checkpoints contained."""

import io
import re
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline import executors
from pipeline.executors import progress, tally
from pipeline.executors.progress import Progress


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
    assert "3000/5000" in terminal.getvalue()
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
