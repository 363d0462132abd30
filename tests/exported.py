"""Trained lanes to export, and what an export says and computes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.export.__main__ import main
from tests import lottery, toy

OWN = {"name": "tests.toy:normed", "width": 2}  # convolution and batch norm


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every lane of two experiments is trained."""
    found = tmp_path_factory.mktemp("trained")
    toys = {
        "toy": lottery.experiment(),
        "own": lottery.experiment(model=OWN, init="model", seeds=[1], arms={}) | {"pruning": _pruning(conv=0.4, output=0.2)},
    }
    with lottery.repository(found, lottery.params(**toys)):
        lottery.run("toy")
        lottery.run("own", "r00", "r01")
    return found


def _pruning(**rates: float) -> dict[str, Any]:
    return {"criterion": "magnitude", "scope": "layer", "rates": rates, "rounds": 3}


@pytest.fixture
def root(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that repository, as the working folder."""
    copy = tmp_path / "repository"
    shutil.copytree(trained, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def export(to: Path, *arguments: str, experiment: str = "toy", item: str = "r02", seed: int = 1) -> Path:
    """Exports a lane without ONNX, which takes seconds, unless the arguments ask for it."""
    formats = () if "--network" in arguments or "--register" in arguments else ("--network", "none")
    assert main([experiment, item, "--seed", str(seed), "--to", str(to), *formats, *arguments]) == 0
    return to


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence with which an export is refused."""
    assert main(list(arguments)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    return said.err


def outputs_of(item: str, lane: str, experiment: str = "toy", layers: int = 3) -> np.ndarray:
    """What a LeNet's trained weights compute for the test images, in NumPy and in double precision."""
    weights = {n: a.astype(np.float64) for n, a in lottery.arrays(experiment, item, lane, "trained").items()}
    data = toy.bundle()
    assert data.scale is not None and data.shift is not None
    hidden = (data.test_inputs * data.scale.astype(np.float64) + data.shift).reshape(len(data.test_inputs), -1)
    for name in [f"fc{i}" for i in range(1, layers)]:
        hidden = np.maximum(hidden @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], 0)
    return hidden @ weights["output.weight"].T + weights["output.bias"]


def outside(script: str, where: Path, **environment: str) -> str:
    """What a script prints in a process that does not know this repository."""
    command = [sys.executable, "-I", "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=where, env={"PATH": "", **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_of(card: Path, holding: str) -> str:
    """The block of code in a card that has this text."""
    [found] = [block for block in re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL) if holding in block]
    return str(found)
