"""A repository with six lanes, syncs of it in processes of their own, a real MLflow server, and what a whole record has.

The processes are forks of this one, which has imported MLflow, so that a signal hits the sync and not 2.5 s of imports.
"""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.tracking import connection
from pipeline.tracking.__main__ import main
from tests import mirrored

PARENT_OF = {lane: arm for arm, lanes in mirrored.TREE.items() for lane in lanes}
POINTS, FILES = 3, 3  # of each lane at least
LONGEST = 300  # seconds after which a sync counts as hanging; its own limits are far below


class Sync:
    """`python -m pipeline.tracking sync` in a repository. prepare: what its process does before."""

    def __init__(self, folder: Path, address: str = "", prepare: Callable[[], object] = lambda: None) -> None:
        self.said = Path(tempfile.mkstemp(prefix="said", dir=folder.parent)[1])
        reading, writing = os.pipe()
        self.process = os.fork()
        if not self.process:
            _become(folder, self.said, address, prepare, writing)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        self.started = time.monotonic()

    def kill(self, number: int) -> None:
        os.kill(self.process, number)

    def end(self, case: str) -> int:
        """Returns: the exit code; negative for a signal. Asserts that only sentences were said, and that it did not hang."""
        while True:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                break
            if time.monotonic() - self.started > LONGEST:
                self.kill(signal.SIGKILL)
                raise AssertionError(f"{case}: the sync has not ended after {LONGEST} s")
            time.sleep(0.01)
        text = self.said.read_text()
        assert "Traceback" not in text and text.count("\n") <= 3, f"{case}: the sync said {text}"
        return os.waitstatus_to_exitcode(status)


def _become(folder: Path, said: Path, address: str, prepare: Callable[[], object], ready: int) -> None:
    code = 99
    try:
        output = os.open(said, os.O_WRONLY | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
            os.environ.pop(name, None)
        os.environ |= mirrored.environment() | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}  # this machine may be busy
        os.environ |= {"MLFLOW_TRACKING_URI": address} if address else {}
        prepare()
        os.write(ready, b"!")
        code = main(["sync"])
        sys.stdout.flush()
    except SystemExit as stopped:
        code = int(str(stopped.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def repository(folder: Path) -> Path:
    """Writes six lanes into a new folder, without a store."""
    folder.mkdir(parents=True)
    here = Path.cwd()
    try:
        os.chdir(folder)
        mirrored.write_experiment()
    finally:
        os.chdir(here)
    return folder


def with_store(folder: Path) -> Path:
    (folder / connection.DATABASE).write_bytes(mirrored.new_store())
    return folder


def completes(folder: Path, case: str, database: Path | None = None, address: str = "") -> None:
    """Asserts that the next sync ends well, and that MLflow then has each lane once, whole and below the run of its arm."""
    sync = Sync(folder, address)
    assert sync.end(case) == 0, f"{case}: the next sync failed: {sync.said.read_text()}"
    is_whole(database or folder / connection.DATABASE, folder.parent, case)


def is_whole(database: Path, above: Path, case: str) -> None:
    """above: a folder in which the artifacts are somewhere."""
    query = "FROM runs JOIN experiments USING (experiment_id) WHERE runs.lifecycle_stage = 'active' AND experiments.name = 'toy'"
    with closing(sqlite3.connect(database, timeout=60)) as opened:
        found = list(opened.execute(f"SELECT run_uuid, runs.name, status {query}"))
        parents = dict(opened.execute("SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'"))
        points = Counter(run for (run,) in opened.execute("SELECT run_uuid FROM metrics WHERE key = 'history/test_loss'"))
    has = sorted((name, status) for _, name, status in found)
    assert has == [(name, "FINISHED") for name in sorted({*PARENT_OF, *mirrored.TREE})], f"{case}: MLflow has {has}"
    arms = {name: run for run, name, _ in found if name in mirrored.TREE}
    for run, name, _ in found:
        if name in arms:
            continue
        assert parents.get(run) == arms[PARENT_OF[name]], f"{case}: {name} is not below the run of its arm"
        assert points[run] == POINTS, f"{case}: {name} has {points[run]} points"
        stored = {path.name for folder in above.rglob(run) for path in folder.rglob("*.safetensors")}
        assert len(stored) >= FILES, f"{case}: {name} has only the artifacts {sorted(stored)}"


class Server:
    """A real MLflow server with its own SQLite database and artifacts, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.database = folder, folder / "server.db"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator["Server"]:
        environment = mirrored.environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += [
            "--backend-store-uri",
            f"sqlite:///{self.database}",
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        try:
            started = time.monotonic()
            while not self._answers():
                assert self.process.poll() is None and time.monotonic() - started < 300, (self.folder / "log").read_text()
                time.sleep(0.1)
            yield self
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[bool]:
    """Mounts something over a folder; yields False where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = shutil.which("mount") and subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if not done or done.returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
