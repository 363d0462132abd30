"""Bounds of memory and time for the code of plug-ins when it is tried: an option of too many zeros gets a message, not a hang."""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pipeline.executors import waiting
from pipeline.values.errors import UserError, reason

PATIENCE = 1800  # seconds of a trial; that of VGG-19 takes ten, but more on a machine that is busy with something else
CGROUP = Path("/sys/fs/cgroup")


@contextmanager
def bounded() -> Iterator[None]:
    """Raises: UserError when the code of a plug-in takes too long, or raises what would end the process."""
    with _time(), _exit():
        try:
            yield
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            should = "should only raise errors that are derived from Exception"
            raise UserError(f"the code of a plug-in raised {reason(error)}, but {should}") from error


@contextmanager
def memory() -> Iterator[None]:
    """Lets an allocation fail for which there is no memory: otherwise, the system would end this process or another one.

    Differs: there is no bound on a machine with a GPU, whose driver needs addresses without end.
    Raises: UserError when an allocation fails.
    """
    import torch

    before = resource.getrlimit(resource.RLIMIT_DATA)
    free = None if torch.cuda.is_available() else _free()
    if free is not None:
        limits = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([free + _used(), *limits]), before[1]))
    try:
        yield
    except MemoryError as error:
        what = "the trial of the plug-ins on a few examples needs more memory than there is"
        raise UserError(f"{what}; the network or an option may be too large") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _used() -> int:
    """The bytes of this process that the limit counts."""
    return _number(Path("/proc/self/status"), "VmData:") or 0


def _free() -> int | None:
    """The bytes of memory that are left on this machine, or in this container; None where it is not known."""
    free = _number(Path("/proc/meminfo"), "MemAvailable:")
    try:
        inside = int((CGROUP / "memory.max").read_text()) - int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # there is no container, or it has no limit
        return free
    inside += sum(_number(CGROUP / "memory.stat", f"{kind}_file ", 1) or 0 for kind in ("inactive", "active"))  # a cache of files
    return inside if free is None else min(free, inside)


def _number(file: Path, key: str, unit: int = 1024) -> int | None:
    """A number in a file of the system, in bytes. unit: how many of them it counts by."""
    try:
        words = next(line.split() for line in file.read_text().splitlines() if line.startswith(key))
    except (OSError, StopIteration):
        return None
    return int(words[1]) * unit


@contextmanager
def _time() -> Iterator[None]:
    """Only the main thread of a process gets signals. The watch for a DVC that is gone, which uses the same alarm, goes on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end, watch = time.monotonic() + PATIENCE, signal.getsignal(signal.SIGALRM)

    def look(signum: int, frame: FrameType | None) -> None:
        if time.monotonic() > end:
            raise UserError(
                f"the trial of the plug-ins on a few examples has not ended after {PATIENCE} s; "
                "the network or an option may be too large"
            )
        if earlier[0] and callable(watch):
            watch(signum, frame)

    earlier = signal.setitimer(signal.ITIMER_REAL, 0)
    _on_alarm(look)
    signal.setitimer(signal.ITIMER_REAL, waiting.PERIOD, waiting.PERIOD)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _on_alarm(watch)
        signal.setitimer(signal.ITIMER_REAL, *earlier)


def _on_alarm(look: Any) -> None:
    signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)


@contextmanager
def _exit() -> Iterator[None]:
    """os._exit would end the process with any code, such as 0. Processes that a plug-in forks may call it."""
    ours, end = os.getpid(), os._exit

    def refused(status: int) -> NoReturn:
        if os.getpid() != ours:
            end(status)
        raise SystemExit(f"os._exit({status!r})")

    os._exit = refused
    try:
        yield
    finally:
        os._exit = end
