"""One script for each DVC stage, run as `python -m stages.<name> <item>`; settings are in params.yaml and experiments/*.yaml."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from pipeline.run.bound import Bound


STOPPED = "stopped; the same command goes on from the last checkpoint"
_interrupts: list[int] = []  # libraries in C may make another exception of KeyboardInterrupt, such as pydantic's SchemaError


def _interrupt(signum: int, frame: FrameType | None) -> None:
    _interrupts.append(signum)
    raise KeyboardInterrupt


def _is_interrupt(error: BaseException) -> bool:
    return bool(_interrupts) or isinstance(error, KeyboardInterrupt)


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not _is_interrupt(error):
        sys.__excepthook__(kind, error, trace)
        return
    print(STOPPED, file=sys.stderr, flush=True)
    os._exit(130)


if sys.argv[:1] == ["-m"]:  # Python is about to import a stage's modules, which takes seconds in which Ctrl-C may come
    sys.excepthook = _tell
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell lets its background jobs ignore the signal
        signal.signal(signal.SIGINT, _interrupt)


def experiment_of(name: str) -> "Bound":
    """An experiment with valid settings, with which its DVC file agrees. Raises: UserError otherwise."""
    from pipeline.dag import written  # no output depends on what is imported here, which only rejects input
    from pipeline.settings import check, config

    bound = check.settings(name, config.load().experiment(name))
    written.agrees(bound)
    return bound


def run_stage(main: Callable[[str], None]) -> None:
    """Runs a stage with the item named on the command line, until its DVC is gone. On bad input it ends with exit code 1 and one
    message.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__globals__['__spec__'].name} <item>, as dvc.yaml has it")
    from pipeline.executors import waiting  # no output depends on it

    try:
        waiting.begin()
        main(sys.argv[1])
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if _is_interrupt(error):
            print(STOPPED, file=sys.stderr)
            sys.exit(130)
        if isinstance(error, UserError | OSError):
            sys.exit(f"error: {error}")
        if isinstance(error, SystemExit):  # the code of a plug-in must not end a stage as if it had been done
            sys.exit(f"error: something that the stage called ended the process, with sys.exit({error.code!r})")
        raise
