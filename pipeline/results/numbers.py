"""The headline numbers of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.results import statistics
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import REINIT, percent
from pipeline.values.lanes import DENSE, TICKET

if TYPE_CHECKING:
    from pipeline.results.outcome import Row

NEAR_21 = 0.21  # of the weights: where the paper compares LeNet's tickets with the dense network and with fresh weights
Numbers = Mapping[str, float | str | None]


def metrics(outcome: Outcome) -> Numbers:
    """The headline numbers; None for those that cannot be computed. `void` names the ratios that are void although lanes exist.

    Units: values of the metric and their difference in its own unit (accuracies as fractions), at early stop; ratios of mean
    iterations, which are above 1 when the ticket is faster. `margin`: how much worse counts as no worse.
    """
    metric, tickets, dense = outcome.metric, outcome.rows(TICKET), outcome.dense
    best = outcome.best() if outcome.main == TICKET else None
    smallest = outcome.smallest(tickets)
    near = statistics.at_density(tickets, TICKET, NEAR_21)
    # The same masks: the control counts only in the ticket's own round.
    reinit = None if near is None else statistics.at_round(outcome.table, REINIT, int(near["round"]))
    ratios = {"early_stop_speedup_at_21": (dense, near), "reinit_early_stop_ratio_at_21": (reinit, near)}
    void = {key: reason for key, rows in ratios.items() if (reason := _void(outcome, *rows))}
    too_few = outcome.too_few(tickets)
    if too_few:
        void = {"smallest_winning_density": too_few} | void
    gap = None if near is None or reinit is None else float(near["value_mean"] - reinit["value_mean"])
    return {
        "metric": metric.name,
        f"dense_{metric.name}": float(dense["value_mean"]),
        f"best_ticket_{metric.name}": None if best is None else float(best["value_mean"]),
        "best_ticket_density": None if best is None else float(best["density"]),
        # 1.0, the dense network itself, says that no ticket is shown to be no worse.
        "smallest_winning_density": None if too_few else 1.0 if smallest is None else float(smallest["density"]),
        **{f"smallest_winning_{end}": bound for end, bound in zip(("low", "high"), _bounds(outcome, smallest), strict=True)},
        "margin": outcome.margin(),
        "density_near_21": None if near is None else float(near["density"]),  # of the rows below
        **{key: None if key in void else _ratio(*rows) for key, rows in ratios.items()},
        f"ticket_minus_reinit_{metric.name}_at_21": gap,
        "void": "; ".join(f"{key}: {reason}" for key, reason in void.items()) or None,
    }


def _bounds(outcome: Outcome, smallest: Row | None) -> tuple[float | None, float | None]:
    """The 95% interval of the smallest winning ticket's difference from the dense network."""
    found = None if smallest is None else outcome.difference(smallest, outcome.dense).bounds
    return (None, None) if found is None else found


def _void(outcome: Outcome, above: Row | None, below: Row | None) -> str:
    """Why a ratio of these rows' early stops is not given; empty when it is, or when there are no such rows."""
    if above is None or below is None:
        return ""
    return " and ".join(_cut_off(row) for row in outcome.cut_off([above, below]))


def _cut_off(row: Row) -> str:
    dense = row["arm"] == DENSE
    whose = "the dense network's early stop" if dense else f"the early stop of {row['arm']} at {percent(row['density'])}%"
    return f"{whose} is cut off by the end of training in {row['censored']} of {row['n']} {'replicates' if dense else 'lanes'}"


def _ratio(above: Row | None, below: Row | None) -> float | None:
    """Of mean early-stop iterations; None without both, or when the one below stops before its first step."""
    if above is None or below is None or not below["stop_mean"]:
        return None
    return float(above["stop_mean"] / below["stop_mean"])
