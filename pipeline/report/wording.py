"""Numbers in the report's words."""

import pandas as pd

from pipeline.results.statistics import percent


def densities(rows: pd.DataFrame) -> str:
    return ", ".join(map(percent, rows["density"])) + "%" if len(rows) else "none"


def points(difference: float) -> str:
    return f"{100 * difference:+.2f} points"


def level(gap: float) -> str:
    return f"{abs(100 * gap):.2f} points {'above' if gap >= 0 else 'below'}"


def times(ratio: float) -> str:
    """How many times sooner, for a ratio of another's early-stop iteration to the ticket's."""
    if ratio == 1:
        return "at the same iteration as"
    return f"{ratio:.2f}× sooner than" if ratio >= 1 else f"{1 / ratio:.2f}× later than" if ratio else "after"


def against(ticket: "pd.Series[float]", other: "pd.Series[float]") -> str:
    """How much earlier the ticket's early stop comes, in percent of the other's iterations, and what it gains in accuracy."""
    its, theirs = float(ticket["early_stop_iteration_mean"]), float(other["early_stop_iteration_mean"])
    gain = points(ticket["accuracy_at_early_stop_mean"] - other["accuracy_at_early_stop_mean"])
    when = "at the same iteration" if its == theirs else "not before iteration 0"
    if theirs and its != theirs:
        when = f"{abs(theirs - its) / theirs:.0%} {'earlier' if its < theirs else 'later'}"
    return f"early stop {when}, accuracy {gain}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def several(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
