"""A stage whose DVC is gone ends by itself, wherever it is: nothing of a killed run may write beside the next `dvc repro`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.executors import waiting
from pipeline.values import paths
from tests import lottery
from tests.test_resume import until

# So long that nothing here ends by itself; and without an evaluation, at which lanes look whether they should stop.
ENDLESS = {"iterations": 10_000_000, "batch_size": 20, "evaluate_every": 1000}
SELDOM = ENDLESS | {"evaluate_every": 1_000_000}
PARAMS = lottery.params(
    toy=lottery.experiment(), endless=lottery.experiment(training=ENDLESS), seldom=lottery.experiment(training=SELDOM)
)
RUN = "from stages import run_stage, {stage}; run_stage({stage}.main)"
# As DVC does it: it notes itself in its lock, has a shell run the command, and waits. The shell stays, as some do.
DVC = """
import json, os, pathlib, subprocess, sys
lock = pathlib.Path(".dvc/tmp/rwlock")
lock.parent.mkdir(parents=True, exist_ok=True)
lock.write_text(json.dumps({"write": {"/an/output": {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}}))
command = subprocess.Popen([*sys.argv[1:]], env=os.environ | {"DVC_STAGE": "a stage"})
if "DIES" not in os.environ:
    command.wait()
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with lottery.repository(tmp_path, PARAMS):
        yield tmp_path
        for process in of(tmp_path):
            process.kill()


def under_dvc(code: str, argument: str, **environment: str) -> subprocess.Popen[str]:
    shell = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", code, argument]
    return subprocess.Popen(
        [sys.executable, "-c", DVC, *shell], env=lottery.environment() | environment, stderr=subprocess.PIPE, text=True
    )


def of(folder: Path) -> list[psutil.Process]:
    """The processes that run in a folder, other than this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_stage_that_begins_when_its_dvc_is_gone_writes_nothing(root: Path) -> None:
    lottery.run("toy", "r00")
    stage = RUN.format(stage="prune")
    _, said = under_dvc(stage, "toy/r01", DIES="at once").communicate(timeout=60)  # which is when the stage ends
    assert said == "stopped; the same command goes on from the last checkpoint\n"
    assert not paths.masks("toy", "r01").exists()
    assert under_dvc(stage, "toy/r01").communicate(timeout=60) == (None, "")  # a DVC that waits
    assert paths.masks("toy", "r01").exists()


def test_a_stage_is_interrupted_when_its_dvc_dies(root: Path) -> None:
    """Not only those that train: a download or an examination may take minutes too."""
    code = "import time; from pipeline.executors import waiting; waiting.begin(); open('begun', 'w'); time.sleep(600)"
    dvc = under_dvc(code, "")
    until(lambda: Path("begun").exists())
    assert len(of(root)) == 3  # with the shell
    dvc.kill()  # and nobody waits for it: a dead process that is still in the system's table
    until(lambda: not of(root), 20)
    assert "KeyboardInterrupt" in dvc.communicate()[1]


def test_dvc_s_lock_may_be_incomplete_while_another_dvc_writes_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'{{"write": {{"an/output": {{"pid": {os.getppid()}, "cmd": "dvc repro"}}}}}}'
    waiting.DVC_LOCK.parent.mkdir(parents=True)
    waiting.DVC_LOCK.write_text(text[:30])
    monkeypatch.setenv(waiting.UNDER_DVC, "a stage")
    monkeypatch.setattr(time, "sleep", lambda seconds: waiting.DVC_LOCK.write_text(text))
    assert waiting._dvc.__wrapped__() == os.getppid()


CTRL_C = "import os, signal; os.kill(os.getpid(), signal.SIGINT); raise RuntimeError"
HIDDEN = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    raise ImportError"


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", CTRL_C, HIDDEN])
@pytest.mark.parametrize("module", ["numpy", "ruamel"])  # imported before a stage begins, and when it reads its settings
def test_ctrl_c_while_a_stage_imports_its_modules_shows_no_traceback(code: str, module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(code)
    command = [sys.executable, "-m", "stages.prune", "toy/r01"]
    environment = lottery.environment() | {"PYTHONPATH": str(tmp_path)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the background of a script ignores it, and so would the stage
    done = subprocess.run(command, cwd=lottery.ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("stopped; the same command goes on from the last checkpoint\n", 130)


def test_ctrl_c_while_python_ends_shows_no_traceback(root: Path) -> None:
    """A library cleans up after the stage has ended."""
    code = "import atexit, os, signal; atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), sum(range(1000))))\n"
    code += "from stages import run_stage; run_stage(lambda item: None)"
    done = subprocess.run(
        [sys.executable, "-c", code, "toy"], env=lottery.environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "victim"), [("endless", "dvc"), ("seldom", "dvc"), ("seldom", "stage")])
def test_lanes_of_a_killed_run_end_soon(experiment: str, victim: str, root: Path) -> None:
    """Those that reach an evaluation save a checkpoint; the others do not go on until they reach it."""
    dvc = under_dvc(RUN.format(stage="train_dense"), experiment)
    until(lambda: len(of(root)) == 5)  # DVC, the shell, the stage and two lanes
    time.sleep(3)  # they train
    (dvc if victim == "dvc" else psutil.Process(dvc.pid).children()[0].children()[0]).send_signal(signal.SIGKILL)
    until(lambda: not of(root), 30)  # 7 seconds, on a machine that does nothing else
    assert "Traceback" not in dvc.communicate()[1]
    assert not paths.lanes(experiment, "r00").exists()
    checkpoints = list(paths.CHECKPOINTS.glob("*.safetensors"))
    assert len(checkpoints) == (2 if experiment == "endless" else 0)
