"""What the machine does during a training is sampled without growing, and the note about a training survives any content."""

from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pytest
import torch

from pipeline.executors import checkout, hardware, runtime, sampler
from pipeline.executors.sampler import MOST, SECONDS, Sampler
from pipeline.files import store
from pipeline.tracking.training import SYSTEM, Training
from pipeline.values import paths
from pipeline.values.lanes import TICKET, Item
from tests import lottery

ITEM = Item("toy", 1, TICKET)
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def sampled(seconds: float, every: float, measure: Callable[[float], float], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The columns after a training that reports its progress in such steps. measure: what is measured at a time."""
    clock = Clock()
    monkeypatch.setattr(sampler, "_processor", lambda: {"load": measure(clock.time)})
    reports: list[tuple[int, int]] = []
    watching = Sampler(CPU, clock)
    report = watching.watching(lambda done, resumed: reports.append((done, resumed)))
    steps = round(seconds / every)
    for step in range(1, 1 + steps):
        clock.time = step * every
        report(step, 0)
    assert reports == [(step, 0) for step in range(1, 1 + steps)]
    return watching.columns()


def test_a_short_training_has_a_sample_of_each_second_and_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sampled(3.5, 0.5, lambda now: now, monkeypatch)
    assert found == {"load": [1, 2, 3, 3.5], SECONDS: [1, 2, 3, 3.5]}
    assert sampled(0.05, 0.05, lambda now: now, monkeypatch) == {}
    assert sampled(0.2, 0.1, lambda now: now, monkeypatch) == {"load": [0.2], SECONDS: [0.2]}


def test_a_long_training_has_averages_of_longer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sampled(1000.0, 1.0, lambda now: now, monkeypatch)
    assert MOST // 2 <= len(found[SECONDS]) <= MOST
    assert found[SECONDS] == sorted(found[SECONDS]) and found[SECONDS][-1] == 1000
    spans = zip([0.0, *found[SECONDS]], found["load"], found[SECONDS], strict=False)
    assert all(began < load <= ended for began, load, ended in spans)
    assert found["load"][0] < found[SECONDS][0]  # the mean of several samples, and not one of them


def test_a_gpu_is_sampled_where_its_counters_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: type("Gpu", (), {"total_memory": 8e9}))
    monkeypatch.setattr(torch.cuda, "device_memory_used", lambda i: 2e9)
    monkeypatch.setattr(torch.cuda, "utilization", lambda i: 40 + i)
    monkeypatch.setattr(torch.cuda, "power_draw", lambda i: 70_000)
    found = sampler._gpus(CUDA)
    assert len(found) == 8
    assert (found["gpu_1_utilization_percentage"], found["gpu_0_memory_usage_percentage"]) == (41, 25)
    assert (found["gpu_0_memory_usage_megabytes"], found["gpu_1_power_usage_watts"]) == (2000, 70)
    monkeypatch.setattr(torch.cuda, "utilization", lambda i: (_ for _ in ()).throw(ModuleNotFoundError("nvidia-ml-py")))
    assert sampler._gpus(CUDA) == sampler._gpus(CPU) == {}


def test_the_package_through_which_torch_reads_those_counters_is_required() -> None:
    """No other test would miss it, because none has a GPU."""
    pin = f"nvidia-ml-py=={version('nvidia-ml-py')}"
    assert find_spec("pynvml") is not None
    for file in ("requirements.txt", "constraints.txt"):
        assert pin in {line.partition(" #")[0] for line in (lottery.ROOT / file).read_text().splitlines()}


def test_the_note_tells_commit_machine_versions_and_samples(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    system = {SECONDS: [1.0, 4.0], "cpu_utilization_percentage": [50.0, 100.0]}
    runtime.write(ITEM, CPU, 4.0, system, {"commit": "c" * 40, "is_dirty": False}, "local", 0.25)
    training = Training.of(ITEM)
    began, ended = training.span(0)
    assert ended - began == 4000
    assert {"resumed": "25%", "mlflow.source.git.commit": "c" * 40, "executor": "local"}.items() <= training.tags.items()
    assert training.tags["hardware.cores"] == str(hardware.cores())
    assert training.tags["versions.torch"] == torch.__version__
    points = [(point.key.removeprefix(f"{SYSTEM}/"), *point[1:]) for point in training.samples]
    assert points == [("cpu_utilization_percentage", 0, 50, 0.25), ("cpu_utilization_percentage", 1, 100, 1)]


@pytest.mark.parametrize(
    "note",
    [
        {"training_seconds": "x", "finished": [], "hardware": 3, "system": {"a": 1}},
        {"training_seconds": float(10**300), "finished": 1e300},
        {"training_seconds": -1.0, "finished": 1e9, "system": {SECONDS: ["x"], "a": [1]}},
        {"training_seconds": 1.0, "system": {SECONDS: [1], "a b/c": [1], "b": [10**400], "c": {}}, "versions": {"": []}},
    ],
)
def test_a_note_with_other_content_counts_as_missing(
    note: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store.write_json(paths.runtime("toy", "r01"), note)
    training = Training.of(ITEM)
    began, ended = training.span(10**12)
    assert 0 <= began <= ended <= 10**15
    assert training.samples == []
    assert all(key and isinstance(value, str) for key, value in training.tags.items())


def test_outside_git_there_is_no_commit(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert checkout.now() == {}
