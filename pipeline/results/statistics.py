"""Tables over lanes: means and min-max over trials, as in the error bars of section 2, and the numbers drawn from them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from pipeline.values.lanes import ARMS

ROUND_COLUMNS = (
    "round", "density", "arm", "seed", "draw", "early_stop_iteration", "accuracy_at_early_stop",
    "validation_loss_at_early_stop", "final_accuracy", "final_iteration", "target",
)  # fmt: skip
MEASURES = ("early_stop_iteration", "accuracy_at_early_stop", "final_accuracy")
HISTORY = ("train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
NEAR = 0.2  # how far, relative to it, a round's density may be from the one that is asked for
Metrics = dict[str, float | None]


def rounds(lanes: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a lane, from lane.json and `target`, what `dvc repro` takes; ordered by arm, round, seed and draw."""
    frame = pd.DataFrame(list(lanes), columns=list(ROUND_COLUMNS)).astype({"draw": "Int64"})
    return _ordered(frame, ["round", "seed", "draw"])


def curves(lanes: Iterable[tuple[Mapping[str, Any], pd.DataFrame]]) -> pd.DataFrame:
    """Mean, min and max over the lanes of each (arm, round), at each iteration, of every column of their histories."""
    known = ("arm", "round", "density")
    frame = pd.concat([history.assign(**{k: lane[k] for k in known}) for lane, history in lanes], ignore_index=True)
    named: dict[str, Any] = {f"{column}_{how}": (column, how) for column in HISTORY for how in ("mean", "min", "max")}
    table = frame.groupby(["arm", "round", "iteration"], as_index=False).agg(density=("density", "first"), **named)
    return _ordered(table[[*known, "iteration", *named]], ["round", "iteration"])


def summary(rounds: pd.DataFrame) -> pd.DataFrame:
    """One row for each (arm, round): n lanes, and `<measure>_mean`, `_min` and `_max` over its seeds and draws."""
    hows: dict[str, Any] = {"mean": _mean, "min": "min", "max": "max"}
    named: dict[str, Any] = {f"{measure}_{how}": (measure, by) for measure in MEASURES for how, by in hows.items()}
    fixed: dict[str, Any] = {"density": ("density", "first"), "target": ("target", "first"), "n": ("seed", "size")}
    return _ordered(rounds.groupby(["arm", "round"], as_index=False).agg(**fixed, **named), ["round"])


def at_points(curves: pd.DataFrame, points: int = 3) -> pd.DataFrame:
    """The evaluations nearest to each of so many equal parts of training, the end being the last: of every arm and round
    one row a point (0, 1, …), of two equally near ones the earlier.
    """
    end = curves["iteration"].max()
    found = []
    for _, rows in curves.groupby(["arm", "round"], sort=False):
        for point in range(points):
            nearest = rows.loc[(rows["iteration"] * points - end * (point + 1)).abs().idxmin()]
            found.append(nearest.to_dict() | {"point": point})
    return pd.DataFrame(found)


def at_density(table: pd.DataFrame, arm: str, density: float) -> pd.Series | None:
    """The row of the summary for the arm's mask whose density is nearest; None when none is within NEAR of it."""
    rows = table[table["arm"] == arm]
    if rows.empty:
        return None
    row = rows.iloc[int((rows["density"] - density).abs().argmin())]
    return row if abs(row["density"] - density) <= NEAR * density else None


def at_round(table: pd.DataFrame, arm: str, number: int) -> pd.Series | None:
    """The row of the summary for an arm and a round; None when the arm was not trained in it."""
    rows = table[(table["arm"] == arm) & (table["round"] == number)]
    return None if rows.empty else rows.iloc[0]


def percent(density: float) -> str:
    """The paper's way to write a density: 100, 51.3, 7.0; below 1 with two significant digits."""
    value = 100 * density
    return "100" if value >= 99.95 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def metrics(rounds: pd.DataFrame) -> Metrics:
    """The numbers of reports/metrics.json; None for what the experiment cannot tell.

    Units: accuracies are fractions of the test images at early stop; the gap is a difference of fractions.
    """
    table = summary(rounds)
    dense = at_round(table, "ticket", 0)
    if dense is None:
        raise ValueError("the table has no round 0 of the arm ticket, which is the dense network")
    networks = table[table["arm"] == "ticket"].sort_values("density")  # from the smallest, which wins a tie
    pruned = networks[networks["round"] > 0]
    best = None if pruned.empty else pruned.iloc[int(pruned["accuracy_at_early_stop_mean"].argmax())]
    # The dense network is in it: 1.0 says that no ticket is as good.
    winning = networks[networks["accuracy_at_early_stop_mean"] >= dense["accuracy_at_early_stop_mean"]]
    ticket = at_density(pruned, "ticket", 0.21)
    # The same masks: the control counts only in the ticket's own round.
    reinit = None if ticket is None else at_round(table, "reinit", int(ticket["round"]))
    return {
        "dense_accuracy": float(dense["accuracy_at_early_stop_mean"]),
        "best_ticket_accuracy": None if best is None else float(best["accuracy_at_early_stop_mean"]),
        "best_ticket_density": None if best is None else float(best["density"]),
        "smallest_winning_density": float(winning["density"].iloc[0]),
        "density_near_21": None if ticket is None else float(ticket["density"]),  # of the rows below
        "early_stop_speedup_at_21": _ratio(dense, ticket),
        "reinit_early_stop_ratio_at_21": _ratio(reinit, ticket),
        "reinit_accuracy_gap_at_21": None
        if ticket is None or reinit is None
        else float(ticket["accuracy_at_early_stop_mean"] - reinit["accuracy_at_early_stop_mean"]),
    }


def _ratio(above: pd.Series | None, below: pd.Series | None) -> float | None:
    """Of mean early-stop iterations; None without both, or when the one below stops before its first step."""
    if above is None or below is None or not below["early_stop_iteration_mean"]:
        return None
    return float(above["early_stop_iteration_mean"] / below["early_stop_iteration_mean"])


def _mean(values: "pd.Series[Any]") -> float:
    # Exact sum: two arms with the same accuracies in another order have the same mean, so neither is "worse".
    return math.fsum(values) / len(values)


def _ordered(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    rank = frame["arm"].map({arm: i for i, arm in enumerate(ARMS)})
    return frame.assign(_rank=rank).sort_values(["_rank", *by], kind="stable").drop(columns="_rank").reset_index(drop=True)
