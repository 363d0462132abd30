"""A clone of the repository in which `dvc repro` may be killed, and its run as a process whose output can be watched."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
from ruamel.yaml import YAML

from pipeline.files import store

ROOT = Path(__file__).parents[2]
CHAIN = Path("experiments/digits/dvc.yaml")
LOCKS = (Path("experiments/digits/dvc.lock"), Path("experiments/dvc.lock"))
MADE = (Path("work"), Path("reports"), Path("experiments"))
DVC = (sys.executable, "-m", "dvc")


class Clone:
    """The last commit of the repository: what is not committed is not tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LOTTERY_TRACKING": "off",
            "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "",
            "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "1",
        }  # fmt: skip

    @classmethod
    def new(cls, folder: Path) -> "Clone":
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        return cls(folder)

    def copy(self, folder: Path) -> "Clone":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Clone(folder)

    def call(self, *command: str, **environment: str) -> "Run":
        """Raises: AssertionError when the command fails."""
        run = Run(self, *command, **environment)
        assert run.wait(900) == 0, f"{' '.join(command)}:\n{run.said}"
        return run

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=torture", "-c", "user.email=torture@localhost", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def forget(self, experiment: str) -> None:
        """Removes the outputs of an experiment, and DVC's cache, from which they would come back."""
        for made in (f"work/{experiment}", f"reports/{experiment}", ".dvc/cache"):
            shutil.rmtree(self.folder / made, ignore_errors=True)

    def undo(self, stages: Iterable[str]) -> None:
        """Removes the outputs of some stages, named as in `stages()`, also from DVC's cache, from which they would come back."""
        known = self.stages()
        for stage in stages:
            for out in known[stage]["outs"]:
                path, cached = self.folder / out["path"], Path(out["md5"][:2], out["md5"][2:])
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                (self.folder / ".dvc/cache/files/md5" / cached).unlink(missing_ok=True)
        shutil.rmtree(self.folder / ".dvc/cache/runs", ignore_errors=True)

    def shorten(self, rounds: int = 2, controls: bool = True) -> None:
        """Leaves digits alone, with two seeds and two rounds: every kind of stage, lanes side by side, a third of the time."""
        yaml, params = YAML(typ="safe"), self.folder / "params.yaml"
        content = yaml.load(params) | {"report": ["digits"], "reports": {}}
        digits = content["experiments"]["digits"]
        digits |= {"seeds": [1, 2], "arms": {"reinit": {"rounds": [rounds], "draws": 1}} if controls else {}}
        digits["pruning"]["rounds"] = rounds
        digits["training"]["iterations"] = 400
        content["figures"] |= {"densities": [1.0], "dpi": 60}
        yaml.dump(content, params)
        self.call(sys.executable, "-m", "stages.repeat_rounds", "digits")

    def content(self) -> dict[str, bytes]:
        files = (file for made in MADE for file in (self.folder / made).rglob("*"))
        return {file.relative_to(self.folder).as_posix(): file.read_bytes() for file in files if file.is_file()}

    def stages(self) -> dict[str, Mapping[str, Any]]:
        """What DVC's lock files hold, by `file:stage`, as `dvc repro` names stages."""
        return {
            f"{lock.with_suffix('.yaml')}:{name}": about
            for lock in LOCKS
            for name, about in _stages((self.folder / lock).read_bytes()).items()
            if lock == LOCKS[0] or name == "download_digits"
        }


@cache  # mostly of the same lock, which is read after each kill
def _stages(lock: bytes) -> dict[str, Mapping[str, Any]]:
    return YAML(typ="safe").load(lock)["stages"]  # type: ignore[no-any-return]


class Run:
    """A command in a clone, in a session of its own, with all that it says. `starts`: the stages by the time they began."""

    def __init__(self, clone: Clone, *command: str, **environment: str) -> None:
        self.said, self.clone, self.starts = "", clone, list[tuple[float, str]]()
        self.hurt, self.ended_at = set[signal.Signals](), 0.0  # hurt: the signals by which something in it was killed
        self.process = psutil.Popen(
            command, cwd=clone.folder, env=clone.environment | environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.began = time.monotonic()
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Running stage "):
                self.starts.append((time.monotonic(), line.split("'")[1]))
        self.ended_at = time.monotonic()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, seconds: float) -> int:
        """Raises: psutil.TimeoutExpired."""
        code = int(self.process.wait(seconds))
        self.reader.join(60)
        return code

    def processes(self) -> list[psutil.Process]:
        """Those that the next run must not meet; the mirror into MLflow may outlive the stage that started it."""
        try:
            found = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        return [p for p in found if "pipeline.tracking" not in words(p)]

    def stage(self) -> psutil.Process | None:
        return next((p for p in self.processes() if any(w.startswith("stages.") for w in words(p))), None)

    def worker(self) -> psutil.Process | None:
        """A lane's process: it was forked by the stage, and has its command."""
        stage = self.stage()
        return next((p for p in children(stage) if words(p) == words(stage)), None) if stage else None

    def tracker(self) -> psutil.Process | None:
        return next((p for p in processes_in(self.clone.folder) if "pipeline.tracking" in words(p)), None)


def words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children())
    except psutil.Error:
        return []


def is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def processes_in(folder: Path) -> Iterator[psutil.Process]:
    return (process for process in psutil.process_iter() if is_in(process, folder))


@contextmanager
def scenes(count: int) -> Iterator[tuple[list[Clone], Run]]:
    """Clones in which a short digits was run undisturbed, with its lock files committed, and that run.

    Afterwards nothing runs there.
    """
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        first = Clone.new(Path(folder, "clone 1"))
        try:
            for chain in (first.folder / "experiments").glob("*/"):  # DVC reads all of them in each command
                if chain.name != "digits":
                    shutil.rmtree(chain)
            first.forget("digits")
            first.shorten()
            for lock in LOCKS:  # those of other data sets and of reports would be read in each command too
                (first.folder / lock).unlink()
            whole = first.call(*DVC, "repro", str(CHAIN))
            first.git("add", "--force", "--all", "params.yaml", "dvc.yaml", "experiments", "reports/digits")
            first.git("commit", "--quiet", "--allow-empty", "--message", "undisturbed")
            yield [first, *(first.copy(Path(folder, f"clone {i}")) for i in range(2, count + 1))], whole
        finally:
            for process in [each for clone in Path(folder).iterdir() for each in processes_in(clone)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def emptied_record(clone: Clone) -> None:
    """MLflow's store as it is before the first lane."""
    while any("pipeline.tracking" in words(process) for process in processes_in(clone.folder)):
        time.sleep(0.5)
    (clone.folder / "mlflow.db").unlink(missing_ok=True)
    new = "from pipeline.tracking import connection; connection.connect().search_experiments()"
    clone.call(sys.executable, "-c", new, LOTTERY_TRACKING="")


def record_of(clone: Clone) -> str:
    """Raises: AssertionError when MLflow lacks a lane, has one twice, or has a run that never ended, after a sync."""
    clone.call(sys.executable, "-m", "pipeline.tracking", "sync", "digits", LOTTERY_TRACKING="")
    lanes = {store.read_json(path)["input_key"] for path in (clone.folder / "work").rglob("lane.json")}
    with closing(sqlite3.connect(clone.folder / "mlflow.db")) as database:
        active = "FROM runs r WHERE r.lifecycle_stage = 'active'"
        running = database.execute(f"SELECT count(*) {active} AND r.status = 'RUNNING'").fetchone()[0]
        keys = (
            "SELECT t.value FROM tags t JOIN runs r USING (run_uuid) WHERE t.key = 'input_key' AND r.lifecycle_stage = 'active'"
        )
        logged = Counter(key for (key,) in database.execute(keys))
    assert running == 0, f"{clone.folder.name}: {running} runs of MLflow never ended"
    assert logged == Counter(lanes), f"{clone.folder.name}: MLflow has {dict(logged)} instead of each lane once"
    return f"MLflow has each of the {len(lanes)} lanes once and no run that never ended"


def as_in_a_terminal() -> None:
    """Commands in the background of a script ignore SIGINT, and those of nohup SIGHUP; so would all that we start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
