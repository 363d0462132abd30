"""How the quality of a network is measured: the metric's name, its direction and its unit, all of which the tables carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pipeline.domain import task
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FIELDS = {"metric": "name", "better": "better", "unit": "unit"}  # columns of rounds.csv and what they are here
CAPITALS = {"rmse", "mse", "mae", "auc"}
WORDS = {"bits_per_character": "number of bits per character"}  # a metric's name in sentences, as one thing
# What a network does with such a value, where that reads better than "has a test accuracy of".
DOES = {
    "accuracy": "classifies {value} of the test set correctly",
    "bits_per_character": "needs {value} bits per character of the test set",
}
Number = TypeVar("Number", float, "pd.Series[float]")


@dataclass(frozen=True)
class Metric(task.Metric):
    """The task's, as the tables carry it, with what follows from it for numbers and words."""

    @classmethod
    def of(cls, table: pd.DataFrame) -> Metric:
        """Of a table of rounds. Raises: UserError when its lanes are measured in different ways or it does not say how."""
        missing = [column for column in FIELDS if column not in table]
        if missing:
            raise UserError(f"the table of rounds has no column {missing[0]}")
        found = table[list(FIELDS)].drop_duplicates()
        if len(found) != 1:
            names = sorted(set(map(str, table["metric"])))
            raise UserError(f"the lanes of an experiment should have one metric, but theirs are {names}")
        # An empty cell is read as a missing number.
        name, better, unit = (value if isinstance(value, str) else "" for value in found.iloc[0])
        if better not in ("higher", "lower"):
            raise UserError(f"the metric {name} says that {better!r} is better; should be higher or lower")
        try:
            return cls(name, cast(Literal["higher", "lower"], better), unit)
        except ValueError as error:
            raise UserError(str(error)) from error

    @property
    def at_early_stop(self) -> str:
        return f"{self.name}_at_early_stop"

    @property
    def final(self) -> str:
        return f"final_{self.name}"

    @property
    def test(self) -> str:
        return f"test_{self.name}"

    @property
    def histories(self) -> tuple[str, ...]:
        """The columns of a lane's history, the iteration apart."""
        return "train_loss", "validation_loss", f"validation_{self.name}", "test_loss", self.test

    @property
    def words(self) -> str:
        if self.name in WORDS:
            return WORDS[self.name]
        return self.name.upper() if self.name in CAPITALS else self.name.replace("_", " ")

    # --- Which of two is better

    def gain(self, value: Number, than: Number) -> Number:
        """How much better the first is: positive when it is, whatever the direction."""
        return value - than if self.better == "higher" else than - value

    def margin(self, share: float, dense: float) -> float:
        """How much worse than the dense network counts as no worse, in the metric's unit: a share of the dense network's error,
        which is what a fraction lacks to 1, and the value itself where lower is better or there is no largest value.
        """
        return share * (1 - dense if self.is_fraction and self.better == "higher" else abs(dense))

    def no_worse(self, bounds: tuple[float, float] | None, margin: float) -> bool:
        """The one rule of the project. bounds: the 95% interval of a difference from the dense network; its worse end must be
        better than `margin` below zero. Without an interval, nothing is shown.
        """
        return bounds is not None and min(self.gain(bound, 0.0) for bound in bounds) > -margin

    def best(self, values: Sequence[float] | pd.Series[float]) -> int:
        """The place of the best; of equal ones the first."""
        ranked = [self.gain(float(value), 0.0) for value in values]
        return ranked.index(max(ranked))

    # --- In words and on axes

    @property
    def is_fraction(self) -> bool:
        return self.unit == "fraction"

    def shown(self, value: Any) -> Any:
        """A value, or a column of them, as figures and tables show it: a fraction in percent."""
        return 100 * value if self.is_fraction else value

    def number(self, value: float) -> str:
        """For the cell of a table whose heading has the unit."""
        if self.is_fraction:
            return f"{100 * value:.2f}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

    def text(self, value: float) -> str:
        """97.89%, 0.512 or 3.1 mm"""
        return f"{self.number(value)}{self._suffix('%')}"

    def gap(self, difference: float) -> str:
        """A signed difference: +0.41 points, -0.03"""
        return f"{self._signed(difference)}{self._suffix(' points')}"

    def size(self, difference: float) -> str:
        """A difference without a plus sign: 0.41 points, -0.03"""
        return f"{self._signed(difference, '-')}{self._suffix(' points')}"

    def between(self, low: float, high: float, is_signed: bool = True) -> str:
        """Two differences: -0.41 to +0.03 points"""
        first, second = (self._signed(value, "+" if is_signed else "-") for value in (low, high))
        return f"{first} to {second}{self._suffix(' points')}"

    def compared(self, value: float, than: float, whose: str = "") -> str:
        """0.41 points higher than the dense network's; where lower is better, that is said: 0.03 lower (better) than …"""
        if math.isclose(value, than, rel_tol=1e-9):
            return f"the same as {whose}" if whose else "the same"
        meaning = "" if self.better == "higher" else f" ({'worse' if self.gain(value, than) < 0 else 'better'})"
        found = f"{self.size(abs(value - than))} {'higher' if value > than else 'lower'}{meaning}"
        return f"{found} than {whose}" if whose else found

    def has(self, who: str, value: float) -> str:
        """What a network has reached, as a sentence without its full stop."""
        does = DOES.get(self.name, f"has a test {self.words} of {{value}}")
        return f"{who} {does.format(value=self.text(value))}"

    def axis(self, of: str) -> str:
        """The label of an axis: Test accuracy (%)"""
        unit = "%" if self.is_fraction else self.unit
        return f"{of} {self.words}{f' ({unit})' if unit else ''}"

    def _signed(self, difference: float, sign: Literal["+", "-"] = "+") -> str:
        """sign: "+" gives positive numbers a sign too."""
        return f"{100 * difference:{sign}.2f}" if self.is_fraction else f"{difference:{sign}.3g}"

    def _suffix(self, fraction: str) -> str:
        return fraction if self.is_fraction else f" {self.unit}" if self.unit else ""
