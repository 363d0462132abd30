"""The rows of the table of rounds, and the numbers that the slider shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.figures.shown import Shown
from pipeline.report import table, wording
from pipeline.report.table import Line
from pipeline.results import statistics
from pipeline.results.numbers import NEAR_21
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from pipeline.results.outcome import Outcome


@dataclass(frozen=True)
class Round:
    """A row. difference, interval: from the dense network in the metric, with what they are sorted by."""

    experiment: str
    number: int
    line: Line
    difference: str
    interval: str
    gap: float


@dataclass(frozen=True)
class Stop:
    """A place of the slider: a round of the tickets, or the dense network."""

    number: int
    density: str
    rows: list[Round]


def rows(shown: Shown) -> list[Round]:
    """Every arm in every round, as in the Markdown table."""
    return [_round(shown, line) for line in table.lines(shown)]


def stops(shown: Shown, rows: list[Round]) -> list[Stop]:
    """The dense network and the rounds of the tickets, from the densest, each with all arms that were trained in it."""
    outcome = shown.outcome
    dense = [row for row in rows if row.number == 0]
    found = [Stop(0, "100", dense)]
    for _, ticket in outcome.tickets.sort_values("round").iterrows():
        number = int(ticket["round"])
        found.append(Stop(number, percent(ticket["density"]), [*(row for row in rows if row.number == number), *dense]))
    return found


def first_stop(outcome: Outcome, stops: list[Stop]) -> int:
    """Where the slider stands at first: near 21% of the weights, which the paper discusses most, or in the middle."""
    near = statistics.at_density(outcome.tickets, outcome.main, NEAR_21)
    numbers = [stop.number for stop in stops]
    return len(stops) // 2 if near is None else numbers.index(int(near["round"]))


def _round(shown: Shown, line: Line) -> Round:
    row, outcome = line.row, shown.outcome
    beside = ("", "", 0.0) if row["arm"] == DENSE else wording.compared(outcome, outcome.difference(row, outcome.dense))
    return Round(shown.name, int(row["round"]), line, *beside)
