"""Numbers in the report's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.results.outcome import Measure, Outcome
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.figures.shown import Shown
    from pipeline.results.intervals import Difference
    from pipeline.results.metric import Metric
    from pipeline.results.outcome import Row

MEANS = "by mean iterations"
BOUNDS = "some of which are lower bounds"
CHOSEN = "chosen on the test set"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def several(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def ticked(names: Sequence[str]) -> str:
    return several([f"`{name}`" for name in names])


def densities(rows: pd.DataFrame) -> str:
    """51.3%, 21.1% and 7.0%; "none of these densities" without any."""
    return several([f"{percent(density)}%" for density in rows["density"]]) or "none of these densities"


def at_own(label: str, row: Row, density: float) -> str:
    """The name of an arm, with its density where it is not the one that the sentence is about, as with other structures."""
    own = percent(row["density"])
    return label if own == percent(density) else f"{label} at {own}%"


def stop(row: Row) -> str:
    """A mean early-stop iteration; a lower bound is marked as one."""
    return f"{'≥ ' if row['censored'] else ''}{row['stop_mean']:,.0f}"


def sooner(ratio: float) -> str:
    """How an early stop compares with another one, from the ratio of its iteration to the other's: 38% earlier, 8% later."""
    share = abs(1 - ratio)
    return f"{share:,.1%} {_side(ratio)}" if 0 < share < 0.01 else f"{share:,.0%} {_side(ratio)}"


def sooner_between(low: float, high: float) -> str:
    """Two such ratios: 51% to 23% earlier, 56% earlier to 8% later."""
    first = sooner(low)
    return f"{first.removesuffix(f' {_side(high)}')} to {sooner(high)}"


def _side(ratio: float) -> str:
    return "earlier" if ratio < 1 else "later"


def earlier(row: Row, other: Row) -> str:
    """When the early stop of a row comes compared with another's, to follow "its early stop comes"."""
    its, theirs = float(row["stop_mean"]), float(other["stop_mean"])
    if its == theirs:
        return "at the same iteration"
    if not theirs:
        return "later, because the other one comes at iteration 0"
    return f"{sooner(its / theirs)}{f' by mean iterations, {BOUNDS}' if row['censored'] or other['censored'] else ''}"


def speed(who: str, row: Row, other: str, another: Row) -> str:
    """A sentence that compares two mean early-stop iterations, without its full stop. other: the name of the second row."""
    its, theirs = float(row["stop_mean"]), float(another["stop_mean"])
    means = f"{MEANS}, {BOUNDS}" if row["censored"] or another["censored"] else MEANS
    if its == theirs:
        return f"{who} reaches its early stop after as many iterations as {other}, on average"
    if not its or not theirs:
        return f"{who} has its early stop at iteration {its:,.0f} and {other} at iteration {theirs:,.0f}, on average"
    return f"{who} reaches its early stop {sooner(its / theirs)} than {other} ({means})"


def difference(outcome: Outcome, row: Row, other: Row, whose: str = "", measure: Measure = "value") -> str:
    """The difference of the metric, with its interval, to follow "its accuracy is". whose: the other's."""
    text = outcome.metric.compared(float(row[f"{measure}_mean"]), float(other[f"{measure}_mean"]), whose)
    differs = not text.startswith("the same")
    speed = "a difference in speed of learning; " if differs and outcome.learns_still([row, other]) else ""
    return f"{text} ({speed}{interval(outcome, row, other, measure)})"


def no_worse(outcome: Outcome, measure: Measure = "value") -> str:
    """The rule of the project, after a verb: no worse than the dense network (with a margin of 0.10 points, 5% of its error)."""
    metric, size = outcome.metric, outcome.metric.size(outcome.margin(measure))
    of = "error" if metric.is_fraction and metric.better == "higher" else metric.words
    return f"no worse than the dense network (with a margin of {size}, {100 * outcome.share:g}% of its {of})"


def interval(outcome: Outcome, row: Row, other: Row, measure: Measure = "value") -> str:
    found = outcome.difference(row, other, measure)
    if found.error is None:
        return f"{count(found.n, 'replicate')} {'is' if found.n == 1 else 'are'} too few for an interval"
    if found.bounds is None:
        return "without an interval, because the differences of all replicates are equal"
    return f"95% interval {outcome.metric.between(*found.bounds)}"


def compared(outcome: Outcome, found: Difference) -> tuple[str, str, float]:
    """A difference in words, its interval, which may be empty, and the difference itself."""
    if found.mean != found.mean:  # no replicate in common
        return "", "", 0.0
    between = outcome.metric.between(*found.bounds).removesuffix(" points") if found.bounds else ""
    return outcome.metric.gap(found.mean), between, found.mean


def told(outcome: Outcome, found: Difference) -> str:
    difference, interval, _ = compared(outcome, found)
    return f"{difference or 'no replicate in common'}{f', 95% interval {interval}' if interval else ''}"


def gaps(metric: Metric, rows: pd.DataFrame, tickets: pd.DataFrame) -> str:
    """The smallest and the largest difference from the tickets of the same rounds; empty without such rounds."""
    pairs = rows.merge(tickets[["round", "value_mean"]], on="round", suffixes=("", "_ticket"))
    if pairs.empty:
        return ""
    found = pairs["value_mean"] - pairs["value_mean_ticket"]
    places = dict.fromkeys([int(found.argmin()), int(found.argmax())])
    span = " to ".join(f"{metric.gap(found.iloc[i])} (at {percent(pairs['density'].iloc[i])}%)" for i in places)
    return span if metric.better == "higher" else f"{span}, where lower is better"


# --- What the end of training leaves open


def short(outcome: Outcome) -> str:
    """What differences in the metric mean when the dense network's validation loss is lowest at the end; empty when it is not."""
    if not outcome.cut_off([outcome.dense]):
        return ""
    censored = f"in {outcome.dense['censored']} of {count(int(outcome.dense['n']), 'replicate')}"
    if outcome.annealed:  # the loss is then expected to be lowest at the end, however long training is
        return (
            f"The dense network's validation loss is lowest at the end of training ({censored}), where the learning rate has "
            f"fallen to 0 along a cosine. Networks are therefore compared after the same {outcome.iterations:,} iterations, and "
            "early stops are not compared."
        )
    return (
        f"The comparison is void, because training ended, after {outcome.iterations:,} iterations, before the dense network's "
        f"validation loss reached its minimum ({censored}): the differences "
        f"in {outcome.metric.words} are differences in speed of learning, not in final quality."
    )


def not_compared(shown: Shown, outcome: Outcome, rows: list[Row]) -> str:
    """Why the early stops of these rows are not compared; empty when they are."""
    reason = cut_off(shown, outcome, rows)
    return f"early stops are not compared, because {reason}" if reason else ""


def cut_off(shown: Shown, outcome: Outcome, rows: list[Row]) -> str:
    """Whose training ended too soon for a comparison; empty when none did."""
    cut: dict[str, list[Row]] = {}
    for row in outcome.cut_off(rows):
        cut.setdefault(row["arm"], []).append(row)
    whose = several([_whose(shown, arm, of_arm) for arm, of_arm in cut.items()])
    return f"training ended before the validation loss of {whose} reached its minimum" if cut else ""


def _whose(shown: Shown, arm: str, rows: list[Row]) -> str:
    if arm == DENSE:
        return f"the dense network (in {rows[0]['censored']} of {count(int(rows[0]['n']), 'replicate')})"
    at = several([f"{percent(row['density'])}%" for row in rows])
    return f"the {shown.label(arm)} at {at} of the weights (in most lanes)"
