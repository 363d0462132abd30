"""The executor on a Ray cluster: the bytes of the local one, and one sentence for whatever cannot work.

The workers are real processes of a real cluster of one node; tests/test_ray_faults.py has clusters of several nodes.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import executors
from pipeline.executors import ray_cluster, scratch
from pipeline.executors.ray_worker import End, News, Worker, fingerprint
from pipeline.files import checkpoints, store
from pipeline.values import paths
from pipeline.values.errors import UserError
from tests import lottery, rayed, toy

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
OWN = {"name": "own:net"}
PARAMS = lottery.params(
    toy=lottery.experiment(model=OWN, seeds=[1, 2, 3]),
    wild=lottery.experiment(model=OWN, optimizer={"name": "sgd", "lr": 1e38}),
)
# A CPU trains two of the lanes as one batch here, as a GPU would.
TRAIN = """
import os, sys
from pipeline.run import device
from stages import train_dense
device.groups = lambda *_: ([0, 1], [2])
os.environ["LOTTERY_EXECUTOR"] = "local"
train_dense.main("toy")
os.rename("work/toy/r00", "local")
os.environ["LOTTERY_EXECUTOR"] = "ray"
train_dense.main("toy")
device.groups = lambda *_: ([0], [1])
try:
    train_dense.main("wild")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A repository whose lanes were trained twice, and what the process said."""
    folder = tmp_path_factory.mktemp("trained")
    with rayed.cluster({"num_cpus": 2}) as cluster, rayed.repository(folder, PARAMS):
        process = rayed.started(TRAIN, folder, **cluster.environment)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return folder, output, errors


@pytest.mark.slow
def test_a_cluster_gives_the_bytes_of_the_local_executor(trained: tuple[Path, str, str]) -> None:
    """For a lane alone and for a batch; the model is a plug-in of the user's in the repository."""
    folder, _, errors = trained
    local, ray = lottery.files(folder / "local"), lottery.files(folder / "work/toy/r00")
    assert len(local) == 3 * (5 + 1) + 1  # masks and layers.json too
    assert local == ray
    there = {"pipeline", "stages", "tests", "own.py", "params.yaml", "experiments", "dvc.yaml", "work", ".lottery", "local"}
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == there


@pytest.mark.slow
def test_the_sentence_of_a_lane_that_fails_comes_back(trained: tuple[Path, str, str]) -> None:
    folder, output, errors = trained
    sentence = r"UserError lane wild/r00/seed[12]: the training loss is (nan|inf) at iteration \d+; a smaller optimizer.lr .*"
    assert re.fullmatch(sentence, output.strip())
    assert not (folder / "work/wild/r00/lanes").exists()
    assert "Traceback" not in errors
    assert "warning" not in errors.lower()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"LOTTERY_EXECUTOR": "dask"}, "LOTTERY_EXECUTOR is 'dask', but should be local or ray"),
        ({"LOTTERY_RAY_GPUS_PER_TASK": "2"}, "LOTTERY_RAY_GPUS_PER_TASK is '2', but should be the share of a GPU .* to 1"),
        ({"LOTTERY_RAY_GPUS_PER_TASK": "half"}, "LOTTERY_RAY_GPUS_PER_TASK is 'half', but should be"),
        ({"LOTTERY_RAY_GPUS_PER_TASK": "nan"}, "LOTTERY_RAY_GPUS_PER_TASK is 'nan', but should be"),
        ({"RAY_ADDRESS": "ray://127.0.0.1:10001"}, "RAY_ADDRESS is ray://127.0.0.1:10001, but should be host:port"),
        ({"RAY_ADDRESS": "127.0.0.1:port"}, "RAY_ADDRESS is 127.0.0.1:port, where nothing answers"),
    ],
)
def test_an_environment_that_cannot_work_is_refused(
    environment: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOTTERY_EXECUTOR": "ray", **environment}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"^{sentence}"):
        executors.dispatch(SimpleNamespace(device=CPU), [[0]], print)


def test_an_address_at_which_nothing_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # it does not listen
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{bound.getsockname()[1]}")
        sentence = r"^RAY_ADDRESS is 127.0.0.1:\d+, where nothing answers \(.*refused\), but should be the address of .* cluster$"
        with pytest.raises(UserError, match=sentence), ray_cluster.connected(1):
            pass


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    sentence = r"^LOTTERY_EXECUTOR is ray, but Ray is not installed; `make ray` installs it$"
    with pytest.raises(UserError, match=sentence), ray_cluster.connected(1):
        pass


class Lanes:
    """As much of a job as `spread` looks at."""

    def __init__(self, lanes: int, device: torch.device, precision: str = "fp32") -> None:
        self.lanes, self.device = range(lanes), device
        self.setup = toy.precise(precision)


@pytest.mark.parametrize(
    ("device", "given", "slots", "whole", "expected"),
    [
        (CPU, [[0], [1], [2]], 0, [], [(0,), (1,), (2,)]),  # no GPU anywhere
        (CUDA, [range(3)], 4, [], [(0, 1, 2)]),  # a driver with a GPU: its own groups, and therefore its own bits
        (CUDA, [range(3)], 0, [], [(0,), (1,), (2,)]),  # a driver with a GPU, a cluster without one
        (CPU, [[0], [1], [2], [3], [4]], 2, [range(5)], [(0, 1, 2), (3, 4)]),  # only the cluster has GPUs
        (CPU, [[0], [1]], 8, [range(2)], [(0,), (1,)]),
        (CPU, [[0], [1], [2]], 2, [[0], [1], [2]], [(0,), (1,), (2,)]),  # a network that cannot be batched
    ],
)
def test_lanes_are_spread_over_the_gpus_of_a_cluster(
    device: torch.device, given: Any, slots: int, whole: Any, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.executors import ray

    monkeypatch.setattr(
        "pipeline.run.device.groups", lambda setup, lanes, of: whole if of == CUDA else pytest.fail("groups of a CPU")
    )
    assert ray.spread(Lanes(len(given) if device == CPU else 3, device), given, slots) == expected


def test_lanes_in_bf16_are_alone_on_the_gpus_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.executors import ray

    monkeypatch.setattr("pipeline.run.device.groups", lambda setup, lanes, of: [range(lanes)])
    assert ray.spread(Lanes(3, CPU, "bf16"), [[0], [1], [2]], 2) == [(0,), (1,), (2,)]


def test_the_code_of_the_repository_travels_and_nothing_else(tmp_path: Path) -> None:
    there = ["pipeline/run/job.py", "own/nets.py", "mine.py"]
    others = [
        "work/data/a.py",
        ".venv/lib/b.py",
        "env/lib/c.py",
        "own/__pycache__/d.py",
        "own/weights.bin",
        "reports/lenet/e.png",
    ]
    for name in (*there, *others, "env/pyvenv.cfg"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(name)
    (tmp_path / "root/own/loop").symlink_to(tmp_path / "root")
    ray_cluster._pack(tmp_path / "root", tmp_path / "packed")
    assert lottery.files(tmp_path / "packed") == {name: name.encode() for name in sorted(there)}


def worker(run: Callable[..., None], folder: Path) -> Worker:
    """One that has been prepared for a job without a cluster."""
    found, data = Worker(), toy.bundle()
    found.job = SimpleNamespace(run=run, setup=SimpleNamespace(bundle=data), folder=folder)
    found.data, found.sent, found.asked = fingerprint(data), {}, False
    return found


def test_a_network_that_writes_into_the_data_that_lanes_share_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        chosen.job.setup.bundle.test_inputs[0] += 1

    chosen = worker(run, tmp_path / "lanes")
    end = chosen.run((0,), {})
    assert end.problem == "the model or the task writes into the arrays of the data set, but should not, because lanes share them"
    assert not end.files


def test_a_worker_hands_over_what_it_wrote_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved = {"iteration": np.array(5)}

    def run(group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        assert store.read_arrays(paths.CHECKPOINTS / "old.safetensors") == {"iteration": 3}
        report(3)
        (paths.CHECKPOINTS / "old.safetensors").unlink()
        assert chosen.news(False) == News((1, 2), 3, 3, {})
        checkpoints.save(paths.CHECKPOINTS / "new.safetensors", saved)
        assert not stopped()
        assert chosen.news(True) == News((1, 2), 3, 3, {"new.safetensors": saved})
        assert stopped()
        assert chosen.news(False).checkpoints == {}  # it was handed over
        assert stopped()
        report(8)
        store.write_bytes(tmp_path / "lanes/seed1/lane.json", b"{}")

    chosen = worker(run, tmp_path / "lanes")
    end = chosen.run((1, 2), {"old.safetensors": {"iteration": np.array(3)}})
    assert end == End(News((1, 2), 8, 3, {"new.safetensors": saved}), {"seed1/lane.json": b"{}"})
    assert not lottery.files(tmp_path)


def test_an_error_of_a_plug_in_brings_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*_: Any) -> None:
        raise ZeroDivisionError("of mine")

    end = worker(run, tmp_path / "lanes").run((0,), {})
    assert end.problem.endswith("an error in this program or in a plug-in; its traceback is above")
    assert "ZeroDivisionError: of mine" in end.trace


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = "import os, sys; from pipeline.executors import scratch; print(scratch.make(), flush=True); os.kill(os.getpid(), 9)"
    mine = scratch.make()
    other = subprocess.run(
        [sys.executable, "-c", left], capture_output=True, text=True, check=False, cwd=lottery.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert {str(path) for path in tmp_path.iterdir()} == {str(mine), other.stdout.strip()}
    another = scratch.make()
    assert {*tmp_path.iterdir()} == {mine, another}
    for folder in (mine, another):
        scratch.remove(folder)
    assert not list(tmp_path.iterdir())
