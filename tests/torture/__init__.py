"""Faults on purpose, more and longer than in the test suite: `make torture` runs them and prints docs/reliability.md's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was tried: the fault, how often, what happened, and the command that shows it."""

    fault: str
    tries: int
    outcome: str
    command: str
