"""A clone of the repository in which `dvc repro` may be killed, and its run as a process whose output can be watched."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread

import psutil
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CHAIN = Path("experiments/digits/dvc.yaml")
LOCKS = (Path("experiments/digits/dvc.lock"), Path("experiments/dvc.lock"))
MADE = (Path("work"), Path("reports/digits"), *LOCKS)
STARTS = "> python -m stages."
DVC = (sys.executable, "-m", "dvc")


class Clone:
    """The last commit of the repository: what is not committed is not tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LOTTERY_TRACKING": "off",
            "PYTHONPATH": "", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "1",
        }  # fmt: skip

    @classmethod
    def new(cls, folder: Path) -> "Clone":
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        return cls(folder)

    def copy(self, folder: Path) -> "Clone":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Clone(folder)

    def call(self, *command: str) -> tuple[int, str]:
        run = Run(self, *command)
        return run.wait(600), run.said

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=torture", "-c", "user.email=torture@localhost")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def content(self) -> dict[str, bytes]:
        found = (p for made in MADE for p in ([path] if (path := self.folder / made).is_file() else path.rglob("*")))
        return {p.relative_to(self.folder).as_posix(): p.read_bytes() for p in found if p.is_file()}

    def stages(self) -> dict[str, Mapping[str, object]]:
        """What DVC's lock files hold, by `file:stage`, as `dvc repro` names stages."""
        return {
            f"{lock.with_suffix('.yaml')}:{name}": about
            for lock in LOCKS
            for name, about in YAML(typ="safe").load(self.folder / lock)["stages"].items()
        }


class Run:
    """A command in a clone, in a session of its own, with all that it says. `starts`: the stages by the time they began."""

    def __init__(self, clone: Clone, *command: str, **environment: str) -> None:
        self.said, self.clone, self.starts = "", clone, list[tuple[float, str]]()
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

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, seconds: float) -> int:
        """Raises: psutil.TimeoutExpired."""
        code = int(self.process.wait(seconds))
        self.reader.join(10)  # a tracker may hold the pipe no longer than that: it writes to a file of its own
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
        return next((p for p in psutil.process_iter() if "pipeline.tracking" in words(p) and is_in(p, self.clone.folder)), None)


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
        return bool(process.cwd() == str(folder))
    except psutil.Error:
        return False


def processes_in(folder: Path) -> Iterator[psutil.Process]:
    return (process for process in psutil.process_iter() if is_in(process, folder))


def as_in_a_terminal() -> None:
    """Commands in the background of a script ignore SIGINT, and those of nohup SIGHUP; so would all that we start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
