"""How long the mirror takes for many lanes: 500 with 120 evaluations, each of which has 5 values."""

import os
import time
from pathlib import Path

import pytest

from pipeline.tracking import mirror
from pipeline.tracking.record import find
from tests import mirrored
from tests.mirrored import every_run, ticket, write

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # MLflow's own, of SQLAlchemy
root = mirrored.root
ROUNDS, SEEDS, EVALUATIONS = 20, 25, 120
FIRST, AGAIN = 60.0, 5.0  # seconds


def timed() -> tuple[int, float, float]:
    """Returns: how many lanes were new, and the seconds that it took, by the clock and of processor time."""
    began, used = time.monotonic(), os.times()
    new = mirror.fill(find()[0], lambda name: None).new
    after = os.times()
    return new, time.monotonic() - began, after.user + after.system - used.user - used.system


def test_500_lanes_are_logged_within_a_minute_and_found_again_within_seconds(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limits are those of the processor time, because other programs may keep this one waiting; both times are printed."""
    for round in range(1, 1 + ROUNDS):
        for seed in range(1, 1 + SEEDS):
            write(ticket(round, seed), own_mask=True, evaluations=EVALUATIONS)
    import mlflow  # noqa: F401  # a user waits for it, too; it is measured elsewhere

    first, again = timed(), timed()
    with capsys.disabled():
        told = [f"{new} new in {wall:.1f} s, {used:.1f} s of them on a processor" for new, wall, used in (first, again)]
        print("", *told, sep="\n")
    assert (first[0], again[0]) == (ROUNDS * SEEDS, 0)
    assert len(every_run()) == ROUNDS * SEEDS + 1
    assert first[2] < FIRST and again[2] < AGAIN
