"""The first thing that both pages say of an experiment: did the tickets win, at which density, how sure is it, and how to run it
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.claims.claim import METRIC
from pipeline.claims.judge import UNDECIDED
from pipeline.report import findings, table, wording
from pipeline.report.verdicts import probability
from pipeline.results import intervals, statistics
from pipeline.results.intervals import Difference
from pipeline.results.numbers import NEAR_21
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import REINIT, percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from pipeline.claims.verdicts import Verdicts
    from pipeline.figures.shown import Shown
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
    """commands: by the name of what they train: the smallest ticket that won and the best ticket, or else the dense network."""

    experiment: str
    tiles: list[Tile]
    commands: dict[str, str]


def answer(shown: Shown, found: Verdicts | None = None) -> Answer:
    """Of an experiment, from the same rows as its findings. found: the verdicts of the report."""
    outcome = shown.outcome
    ticket = shown.label(outcome.main)
    tiles = [_won(outcome, ticket), _best(shown, ticket, found), _fresh(shown, ticket, found)]
    smallest, best = outcome.smallest(outcome.tickets), outcome.best()
    rows = [row for row in (smallest, best) if row is not None]
    commands = {f"the {ticket} with {percent(row['density'])}% of the weights": table.command(row) for row in rows}
    of_dense = {"the dense network": table.command(outcome.dense)}
    return Answer(shown.name, [tile for tile in tiles if tile is not None], commands or of_dense)


def _won(outcome: Outcome, ticket: str) -> Tile:
    question = f"Did the {ticket}s win?"
    if outcome.tickets.empty:
        return Tile(question, "Nothing was pruned", "Only the dense network was trained.")
    smallest = outcome.smallest(outcome.tickets)
    short = wording.short(outcome)
    if outcome.is_short:
        return Tile(question, "Void: training was too short", short)
    sentence = f"{findings.smallest(outcome, ticket)} {short}".strip()
    if outcome.too_few(outcome.tickets):
        return Tile(question, "Not known", sentence)
    if smallest is None:
        return Tile(question, "Not shown", sentence, "bad")
    return Tile(question, f"Yes, {_where(outcome, smallest)} of the weights", sentence, "good")


def _where(outcome: Outcome, smallest: Row) -> str:
    """The range of densities that ends with the smallest winning ticket and in which every ticket is shown to be no worse."""
    end, unshown = f"{percent(smallest['density'])}%", findings.unshown(outcome, smallest)
    if unshown.empty:
        return f"down to {end}"
    won = outcome.tickets[outcome.tickets["density"] < unshown["density"].min()]
    start = f"{percent(won['density'].max())}%"
    return f"at {end}" if start == end else f"from {start} to {end}"


def _undecided(shown: Shown, found: Verdicts | None, against: str, row: Row | None) -> str:
    """What an undecided claim of the report adds to the interval of its difference, which takes no other claim into account.
    row: of the round in which the arms are compared; None stands for the best round.
    """
    about = (shown.name, METRIC, shown.outcome.main, against, "greater", UNDECIDED)
    for each in found or ():
        claim = each.claim
        if (each.experiment, claim.quantity, claim.arm, claim.against, claim.comparison, each.word) != about:
            continue
        if row is None:
            is_it = claim.density == "best"
        else:
            is_it = isinstance(claim.density, float) and percent(float(each.row["density"] or 0)) == percent(row["density"])
        if is_it:
            return (
                " The report's claim about this difference is nevertheless undecided, because all claims are tested together "
                f"(q {probability(each.row['q'])}; see *Claims*)."
            )
    return ""


def _best(shown: Shown, ticket: str, found: Verdicts | None) -> Tile | None:
    outcome = shown.outcome
    row = outcome.best()
    if row is None:
        return None
    unchosen, often = _unchosen(outcome)
    sentence, plain = findings.best(outcome, ticket), outcome.difference(row, outcome.dense)
    difference, unbiased = unchosen or plain, ":"
    if unchosen is None:
        sentence += f" The number of replicates is {plain.n}."
    else:
        unbiased = "; without the bias of choosing the best,"
        sentence += (
            f" The difference given first does not profit from this choice: each of the {unchosen.n} replicates is compared in "
            f"the round that is best for the other replicates, most often at {often}% of the weights."
        )
    is_better = _is_better(outcome, [row, outcome.dense], difference)
    undecided = _undecided(shown, found, DENSE, None) if is_better else ""
    void = "Void: " if outcome.learns_still([row, outcome.dense]) else ""
    return Tile(
        "At which density are they best, and how sure is it?",
        f"{void}{percent(row['density'])}%{unbiased} {wording.told(outcome, difference)}",
        sentence + undecided,
        "good" if is_better and not undecided else "open",
    )


def _unchosen(outcome: Outcome) -> tuple[Difference | None, str]:
    """The difference of the best tickets from the dense network, where the round of each replicate is chosen on the others, as
    for claims about the best round, and the density that is chosen most often. None where nothing is chosen.
    """
    lanes, column = outcome.lanes, outcome.metric.at_early_stop
    dense, tickets = (
        lanes[lanes["arm"] == arm].pivot_table(index="seed", columns="round", values=column) for arm in (DENSE, outcome.main)
    )
    own = tickets[tickets.index.isin(dense.index)].dropna(axis="columns")
    if min(own.shape) < 2:
        return None, ""
    chosen = statistics.chosen_on_others(own, outcome.metric.best)
    effects = own.sub(dense[0], axis="index")
    often = max(chosen.values(), key=[*chosen.values()].count)
    density = outcome.tickets.set_index("round")["density"][often]
    return intervals.of([float(effects[number][seed]) for seed, number in chosen.items()]), percent(density)


def _fresh(shown: Shown, ticket: str, found: Verdicts | None) -> Tile | None:
    """The same masks with fresh weights: near 21% of the weights, where the paper compares them, or else in the last round in
    which both were trained for long enough to be compared. Which round that is does not depend on who won.
    """
    outcome = shown.outcome
    both = outcome.tickets[outcome.tickets["round"].isin(list(outcome.rows(REINIT)["round"]))]
    near = statistics.at_density(both, outcome.main, NEAR_21)
    rows = [row for _, row in both.sort_values("density").iterrows()] if near is None else [near]
    pairs = [(row, fresh) for row in rows if (fresh := statistics.at_round(outcome.table, REINIT, int(row["round"]))) is not None]
    question = "Do they need their own initial weights?"
    if outcome.main == REINIT or outcome.tickets.empty:
        return None
    if not pairs:
        return Tile(question, "Not asked here", "No ticket's masks were also trained with fresh weights (arm `reinit`).")
    row, reinit = next((pair for pair in pairs if not outcome.learns_still(pair)), pairs[0])
    difference = outcome.difference(row, reinit)
    is_better = _is_better(outcome, [row, reinit], difference)
    undecided = _undecided(shown, found, REINIT, row) if is_better else ""
    short = "Not known" if difference.error is None else "Not shown"
    answer = "Void" if outcome.learns_still([row, reinit]) else "Yes" if is_better else short
    void = ""
    if answer == "Void":
        void = f" The comparison is void, because {wording.cut_off(shown, outcome, [row, reinit])}."
    whose = f"that of the same masks with fresh weights ({shown.label(REINIT)})"
    return Tile(
        question,
        f"{answer}: {wording.told(outcome, difference)}",
        f"At {percent(row['density'])}% of the weights, the {ticket}'s {outcome.metric.words} is "
        f"{wording.difference(outcome, row, reinit, whose)}.{void}{undecided}",
        "good" if is_better and not undecided else "open",
    )


def _is_better(outcome: Outcome, rows: list[Row], found: Difference) -> bool:
    """Whether the interval of a difference lies on the better side of zero, and is more than one in speed. rows: its two."""
    if outcome.learns_still(rows) or found.bounds is None:
        return False
    return min(outcome.metric.gain(bound, 0.0) for bound in found.bounds) > 0
