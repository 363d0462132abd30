"""What came out of one experiment: its lanes, their summary, its learning curves and how its quality is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pipeline.results import examined, intervals, statistics, tables
from pipeline.results.intervals import Difference
from pipeline.results.metric import Metric
from pipeline.settings import places
from pipeline.values.errors import UserError
from pipeline.values.lanes import DENSE, TICKET

if TYPE_CHECKING:
    import pandas as pd

    Row = pd.Series[Any]  # of the summary: all lanes of an arm in a round

# Columns of numbers that are there whatever the metric is.
ROUNDS = ("round", "density", "seed", "early_stop_iteration", "validation_loss_at_early_stop", "final_iteration")
CURVES = ("round", "density", "iteration")
Measure = Literal["value", "final"]  # columns of the summary: the metric at early stop, and at the end of training


@dataclass(frozen=True, eq=False)
class Outcome:
    """lanes: rounds.csv. table: its summary. share: the margin, as a share of the dense network's error. annealed: whether the
    learning rate falls to 0 at the end, so that the loss is expected to be lowest there and networks are compared there.

    The others are the tables of these names, where they were read.
    """

    metric: Metric
    lanes: pd.DataFrame
    table: pd.DataFrame
    share: float
    curves: pd.DataFrame | None = None
    examined: pd.DataFrame | None = None
    profiles: pd.DataFrame | None = None
    stability: pd.DataFrame | None = None
    lines: pd.DataFrame | None = None
    annealed: bool = False

    @classmethod
    def of(cls, rounds: pd.DataFrame, share: float, curves: pd.DataFrame | None = None) -> Outcome:
        """Raises: UserError when the table of rounds does not say how lanes are measured, or has no dense network."""
        metric = Metric.of(rounds)
        for column in (metric.at_early_stop, metric.final):
            if column not in rounds or tables.wrong_numbers(rounds, [column]):
                raise UserError(f"the table of rounds has no numbers in a column {column}")
        outcome = cls(metric, rounds, statistics.summary(rounds, metric), share, curves)
        if DENSE not in outcome.arms:
            raise UserError("the table of rounds has no lane of the arm dense, which everything is compared with")
        if curves is not None:
            for column in (f"{metric.test}_{how}" for how in ("mean", "min", "max")):
                if column not in curves:
                    raise UserError(f"the table of curves has no column {column}")
                if curves[column].dtype.kind not in "if":
                    raise UserError(f"the table of curves has text in the column {column}")
            missing = {*zip(rounds["arm"], rounds["round"], strict=True)} - {*zip(curves["arm"], curves["round"], strict=True)}
            if missing:
                arm, number = min(missing)
                raise UserError(f"the table of curves has no round {number} of {arm}")
        return outcome

    @classmethod
    def read(cls, experiment: str, share: float, with_curves: bool = False, annealed: bool = False) -> Outcome:
        """From the files of an experiment. share: `margin` of the settings. annealed: as the experiment's settings say.

        Raises: UserError that names the file and what makes it.
        """
        made_by = f"{places.chain(experiment)}:aggregate"
        rounds = tables.read(places.rounds(experiment), made_by, ("arm", "target"), ROUNDS)
        curves = tables.read(places.curves(experiment), made_by, ("arm",), CURVES) if with_curves else None
        try:
            return replace(cls.of(rounds, share, curves), annealed=annealed)
        except UserError as error:
            raise UserError(f"{places.rounds(experiment)}: {error}; `dvc repro --force {made_by}` makes it anew") from None

    def with_examined(self, experiment: str, with_profiles: bool = False) -> Outcome:
        """With the tables of the stage `examine` too. Raises: UserError that names the file and what makes it."""
        table = examined.read(experiment)
        profiles = examined.read_profiles(experiment, table) if with_profiles else None
        return replace(self, examined=table, profiles=profiles)

    def with_stability(self, experiment: str) -> Outcome:
        """With the tables of the stage `stability` too. Raises: UserError that names the file and what makes it."""
        found, lines = examined.read_stability(experiment)
        return replace(self, stability=found, lines=lines)

    @property
    def arms(self) -> list[str]:
        """All that were trained, the dense network among them, in the order of the table."""
        return list(dict.fromkeys(self.table["arm"]))

    @property
    def main(self) -> str:
        """The arm that sentences and figures about tickets describe: `ticket` or, without it, the first arm that is not dense."""
        beside = [arm for arm in self.arms if arm != DENSE and not self.is_full(arm)]
        return TICKET if TICKET in beside else (beside or [DENSE])[0]

    @property
    def dense(self) -> Row:
        return self.table[self.table["arm"] == DENSE].iloc[0]

    @property
    def full(self) -> list[Row]:
        """For each arm that keeps all weights and is trained longer than the dense network, the row of its last, longest round.
        Those that are trained as long only repeat the dense network.
        """
        last = [self.rows(arm).iloc[-1] for arm in self.arms if arm != DENSE and self.is_full(arm)]
        return [row for row in last if row["end"] > self.dense["end"]]

    def is_full(self, arm: str) -> bool:
        """Whether an arm keeps all weights in every round."""
        return bool((self.rows(arm)["density"] >= 1).all())

    @property
    def tickets(self) -> pd.DataFrame:
        """The rows of the main arm, from the densest; none when only the dense network was trained."""
        return self.rows(self.main) if self.main != DENSE else self.table.iloc[:0]

    @property
    def iterations(self) -> int:
        """Those of the dense network: an arm may be trained for longer."""
        return int(self.dense["end"])

    def rows(self, arm: str) -> pd.DataFrame:
        return self.table[self.table["arm"] == arm]

    def points(self) -> pd.DataFrame:
        """The metric on the test set at three points of training, as `value_mean`, `_min` and `_max`."""
        if self.curves is None:
            raise ValueError("the outcome was read without its curves")
        names = {f"{self.metric.test}_{how}": f"value_{how}" for how in ("mean", "min", "max")}
        return statistics.at_points(self.curves).rename(columns=names)

    def best(self) -> Row | None:
        """The best of the tickets at early stop, of equal ones the smallest."""
        rows = self.tickets.sort_values("density")
        return None if rows.empty else rows.iloc[self.metric.best(rows["value_mean"])]

    def margin(self, measure: Measure = "value") -> float:
        """How much worse than the dense network counts as no worse, in the metric's unit."""
        return self.metric.margin(self.share, float(self.dense[f"{measure}_mean"]))

    def no_worse(self, rows: pd.DataFrame, measure: Measure = "value") -> pd.DataFrame:
        """Those that are shown to be no worse than the dense network, which itself is one of them."""
        margin = self.margin(measure)
        return rows.loc[
            [
                row["arm"] == DENSE or self.metric.no_worse(self.difference(row, self.dense, measure).bounds, margin)
                for _, row in rows.iterrows()
            ]
        ]

    def too_few(self, rows: pd.DataFrame) -> str:
        """Why nothing can be shown of these rows; empty when something can."""
        found = [self.difference(row, self.dense) for _, row in rows.iterrows()]
        n = max((difference.n for difference in found), default=intervals.FEWEST)
        if n >= intervals.FEWEST:
            return ""
        return f"{n} replicate{' is' if n == 1 else 's are'} too few for an interval"

    def smallest(self, rows: pd.DataFrame) -> Row | None:
        """Of those that are no worse than the dense network, the one with the fewest weights."""
        rows = self.no_worse(rows).sort_values("density", kind="stable")
        return None if rows.empty else rows.iloc[0]

    def difference(self, row: Row, than: Row, measure: Measure = "value") -> Difference:
        """Between two rows of the summary, paired by seed, in the metric at early stop or at the end of training."""
        mine, theirs = (self.lanes[(self.lanes["arm"] == r["arm"]) & (self.lanes["round"] == r["round"])] for r in (row, than))
        return intervals.paired(mine, theirs, self.metric.at_early_stop if measure == "value" else self.metric.final)

    @staticmethod
    def cut_off(rows: Iterable[Row]) -> list[Row]:
        """Of rows whose early stops are to be compared, those that forbid it, because training ended before the validation
        loss had its minimum: the dense network in any lane, another arm in most of its lanes.
        """
        return [row for row in rows if row["censored"] > (0 if row["arm"] == DENSE else row["n"] / 2)]

    @property
    def is_short(self) -> bool:
        """Whether training ended before the dense network had its minimum: differences in quality are then those in speed."""
        return self.learns_still([self.dense])

    def learns_still(self, rows: Sequence[Row]) -> bool:
        """Whether the networks of some of these rows would have become better if training had been longer."""
        return not self.annealed and bool(self.cut_off(rows))
