"""The first thing that a page says of an experiment: did the tickets win, at which density, how sure is it, and how to run it
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.page import rounds
from pipeline.report import findings, wording
from pipeline.report.document import Section
from pipeline.results import statistics
from pipeline.results.numbers import NEAR_21
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import REINIT, percent

if TYPE_CHECKING:
    from pipeline.results.outcome import Row


@dataclass(frozen=True)
class Tile:
    """question, the answer in a few words, and a sentence in Markdown. kind: good, bad or open."""

    question: str
    answer: str
    sentence: str
    kind: str = "open"


@dataclass(frozen=True)
class Answer:
    """command: trains the smallest ticket that won, or else the best one, anew; of: which one that is."""

    experiment: str
    tiles: list[Tile]
    command: str
    of: str


def answer(section: Section) -> Answer:
    """Of an experiment, from the same rows as its findings."""
    shown, outcome = section.shown, section.shown.outcome
    ticket = shown.label(outcome.main)
    tiles = [_won(outcome, ticket), _best(outcome, ticket), _fresh(outcome, ticket, shown.label(REINIT))]
    smallest, best = outcome.smallest(outcome.tickets), outcome.best()
    row = best if smallest is None else smallest
    if row is None:
        row = outcome.dense
    command = f"dvc repro {rounds.FORCED} {row['target']}"
    name = "the dense network" if row is outcome.dense else f"the {ticket} with {percent(row['density'])}% of the weights"
    return Answer(shown.name, [tile for tile in tiles if tile is not None], command, name)


def _won(outcome: Outcome, ticket: str) -> Tile:
    question = f"Did the {ticket}s win?"
    if outcome.tickets.empty:
        return Tile(question, "Nothing was pruned", "Only the dense network was trained.")
    smallest = outcome.smallest(outcome.tickets)
    sentence = findings.smallest(outcome, ticket)
    if short := wording.short(outcome):
        return Tile(question, "Compared after the same time" if outcome.annealed else "Void: training was too short", short)
    if outcome.too_few(outcome.tickets):
        return Tile(question, "Not known", sentence)
    if smallest is None:
        return Tile(question, "Not shown", sentence, "bad")
    return Tile(question, f"Yes, down to {percent(smallest['density'])}% of the weights", sentence, "good")


def _best(outcome: Outcome, ticket: str) -> Tile | None:
    row = outcome.best()
    if row is None:
        return None
    difference, interval, _ = rounds.compared(outcome, row, outcome.dense)
    sure = f", 95% interval {interval}" if interval else ""
    replicates = outcome.difference(row, outcome.dense).n
    return Tile(
        "At which density are they best, and how sure is it?",
        f"{percent(row['density'])}%: {difference}{sure}",
        f"{findings.best(outcome, ticket)} The number of replicates is {replicates}.",
        "good" if _is_better(outcome, row, outcome.dense) else "open",
    )


def _fresh(outcome: Outcome, ticket: str, name: str) -> Tile | None:
    """The same masks with fresh weights, near 21% of the weights, where the paper compares them, or else in their last round."""
    rows = outcome.rows(REINIT)
    both = outcome.tickets[outcome.tickets["round"].isin(list(rows["round"]))]
    if both.empty or outcome.main == REINIT:
        return None
    near = statistics.at_density(both, outcome.main, NEAR_21)
    row = both.sort_values("density").iloc[0] if near is None else near
    reinit = statistics.at_round(outcome.table, REINIT, int(row["round"]))
    if reinit is None:
        return None
    difference, interval, _ = rounds.compared(outcome, row, reinit)
    is_better = _is_better(outcome, row, reinit)
    answer = "Void" if outcome.learns_still([row, reinit]) else "Yes" if is_better else "Not shown"
    whose = f"that of the same masks with fresh weights ({name})"
    return Tile(
        "Do they need their own initial weights?",
        f"{answer}: {difference}{f', 95% interval {interval}' if interval else ''}",
        f"At {percent(row['density'])}% of the weights, the {ticket}'s {outcome.metric.words} is "
        f"{wording.difference(outcome, row, reinit, whose)}.",
        "good" if is_better else "open",
    )


def _is_better(outcome: Outcome, row: Row, other: Row) -> bool:
    """Whether the interval of the difference lies on the better side of zero, and is more than a difference in speed."""
    if outcome.learns_still([row, other]):
        return False
    bounds = outcome.difference(row, other).bounds
    return bounds is not None and min(outcome.metric.gain(bound, 0.0) for bound in bounds) > 0
