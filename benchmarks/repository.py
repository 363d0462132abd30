"""Repositories in a folder: each has this one's code and its own params.yaml, DVC files and data, outside git."""

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.dag import written
from pipeline.domain.bundle import Bundle
from pipeline.files import datasets, store
from pipeline.settings import config, measured
from pipeline.values import paths

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / ".dvc" / "config").read_text() + "    no_scm = true\n"


def params() -> Any:
    """Returns the content of params.yaml, which the caller may change, without reports of experiments in other files."""
    content = YAML(typ="safe").load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key != "reports"}


def create(folder: Path, content: Any, data: Mapping[str, Bundle]) -> Path:
    """Creates a repository. content: of its params.yaml. data: the bundles by the names of their files."""
    for name in ("pipeline", "stages"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / ".dvcignore", folder)
    with chdir(folder):
        YAML(typ="safe").dump(content, paths.PARAMS)
        for path, text in written.expand(config.load(), config.load().experiments).items():
            store.write_bytes(path, text.encode())
        for name, bundle in data.items():
            datasets.write_bundle(paths.data(name), bundle)
    return folder


def python(folder: Path, *arguments: str, **environment: str) -> str:
    """Runs Python there, without tracking, and returns what it prints. Raises: RuntimeError when it fails."""
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    python_path = os.pathsep.join([str(folder), str(ROOT)])
    env = os.environ | {"PATH": scripts, "PYTHONPATH": python_path, "LOTTERY_TRACKING": "off", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=env | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return python(folder, "-m", "dvc", *arguments)


def dvc_seconds(folder: Path, *arguments: str) -> float:
    started = time.perf_counter()
    dvc(folder, *arguments)
    return time.perf_counter() - started


def init_dvc(folder: Path) -> None:
    dvc(folder, "init", "--no-scm", "--quiet")
    (folder / ".dvc" / "config").write_text(SETTINGS)


def make(name: str) -> None:
    """Runs every stage of an experiment and the main report in this process and working directory, without DVC."""
    from stages import aggregate, control, examine, experiment_of, plot, prune, report, retrain, train_dense

    lottery = experiment_of(name).lottery
    with redirect_stderr(io.StringIO()):
        for item in lottery.items():
            argument = f"{name}/{item.name}"
            if item == lottery.dense:
                train_dense.main(name)
            elif lottery.is_control(item):
                control.main(argument)
            else:
                prune.main(argument)
                retrain.main(argument)
        aggregate.main(name)
        if measured.is_examined(lottery.experiment):
            examine.main(name)
        plot.main(name)
        report.main("main")
