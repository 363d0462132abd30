"""The tickets of an experiment before and after, as a drawing in text, which GitHub shows in pages and in summaries of jobs.

A summary shows no image without a public address, and the figures of a run that is not committed have none. The text is that of
Mermaid's xychart, which has neither a legend nor bands, so the sentence above it says what is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.results.statistics import at_round, percent

if TYPE_CHECKING:
    from pipeline.results.outcome import Outcome

COLOURS = {"grey": "#888888", "blue": "#3399E6", "orange": "#E06C00"}  # each can be seen on white and on black
FEWEST = 2  # rounds that make a line


def drawing(before: Outcome, after: Outcome) -> str:
    """A sentence and a block of Markdown; empty when both have fewer than two rounds of tickets in common."""
    metric, rounds = after.metric, [int(number) for number in after.tickets["round"]]
    both = [number for number in rounds if at_round(before.table, before.main, number) is not None]
    if len(both) < FEWEST:
        return ""
    rows = [[at_round(outcome.table, outcome.main, number) for number in both] for outcome in (before, after)]
    was, is_now = ([float(metric.shown(row["value_mean"])) for row in found if row is not None] for found in rows)
    dense = [float(metric.shown(after.dense["value_mean"]))] * len(both)
    lowest, highest = min(*was, *is_now, *dense), max(*was, *is_now, *dense)
    room = (highest - lowest) / 10 or 1.0
    densities = ", ".join(f'"{percent(row["density"])}"' for row in rows[1] if row is not None)
    lines = [f"    line [{_numbers(values)}]" for values in (dense, was, is_now)]
    look = {"backgroundColor": "transparent", "plotColorPalette": ", ".join(COLOURS.values())}
    chart = [
        f"%%{{init: {json.dumps({'themeVariables': {'xyChart': look}})}}}%%",
        "xychart-beta",
        f'    x-axis "weights left (%)" [{densities}]',
        f'    y-axis "{metric.axis("test")}" {lowest - room:.6g} --> {highest + room:.6g}',
        *lines,
    ]
    grey, blue, orange = COLOURS
    tickets = f"The test {metric.words} of tickets at their early stops: before in {blue}, after in {orange}"
    said = f"{tickets}; in {grey}, that of the dense network after."
    return "\n".join([said, "", "```mermaid", *chart, "```"])


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
