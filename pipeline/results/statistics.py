"""Tables over lanes: means and min-max over trials, as in the error bars of the paper's section 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.results.metric import FIELDS, Metric

if TYPE_CHECKING:
    import pandas as pd

LATE = 0.95  # of training: a minimum of the validation loss from there on may have been followed by lower ones
NEAR = 0.2  # how far, relative to it, a round's density may be from the one that is asked for
REINIT = "reinit"  # the control that the paper's claims are about


def rounds(lanes: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a lane, from lane.json and `target`, what `dvc repro` takes; arms as they come, each by round, seed and draw.

    Raises: UserError when the lanes are measured in different ways.
    """
    import pandas as pd

    found = [{**lane, **{column: lane["metric"][key] for column, key in FIELDS.items()}} for lane in lanes]
    metric = Metric.of(pd.DataFrame([{column: lane[column] for column in FIELDS} for lane in found]))
    columns = [
        "round", "density", "arm", "seed", "draw", "early_stop_iteration", metric.at_early_stop,
        "validation_loss_at_early_stop", metric.final, "final_iteration", *FIELDS, "target",
    ]  # fmt: skip
    frame = pd.DataFrame([{column: lane[column] for column in columns} for lane in found])
    return _ordered(frame.astype({"draw": "Int64"}), ["round", "seed", "draw"])


def curves(lanes: Iterable[tuple[Mapping[str, Any], pd.DataFrame]]) -> pd.DataFrame:
    """Mean, min and max over the lanes of each (arm, round), at each iteration, of every column of their histories."""
    import pandas as pd

    known, pairs = ("arm", "round", "density"), list(lanes)
    frame = pd.concat([history.assign(**{k: lane[k] for k in known}) for lane, history in pairs], ignore_index=True)
    columns = [column for column in frame if column not in (*known, "iteration")]
    named: dict[str, Any] = {f"{column}_{how}": (column, how) for column in columns for how in ("mean", "min", "max")}
    grouped = frame.groupby(["arm", "round", "iteration"], as_index=False, sort=False)
    table = grouped.agg(density=("density", "first"), **named)
    return _ordered(table[[*known, "iteration", *named]], ["round", "iteration"])


def summary(rounds: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """One row for each (arm, round): n lanes, of how many replicates (seeds), how many censored, and `stop` (the early-stop
    iteration), `value` (the metric there) and `final` with `_mean`, `_min` and `_max` over seeds and draws.
    """
    measures = {"stop": "early_stop_iteration", "value": metric.at_early_stop, "final": metric.final}
    hows: dict[str, Any] = {"mean": _mean, "min": "min", "max": "max"}
    named: dict[str, Any] = {
        "density": ("density", "first"), "target": ("target", "first"), "n": ("seed", "size"), "seeds": ("seed", "nunique"),
        "censored": ("censored", "sum"), "end": ("final_iteration", "max"),
    }  # fmt: skip
    for measure, column in measures.items():
        named |= {f"{measure}_{how}": (column, by) for how, by in hows.items()}
    marked = rounds.assign(censored=censored(rounds))
    return _ordered(marked.groupby(["arm", "round"], as_index=False, sort=False).agg(**named), ["round"])


def censored(rounds: pd.DataFrame) -> pd.Series[bool]:
    """Which lanes' early stop lies in the last part of training: the true minimum of their validation loss may come later."""
    return rounds["early_stop_iteration"] >= LATE * rounds["final_iteration"]


def at_points(curves: pd.DataFrame, points: int = 3) -> pd.DataFrame:
    """The evaluations nearest to each of so many equal parts of training, the end being the last: of every arm and round
    one row a point (0, 1, …), of two equally near ones the earlier.
    """
    import pandas as pd

    found = []
    for _, rows in curves.groupby(["arm", "round"], sort=False):
        end = rows["iteration"].max()  # an arm may be trained for longer
        for point in range(points):
            nearest = rows.loc[(rows["iteration"] * points - end * (point + 1)).abs().idxmin()]
            found.append(nearest.to_dict() | {"point": point})
    return pd.DataFrame(found)


def at_density(table: pd.DataFrame, arm: str, density: float) -> pd.Series[Any] | None:
    """The row of the summary for the arm's mask whose density is nearest; None when none is within NEAR of it."""
    rows = table[table["arm"] == arm]
    if rows.empty:
        return None
    row = rows.iloc[int((rows["density"] - density).abs().argmin())]
    return row if abs(row["density"] - density) <= NEAR * density else None


def nearest_rounds(table: pd.DataFrame, densities: Iterable[float]) -> list[int]:
    """The rounds whose densities are nearest to these, in logarithms, each once and in order. table: one arm's, of any kind."""
    known = table.drop_duplicates("round")
    if known.empty:
        return []
    places = [int((known["density"] / density).map(math.log).abs().argmin()) for density in densities]
    return sorted({int(known["round"].iloc[place]) for place in places})


def at_round(table: pd.DataFrame, arm: str, number: int) -> pd.Series[Any] | None:
    """The row of the summary for an arm and a round; None when the arm was not trained in it."""
    rows = table[(table["arm"] == arm) & (table["round"] == number)]
    return None if rows.empty else rows.iloc[0]


def chosen_on_others(values: pd.DataFrame, best: Callable[[pd.Series[float]], int]) -> dict[int, int]:
    """The best round by seed, each chosen on the means over the other seeds. If it were chosen on the same values, the best of
    several equally good rounds would look better than it is.

    values: seeds by rounds. best: tells the place of the best of several values; of equally good ones that of the first, which
    is here the last round, because it has the fewest weights.
    """
    found = {}
    for seed in values.index:
        means = values.drop(index=seed).mean().iloc[::-1]
        found[int(seed)] = int(means.index[best(means)])
    return found


def percent(density: float) -> str:
    """The paper's way to write a density: 100, 51.3, 7.0; below 1 with two significant digits."""
    value = 100 * density
    return "100" if value >= 99.95 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _mean(values: pd.Series[Any]) -> float:
    # Exact sum: two arms with the same values in another order have the same mean.
    return math.fsum(values) / len(values)


def _ordered(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Arms in the order in which they come."""
    rank = frame["arm"].map({arm: i for i, arm in enumerate(frame["arm"].drop_duplicates())})
    return frame.assign(_rank=rank).sort_values(["_rank", *by], kind="stable").drop(columns="_rank").reset_index(drop=True)
