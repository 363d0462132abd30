"""Files and folders are written whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.values.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces `path` when the block ends without an error. What a process that was
    killed left there is removed first.

    Raises: UserError when the disk is full or not writable; what was at `path` is then still there.
    """
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{state}") for state in ("tmp", "old"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path)
        yield temporary
        if path.is_dir():  # a folder cannot be replaced in one step; if the second step fails, the old one is put back
            path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            if old.is_dir():
                old.replace(path)
            raise
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; what was there before is kept") from error
    finally:
        for left in (temporary, old):
            with suppress(OSError):  # it would hide what went wrong; the next process removes what is left
                _remove(left)


def _tidy(path: Path) -> None:
    """Removes what killed processes left beside a path, or puts back what one of them had just moved out of the way."""
    for left in path.parent.glob(f".{path.name}.*"):
        _, process, state = left.name.rsplit(".", 2)
        if state in ("tmp", "old") and process.isdigit() and (int(process) == os.getpid() or not _runs(int(process))):
            if state == "old" and not path.exists():
                left.replace(path)
            _remove(left)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
