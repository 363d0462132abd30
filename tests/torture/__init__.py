"""Faults on purpose, more of them than the test suite has time for: the package behind `make torture`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    fault: str  # what was done to the pipeline, e.g. "SIGKILL of DVC during training"
    tries: int
    outcome: str  # what happened, e.g. "41 resumed, 9 had ended; the files are those of an undisturbed run"
    command: str  # what shows it, e.g. "python -m tests.torture.kills --count 50 --seed 1"
