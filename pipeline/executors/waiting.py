"""The DVC that waits for a stage. A stage whose DVC was killed has to end, because the next `dvc repro` may start it again."""

import atexit
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType

UNDER_DVC = "DVC_STAGE"  # DVC sets it for every stage
DVC_LOCK = Path(".dvc/tmp/rwlock")  # where DVC notes which process runs a stage, until the stage has ended
PERIOD = 0.5  # seconds between two looks
PATIENCE = 4.0  # seconds in which lanes may reach an evaluation and save a checkpoint when nobody waits for them any more


def begin() -> None:
    """From now on, this process ends as after Ctrl-C once its DVC is gone. A stage that is run by hand may outlive its shell.
    When the stage has ended and only Python is ending, Ctrl-C has nothing left to stop.

    Raises: KeyboardInterrupt, now or later.
    """
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # libraries, which came first, end after this
    if _dvc() is not None:
        _look(signal.SIGALRM, None)
        watch(_look)


def watch(look: Callable[[int, FrameType | None], None]) -> None:
    """Calls `look` every PERIOD by an alarm. A thread would not do, because the processes of lanes are forked.

    They do not inherit the alarm, and it interrupts no system call.
    """
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)  # before Python, as it ends, lets go of handlers
    signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, PERIOD, PERIOD)


def is_gone() -> bool:
    """Whether DVC started this stage and is gone. A dead process that its own parent has not noticed yet is gone too."""
    dvc = _dvc()
    return dvc is not None and dvc not in _ancestors()


def patience_is_over() -> bool:
    return time.monotonic() - _first_asked() > PATIENCE


@cache
def _first_asked() -> float:
    return time.monotonic()


def interrupt() -> None:
    """Raises: KeyboardInterrupt, and again after a while: where Python calls a destructor, the first one is lost."""
    signal.setitimer(signal.ITIMER_REAL, 2 * PATIENCE, 2 * PATIENCE)
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):  # which remembers it, in case that a library makes another exception of it
        handler(signal.SIGINT, None)
    raise KeyboardInterrupt


def _look(signum: int, frame: FrameType | None) -> None:
    if is_gone():
        interrupt()


@cache
def _dvc() -> int | None:
    """The ancestor that DVC's lock names. It need not be the parent: some shells stay between.

    Returns: None when no DVC is known to wait; 0, which is no process, when it was gone before we looked.
    """
    writing = _writing() if UNDER_DVC in os.environ and DVC_LOCK.is_file() else None
    return None if writing is None else next((process for process in _ancestors() if process in writing), 0)


def _writing() -> set[int] | None:
    """The processes that DVC's lock names; None when it is damaged. While another DVC writes it, it is incomplete."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            return {about["pid"] for about in json.loads(DVC_LOCK.read_bytes()).get("write", {}).values()}
        time.sleep(0.05)
    return None


def _ancestors() -> list[int]:
    import psutil  # only a stage under DVC needs it

    found, process = [], psutil.Process()
    # Some clusters hide the processes of others, which come last, and an ancestor above DVC may end while we look.
    with suppress(psutil.AccessDenied, psutil.NoSuchProcess):
        while process := process.parent():
            found.append(process.pid)
    return found
