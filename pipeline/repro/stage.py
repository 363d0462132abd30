"""One stage, as `dvc repro --single-item` runs it, in a forked process."""

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection, wait
from typing import Any

import dvc.stage.run
from dvc.exceptions import DvcException
from dvc.repo import Repo


def reproduce(target: str, sender: Connection, alive: Connection, held: Connection) -> None:
    """Runs one stage as `dvc repro --single-item` does, in a process that is interrupted when its parent is gone."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a script it is ignored, also by the command
    held.close()
    threading.Thread(target=_watch, args=(alive,), daemon=True).start()
    for stream in (1, 2):
        os.dup2(sender.fileno(), stream)
    sender.close()
    try:
        _record_what_ends()
        repo = Repo(_wait_for_lock=True)
        repo.scm_context.quiet = True  # it would say after each stage what to add to git
        repo.reproduce([target], single_item=True)
    except (DvcException, OSError) as error:
        print(f"error: {error}: {error.__cause__}" if error.__cause__ else f"error: {error}", flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(1)


def _record_what_ends() -> None:
    """From the end of a stage's command on, this process cannot be interrupted. To record the stage, DVC may have to wait for its
    lock, and what it does not record has to be trained again.
    """
    run = dvc.stage.run.cmd_run

    def cmd_run(*arguments: Any, **options: Any) -> None:
        run(*arguments, **options)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    dvc.stage.run.cmd_run = cmd_run


def _watch(alive: Connection) -> None:
    wait([alive])
    os.killpg(0, signal.SIGINT)
