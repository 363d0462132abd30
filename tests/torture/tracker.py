"""Faults of the tracker at random moments; after each, the next sync has to complete MLflow's record, with nothing twice or open.

`python -m tests.torture.tracker [--count N] [--seed S]`
"""

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import tracking
from pipeline.tracking import connection
from tests.torture import Row, command_line
from tests.torture.tracked import Server, Sync, completes, is_whole, mounted, repository, with_store

COUNT = 20
ENDINGS = {  # what a sync may end with, by the signal that it was sent
    signal.SIGKILL: {0, -signal.SIGKILL},
    signal.SIGTERM: {0, 128 + signal.SIGTERM},
    signal.SIGINT: {0, 130},
}
IN_ITS_PLACE = {  # what is there, at which path, and whether it is a folder
    "a folder instead of mlflow.db": ("mlflow.db", True),
    "no database in mlflow.db": ("mlflow.db", False),
    "a file instead of mlflow-artifacts": ("mlflow-artifacts", False),
    "a file instead of .lottery": (".lottery", False),
}
TOGETHER = 4
COMPLETED = "the next sync completed the record"
LIMITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}


class Torture:
    """seed: of all that is random. The folders of a failure stay."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self.folder, self.count, self.seed = folder, count, seed
        self.dice = random.Random(seed)

    def rows(self) -> list[Row]:
        self.seconds = {is_new: self.undisturbed(is_new) for is_new in (True, False)}
        return [
            self.killed(), self.full_disk(), self.unwritable(), self.deleted(), self.first_syncs(), self.first_syncs(shared=True),
            self.unreachable(), *self.servers(),
        ]  # fmt: skip

    def row(self, fault: str, tries: int, outcome: str) -> Row:
        return Row(fault, tries, outcome, f"python -m tests.torture.tracker --count {self.count} --seed {self.seed}")

    @contextmanager
    def case(self, fault: str, number: int, has_store: bool = False) -> Iterator[tuple[Path, str]]:
        """Yields a new repository, and what a failure in it is called."""
        above = self.folder / f"{fault} {number}"
        folder = repository(above / "repo")
        yield with_store(folder) if has_store else folder, f"seed {self.seed}, {fault} {number}"
        shutil.rmtree(above)

    def undisturbed(self, is_new: bool) -> float:
        with self.case("undisturbed", is_new, not is_new) as (folder, case):
            started = time.monotonic()
            completes(folder, case)
            return time.monotonic() - started

    def killed(self) -> Row:
        seen: Counter[str] = Counter()
        for number in range(self.count):
            is_new = number % 2 == 1  # so that the creation of the store is hit too
            with self.case("killed", number, not is_new) as (folder, case):
                sync, how = Sync(folder), self.dice.choice(list(ENDINGS))
                moment = self.dice.uniform(0, self.seconds[is_new])
                time.sleep(moment)
                had_store = (folder / connection.DATABASE).exists()
                sync.kill(how)
                name = f"{case} ({how.name} after {moment:.3f} s)"
                code = sync.end(name)
                assert code in ENDINGS[how], f"{name}: the sync ended with {code}: {sync.said.read_text()}"
                seen["after its end" if code == 0 else "while it wrote lanes" if had_store else "while it created the store"] += 1
                completes(folder, name)
        return self.row("SIGKILL, SIGTERM or SIGINT of a sync", self.count, f"{_listed(seen)}; {COMPLETED}")

    def full_disk(self) -> Row:
        seen: Counter[str] = Counter()
        tries = max(2, self.count // 2)
        for number in range(tries):
            above, size = self.folder / f"full disk {number}", self.dice.randrange(400, 1800)
            case = f"seed {self.seed}, full disk {number} ({size} kB)"
            with mounted(above, "-t", "tmpfs", "-o", f"size={size}k", "tmpfs") as is_mounted:
                folder = repository(above / "repo")
                if number % 2 and size > 1300:  # there is room for the store, but perhaps not for what is logged
                    with_store(folder)
                limit = None if is_mounted else _limit(size * 600)
                sync = Sync(folder, prepare=limit or _nothing)
                code = sync.end(case)
                assert code in (0, 1), f"{case}: exit {code}"
                seen["ended with one sentence" if code else "had room"] += 1
                if is_mounted:
                    subprocess.run(["mount", "-o", "remount,size=50m", str(above)], check=True)
                completes(folder, case)
        return self.row("disk of 0.4 to 1.8 MB", tries, f"{_listed(seen)}; with room, {COMPLETED}")

    def unwritable(self) -> Row:
        """Things of another kind where the store should be, and read-only folders. A stage that ends there is not disturbed."""
        tries = 0
        for number, (fault, made) in enumerate(IN_ITS_PLACE.items()):
            with self.case("unwritable", number, has_store=True) as (folder, case):
                path, is_folder = folder / made[0], made[1]
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                path.mkdir() if is_folder else path.write_bytes(b"no database" * 1000)
                self._fails(folder, f"{case} ({fault})", has_scratch=made[0] != ".lottery")
                path.rmdir() if is_folder else path.unlink()
                completes(folder, case)
                tries += 1
        for number, has_store in enumerate((False, True)):
            with self.case("read-only", number, has_store) as (folder, case):
                with mounted(folder, "--bind", str(folder)) as is_mounted:
                    if is_mounted:
                        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
                        self._fails(folder, case, has_scratch=False)
                        tries += 1
                completes(folder, case)
        what = "the stage went on, the sync ended with one sentence; once it was repaired, " + COMPLETED
        return self.row("read-only folder, or something else in the place of the store", tries, what)

    def _fails(self, folder: Path, case: str, has_scratch: bool) -> None:
        if not has_scratch:  # otherwise its sync is in the background, where it would outlive this case
            stage = Sync(folder, prepare=_end_as_a_stage)
            assert stage.end(case) == 0, f"{case}: a stage ended with {stage.said.read_text()}"
            assert "`python -m pipeline.tracking sync` does it later" in stage.said.read_text(), case
        sync = Sync(folder)
        code, said = sync.end(case), sync.said.read_text()
        assert code == 1 and ("The results are safe" in said or "cannot write" in said), f"{case}: exit {code}: {said}"

    def deleted(self) -> Row:
        tries = max(2, self.count // 4)
        with self.case("deleted artifacts", 0, has_store=True) as (folder, case):
            completes(folder, case)
            for _ in range(tries):
                runs = sorted((folder / connection.ARTIFACTS / "toy").iterdir())
                for run in self.dice.sample(runs, self.dice.randint(1, len(runs))):
                    shutil.rmtree(run)
                completes(folder, case)
        return self.row("artifacts of some runs deleted", tries, "the next sync put them back")

    def first_syncs(self, shared: bool = False) -> Row:
        """Four syncs of a new store at once, of one repository or of four that share one file."""
        tries = max(1, self.count // 10)
        for number in range(tries):
            with self.case("shared file" if shared else "first syncs", number) as (folder, case):
                clones = [folder, *(shutil.copytree(folder, folder.parent / f"clone {i}") for i in range(TOGETHER - 1))]
                database = folder.parent / "shared.db" if shared else folder / connection.DATABASE
                address = f"sqlite:///{database}" if shared else ""
                syncs = [Sync(clone if shared else folder, address) for clone in clones]
                codes = [sync.end(case) for sync in syncs]
                assert codes == [0] * TOGETHER, f"{case}: exits {codes}: {[sync.said.read_text() for sync in syncs]}"
                is_whole(database, folder.parent, case)
        whose = "four clones, one SQLite file" if shared else "one repository"
        return self.row(f"four first syncs of an empty store at once ({whose})", tries, "all ended well, each lane once")

    def unreachable(self) -> Row:
        """A server that does not answer, in turn because there is none and because it hangs."""
        longest = 0.0
        tries = max(2, self.count // 5)
        with self.case("unreachable", 0, has_store=True) as (folder, case):
            for number in range(tries):
                with socket.create_server(("127.0.0.1", 0)) as hanging:
                    address = f"http://me:s3cret@127.0.0.1:{hanging.getsockname()[1]}"
                    if number % 2:
                        hanging.close()
                    sync = Sync(folder, address, lambda: os.environ.update(LIMITS))
                    assert sync.end(case) == 1, f"{case}: {sync.said.read_text()}"
                    longest = max(longest, time.monotonic() - sync.started)
                    said = sync.said.read_text()
                    assert "does not answer" in said and "s3cret" not in said, f"{case}: {said}"
            completes(folder, case)
        return self.row("no server, or one that hangs (2 s time-out)", tries, f"one sentence after at most {longest:.0f} s")

    def servers(self) -> list[Row]:
        """First a new server with four clones at once, then servers that are killed in the middle of a sync."""
        tries = max(1, self.count // 5)
        seen: Counter[str] = Counter()
        with self.case("server", 0) as (folder, case):
            server = Server(folder.parent / "server")
            clones = [folder, *(shutil.copytree(folder, folder.parent / f"clone {i}") for i in range(TOGETHER - 1))]
            with server.running():
                started = time.monotonic()
                syncs = [Sync(clone, server.address) for clone in clones]
                codes = [sync.end(case) for sync in syncs]
                seconds = time.monotonic() - started
                assert codes == [0] * TOGETHER, f"{case}: exits {codes}: {[sync.said.read_text() for sync in syncs]}"
                is_whole(server.database, server.folder, case)
            for number in range(tries):
                shutil.rmtree(server.folder)
                server = Server(server.folder)
                moment = self.dice.uniform(0, seconds / TOGETHER)
                with server.running():
                    sync = Sync(folder, server.address, lambda: os.environ.update(LIMITS))
                    time.sleep(moment)
                    server.kill()
                    code = sync.end(f"{case}, kill {number} after {moment:.3f} s")
                    assert code in (0, 1), f"{case}: exit {code}"
                    seen["ended with one sentence" if code else "had ended"] += 1
                with server.running():
                    completes(folder, f"{case}, kill {number} after {moment:.3f} s", server.database, server.address)
        return [
            self.row("first syncs of four clones at once on a new server", 1, "all ended well, each lane once"),
            self.row("SIGKILL of the server during a sync", tries, f"{_listed(seen)}; {COMPLETED}"),
        ]


def rows(count: int = COUNT, seed: int = 1) -> list[Row]:
    """Raises: AssertionError with seed and case as soon as a record is not whole, a traceback is shown or a sync hangs."""
    import mlflow  # noqa: F401  # in this process, of which the syncs are forks

    folder = Path(tempfile.mkdtemp(prefix="tracker"))
    found = Torture(folder, count, seed).rows()
    shutil.rmtree(folder)
    return found


def _listed(seen: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(seen.items()))


def _nothing() -> None:
    pass


def _limit(size: int) -> Callable[[], object]:
    """Where nothing can be mounted, no file may be larger than this."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _end_as_a_stage() -> None:
    os.environ.pop("LOTTERY_TRACKING", None)
    tracking.start_sync("toy")
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    command_line(rows, count=COUNT)
