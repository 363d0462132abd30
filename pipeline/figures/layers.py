"""What the figures of the examined masks and weights have in common: their tables, layers and densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.figures import axes, style
from pipeline.figures.shown import Shown
from pipeline.results import examined, statistics

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from pipeline.results.outcome import Outcome


def numbers(outcome: Outcome) -> pd.DataFrame:
    if outcome.examined is None:
        raise ValueError("the outcome was read without its examined.csv")
    return outcome.examined


def profiles(outcome: Outcome) -> pd.DataFrame:
    if outcome.profiles is None:
        raise ValueError("the outcome was read without its profiles.csv")
    return outcome.profiles


def name(layer: str) -> str:
    return layer.removesuffix(".weight")


def looks(layers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The colour and marker of each layer."""
    return {layer: style.pair(i) for i, layer in enumerate(layers)}


def rounds(shown: Shown, arm: str, most: int) -> list[int]:
    """At most `most` of the rounds of an arm that are nearest to the densities of figure 1, spread from the first to the last."""
    table = numbers(shown.outcome)
    found = statistics.nearest_rounds(table[table["arm"] == arm], [d for d in shown.config.figures.densities if d < 1] or [0.2])
    places = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    return [found[place] for place in places]


def line(panel: Axes, outcome: Outcome, quantity: str, arm: str, layer: str, look: tuple[str, str], dashes: str = "-") -> None:
    """The mean of a quantity against density, with its range over replicates."""
    axes.line(panel, examined.summary(numbers(outcome), quantity, arm, layer), "value", *look, dashes)
