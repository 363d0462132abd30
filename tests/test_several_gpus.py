"""A stage's lanes on several GPUs. There is none here: processes that are told of two GPUs train on the CPU."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline import executors
from pipeline.executors import several_gpus
from pipeline.executors.stop import Stop
from pipeline.executors.work import apart, split
from tests import lottery, rayed, toy


@pytest.mark.parametrize(
    ("groups", "gpus", "expected"),
    [
        ([range(5)], 2, [(0, 1, 2), (3, 4)]),
        ([range(2)], 8, [(0,), (1,)]),
        ([[0], [1], [2]], 2, [(0,), (1,), (2,)]),  # a network that cannot be batched
        ([[0, 1], [2, 3]], 2, [(0, 1), (2, 3)]),
    ],
)
def test_lanes_are_divided_evenly_and_none_is_lost(groups: Any, gpus: int, expected: Any) -> None:
    assert split(groups, gpus) == expected


def test_in_bf16_each_lane_is_alone_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert apart(toy.precise("fp32"), [range(3)]) == [range(3)]
    assert apart(toy.precise("bf16"), [[0], [1]]) == [[0], [1]]
    assert capsys.readouterr().err == ""
    assert apart(toy.precise("bf16"), [range(2), range(2, 3)]) == [[0], [1], [2]]
    assert "in bf16, lanes are trained one at a time" in capsys.readouterr().err


def test_what_is_sent_to_a_gpu_is_apart_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(several_gpus, "run", lambda job, groups, report, stop: seen.extend(groups))
    job: Any = SimpleNamespace(device=torch.device("cuda"), setup=toy.precise("bf16"))
    executors.dispatch(job, [range(3)], print)
    assert seen == [[0], [1], [2]]


@pytest.mark.parametrize(("gpus", "lanes"), [(["0"], 3), (["0", "1"], 1), ([], 3)])
def test_one_gpu_or_one_lane_needs_no_other_process(gpus: list[str], lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_gpus, "devices", lambda: gpus)
    seen: list[Any] = []
    job: Any = SimpleNamespace(run=lambda group, report, stop: seen.append(group))  # which could not be sent
    several_gpus.run(job, [range(lanes)], print, Stop(None))
    assert seen == [range(lanes)]


def test_the_visible_gpus_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_gpus.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5,3")
    assert several_gpus.devices() == ["GPU-5", "3"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert several_gpus.devices() == ["0", "1"]


# The network tells which GPU its process sees.
NET = """
import os, pathlib
from torch import nn

def net(shape, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 8), nn.Tanh(), nn.Linear(8, outputs))

with pathlib.Path("seen").open("a") as file:
    print(os.environ.get("CUDA_VISIBLE_DEVICES"), file=file)
"""
TRAIN = """
import os
from pipeline import executors
from pipeline.executors import processes, several_gpus
from pipeline.executors.stop import Stop
from stages import train_dense
several_gpus.devices = lambda: ["5", "7"]
executors.dispatch = lambda job, groups, report: processes.run(job, [(0, 1), (2,)], report, Stop(None))
train_dense.main("toy")
os.rename("work/toy/r00", "local")
executors.dispatch = lambda job, groups, report: several_gpus.run(job, [range(3)], report, Stop(None))
train_dense.main("toy")
executors.dispatch = lambda job, groups, report: several_gpus.run(job, [range(2)], report, Stop(None))
try:
    train_dense.main("wild")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_each_gpu_has_a_process_with_its_share_of_the_lanes(tmp_path: Path) -> None:
    """The bytes are those of the same groups in this process; the sentence of a lane that fails comes back."""
    own = {"name": "own:net"}
    params = lottery.params(
        toy=lottery.experiment(model=own, seeds=[1, 2, 3]),
        wild=lottery.experiment(model=own, optimizer={"name": "sgd", "lr": 1e38}),
    )
    with rayed.repository(tmp_path, params, NET):
        process = rayed.started(TRAIN, tmp_path, LOTTERY_EXECUTOR="local")
        output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert lottery.files(tmp_path / "local") == lottery.files(tmp_path / "work/toy/r00")
    assert sorted((tmp_path / "seen").read_text().split()[:3]) == ["5", "7", "None"]  # the stage itself, and one for each GPU
    assert output.startswith("UserError lane wild/r00/seed")
