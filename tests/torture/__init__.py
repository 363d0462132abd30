"""Faults on purpose, more and longer than in the test suite: `make torture` runs them and prints docs/reliability.md's table."""

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was tried: the fault, how often, what happened, and the command that shows it."""

    fault: str
    tries: int
    outcome: str
    command: str


def rows_of(module: str, count: int, seed: int) -> list[Row]:
    """Raises: AssertionError with a sentence that names the case in which something went wrong."""
    found: list[Row] = importlib.import_module(f"tests.torture.{module}").rows(count, seed)
    return found


def command_line(rows: Callable[[int, int], list[Row]], count: int) -> None:
    """`python -m tests.torture.<module> [--count N] [--seed S]` prints the module's rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for row in rows(given.count, given.seed):
        print(f"{row.fault} | {row.tries:,} | {row.outcome} | {row.command}")
