"""Temporary folders that go with their process: what a killed process leaves, the next one on the same machine removes."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX = "lottery-"
LOCK = ".lock"
_held: dict[Path, IO[str]] = {}  # the locks of this process's folders, which the system releases when the process ends


@contextmanager
def folder(root: Path) -> Iterator[Path]:
    """An empty folder below `root`, which goes when the block ends."""
    root.mkdir(exist_ok=True)
    made = make(root)
    try:
        (made / "empty").mkdir()  # without the lock
        yield made / "empty"
    finally:
        remove(made)


def make(root: Path | None = None) -> Path:
    """root: where, instead of in the system's folder for temporary files."""
    root = root or Path(tempfile.gettempdir())
    for left in root.glob(f"{PREFIX}*/{LOCK}"):
        _remove_unless_held(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    new = folder / f"{LOCK}.new"
    _held[folder] = new.open("w")
    fcntl.flock(_held[folder], fcntl.LOCK_EX)
    new.rename(folder / LOCK)  # a folder without a lock is one that is being made, which nobody removes
    return folder


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _held.pop(folder).close()


def _remove_unless_held(lock: Path) -> None:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    except OSError:  # a living process holds it, it is another user's, or it has just gone
        pass
