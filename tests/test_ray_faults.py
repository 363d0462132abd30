"""Clusters of three nodes on this machine that lose nodes, workers, memory and drivers: the bytes of an undisturbed run."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.values import paths
from tests import lottery, rayed
from tests.test_resume import until

pytestmark = pytest.mark.slow

# The network of the workers is slow, and its module lets them save a checkpoint at every evaluation. FLAG is a file in whose
# presence the first worker that sees it does what stands in it, after so many steps.
NET = """
import os, pathlib, signal, time
from torch import nn
from pipeline.run import job

FLAG = pathlib.Path({flag!r})
job.CHECKPOINT_EVERY = 0


class Slow(nn.Module):
    def __init__(self, size, outputs):
        super().__init__()
        self.inner, self.steps = nn.Sequential(nn.Flatten(), nn.Linear(size, 8), nn.Tanh(), nn.Linear(8, outputs)), 0

    def forward(self, x):
        self.steps += 1
        if self.training and self.steps > {after} and os.environ.get("RAY_JOB_ID") and FLAG.exists():
            what = FLAG.read_text()
            if what != "always":
                FLAG.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep({pause} if self.training else 0)
        return self.inner(x)


def net(shape, outputs):
    return Slow(shape[0] * shape[1] * shape[2], outputs)
"""
STEPS = 300
RUN = "from stages import run_stage, train_dense; run_stage(train_dense.main)"


class Stage:
    """A repository whose dense lanes are to be trained."""

    def __init__(self, folder: Path, pause: float = 0.02, after: int = 150, model: str = "own:net") -> None:
        self.folder, self.flag = folder, folder / "flag"
        training = {"iterations": STEPS, "batch_size": 20, "evaluate_every": 25}
        params = lottery.params(toy=lottery.experiment(model={"name": model}, training=training))
        with rayed.repository(folder, params, NET.format(flag=str(self.flag), pause=pause, after=after)):
            pass

    def start(self, before: str = "", **environment: str) -> subprocess.Popen[str]:
        return rayed.started(before + RUN, self.folder, "toy", **environment)

    def lanes(self) -> dict[str, bytes]:
        """Without lane.json, whose keys depend on the code of the network: on how long it sleeps."""
        found = lottery.files(self.folder / paths.lanes("toy", "r00"))
        assert len(found) == 2 * 5
        return {name: content for name, content in found.items() if not name.endswith("lane.json")}

    def checkpoints(self) -> list[Path]:
        return list((self.folder / paths.CHECKPOINTS).glob("*.safetensors"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The lanes without Ray and without a fault."""
    stage = Stage(tmp_path_factory.mktemp("expected"), pause=0)
    said(stage.start(LOTTERY_EXECUTOR="local"))
    return stage.lanes()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def three() -> Iterator[rayed.Cluster]:
    """The driver's node has no CPU for lanes; each of two others has one, and the last one has two."""
    with rayed.cluster({"num_cpus": 0}, {"num_cpus": 1}, {"num_cpus": 1}) as started:
        yield started


def said(process: subprocess.Popen[str], code: int = 0) -> str:
    _, errors = process.communicate(timeout=600)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    return errors


def resumed(errors: str) -> int:
    """The lane-iterations that came from checkpoints, as the progress line says."""
    return max(map(int, re.findall(r"(\d+) of them from checkpoints", errors)), default=0)


def test_a_node_that_is_removed_in_the_middle(stage: Stage, three: rayed.Cluster, expected: dict[str, bytes]) -> None:
    process = stage.start(**three.environment)
    until(lambda: len(stage.checkpoints()) == 2, 300)
    three.remove()
    errors = said(process)
    assert re.search(r"warning: the worker of toy/r00/seed[12] was lost \(.*\); another one goes on from", errors)
    assert stage.lanes() == expected
    assert not stage.checkpoints()


def test_a_worker_that_is_killed_goes_on_from_its_checkpoint(
    stage: Stage, three: rayed.Cluster, expected: dict[str, bytes]
) -> None:
    stage.flag.write_text("once")
    errors = said(stage.start(**three.environment))
    assert errors.count("was lost") == 1
    assert not stage.flag.exists()
    assert stage.lanes() == expected


def test_a_worker_that_is_killed_again_and_again_ends_with_one_sentence(tmp_path: Path, three: rayed.Cluster) -> None:
    stage = Stage(tmp_path, after=0)
    stage.flag.write_text("always")
    errors = said(stage.start(**three.environment), 1)
    last = errors.strip().splitlines()[-1]
    assert re.search(r"^error: the worker of toy/r00/seed[12] was lost 3 times in a row, perhaps for lack of memory", last)
    assert not (stage.folder / paths.lanes("toy", "r00")).exists()


def test_workers_that_are_out_of_memory(stage: Stage) -> None:
    """Ray's monitor kills workers when the machine uses more memory than its threshold, here almost none."""
    config = {"memory_usage_threshold": 0.01, "memory_monitor_refresh_ms": 100}
    with rayed.cluster({"num_cpus": 2, "_system_config": config}) as started:
        errors = said(stage.start(**started.environment), 1)
    assert re.search(r"^error: .* was lost 3 times in a row, perhaps for lack of memory .*OutOfMemory", errors.splitlines()[-1])


@pytest.mark.parametrize(
    ("how", "local"), [(signal.SIGKILL, True), (signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGINT, True)]
)
def test_a_driver_that_is_stopped_and_started_again(
    how: signal.Signals, local: bool, stage: Stage, expected: dict[str, bytes]
) -> None:
    with rayed.cluster({"num_cpus": 2}) as started:
        environment = started.environment | ({"RAY_ADDRESS": "local"} if local else {})
        process = stage.start(**environment)
        until(lambda: len(stage.checkpoints()) == 2, 300)
        if how == signal.SIGINT:  # as a terminal sends it: to the cluster on this machine too
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        errors = said(process, -how if how == signal.SIGKILL else 130)
        assert how == signal.SIGKILL or "stopped; the same command goes on from the last checkpoint" in errors
        until(lambda: not rayed.workers(), 120)
        assert len(stage.checkpoints()) == 2
        errors = said(stage.start(**environment))
    assert resumed(errors) > 0
    assert stage.lanes() == expected
    assert not stage.checkpoints()


def test_a_full_cluster_is_waited_for_and_said(stage: Stage, expected: dict[str, bytes]) -> None:
    with rayed.cluster({"num_cpus": 0}) as started:
        process = stage.start(**started.environment)
        assert process.stderr is not None
        found = ""
        while "waits for a worker" not in found:
            found = process.stderr.readline()
        assert found.strip() == "the stage waits for a worker; 0 of 0 CPUs of the Ray cluster are free"
        started.add(num_cpus=2)
        said(process)
    assert stage.lanes() == expected


def test_a_node_with_another_torch_is_refused(stage: Stage, three: rayed.Cluster) -> None:
    other = "from pipeline.executors import ray\nray.versions = lambda: {'torch': '1.0'}\n"
    process = stage.start(other, **three.environment)
    errors = said(process, 1)
    assert re.search(r"^error: the node .* has torch \S+, but should have 1\.0 like this machine, because", errors, re.M)


def test_a_node_with_other_code_outside_the_repository_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, more in (("ours", ""), ("theirs", "# another version")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(rayed.NET + more)
    monkeypatch.syspath_prepend(tmp_path / "ours")
    stage = Stage(tmp_path, model="mine:net")
    with rayed.cluster({"num_cpus": 1}, PYTHONPATH=str(tmp_path / "theirs")) as started:
        errors = said(stage.start(**started.environment | {"PYTHONPATH": str(tmp_path / "ours")}), 1)
    assert re.search(r"^error: the node .* of the Ray cluster cannot be used: its code is not that of this machine", errors, re.M)
