"""Faults on purpose, more and longer than in the test suite: `make torture` runs them and prints docs/reliability.md's table."""

import argparse
import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from threading import Thread

ENDS = 15  # seconds in which a module that was interrupted ends what it has started


@dataclass(frozen=True)
class Row:
    """What was tried: the fault, how often, what happened, and the command that shows it."""

    fault: str
    tries: int
    outcome: str
    command: str


def end_with_the_parent() -> None:
    """Leaves a worker as Ctrl-C does when the process that started it is gone, so that its clones end too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(ENDS)
        os._exit(1)  # the pool would begin with the next module

    Thread(target=watch, daemon=True).start()


def timed(module: str, count: int, seed: int, niceness: int) -> tuple[list[Row], float]:
    """The rows, and the seconds of processor time of the module and of the processes that it waited for.

    niceness: by how much this process lets others go first.

    Raises: AssertionError with a sentence that names the case in which something went wrong.
    """
    os.nice(niceness)
    before = sum(os.times()[:4])
    found: list[Row] = importlib.import_module(f"tests.torture.{module}").rows(count, seed)
    return found, sum(os.times()[:4]) - before


def command_line(rows: Callable[[int, int], list[Row]], count: int) -> None:
    """`python -m tests.torture.<module> [--count N] [--seed S]` prints the module's rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for row in rows(given.count, given.seed):
        print(f"{row.fault} | {row.tries:,} | {row.outcome} | {row.command}")
