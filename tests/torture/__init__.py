"""Faults on purpose, more and longer than in the test suite: `make torture` runs them and prints docs/reliability.md's table."""

import importlib
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
