"""The sentences below the figures about the masks and weights of tickets (appendix F); each is computed from examined.csv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import layers, style
from pipeline.figures.shown import Shown
from pipeline.report.wording import count, several
from pipeline.results import examined, intervals, statistics
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd

SPARSE, SMALL = (
    0.036,
    0.211,
)  # the densities that most sentences are about: those of the paper's smallest and fastest winning tickets


def survivors(shown: Shown, arms: Sequence[str]) -> list[str]:
    found = _At(shown, arms[0], SPARSE)
    names = found.layers("bimodality")
    coefficients = several([f"{found.mean('bimodality', layer):.2f} in {layers.name(layer)}" for layer in names])
    every = several([f"{found.dense('bimodality', layer):.2f}" for layer in names])
    valleys = {layer: found.rows("valley", layer)["value"] for layer in found.layers("valley")}
    depths = several([f"{values.mean():.2f} in {layers.name(layer)}" for layer, values in valleys.items() if len(values)])
    two = [layers.name(layer) for layer, values in valleys.items() if len(values) and (values < 1).all()]
    where = several(two) if two else "no layer"
    sizes = [f"{found.mean('magnitude', x) / found.dense('magnitude', x):.2f} in {layers.name(x)}" for x in names]
    return [
        f"At {found.density} of the weights, Sarle's bimodality coefficient of the survivors' initial weights is {coefficients}; "
        f"that of all initial weights is {every}. The coefficient is 1/3 for a normal distribution, 5/9 for a uniform one and 1 "
        "for two equally frequent values, but it is also large for a skewed distribution with one mode.",
        "The lowest point of the survivors' distribution between its highest points on either side of zero, divided by the lower "
        f"of these two, is {depths}. A mode on either side of zero makes this ratio less than 1, which it is in every replicate "
        f"in {where}.",
        f"The mean magnitude of the survivors' initial weights, divided by that of all initial weights, is {several(sizes)}.",
    ]


def movement(shown: Shown, arms: Sequence[str]) -> list[str]:
    found, label = _At(shown, arms[0], SMALL), shown.label(arms[0])
    flips = [f"{100 * found.mean(f'flipped_{which}'):.0f}%" for which in ("kept", "rest")]
    own = f"away from zero by {found.mean('outward'):+.3f} on average, and in any direction by {found.mean('moved'):.3f}"
    return [
        f"At {found.density} of the weights, while the dense network is trained, the weights of the {label} move away from zero "
        f"by {found.mean('outward_kept'):+.3f} on average, and the others by {found.mean('outward_rest'):+.3f} "
        f"({found.difference('outward_kept', 'outward_rest')}). In any direction, the former move by "
        f"{found.mean('moved_kept'):.3f} and the latter by {found.mean('moved_rest'):.3f} "
        f"({found.difference('moved_kept', 'moved_rest')}). The sign changes for {flips[0]} of the {label}'s weights and for "
        f"{flips[1]} of the others.",
        f"In the training of the {label} itself, its weights move {own}; {100 * found.mean('flipped'):.0f}% of them change "
        "their sign.",
    ]


def connections(shown: Shown, arms: Sequence[str]) -> list[str]:
    found = _At(shown, arms[0], SPARSE)
    lines = []
    for way, units in (("in", "connections that come into a unit"), ("out", "connections that leave a unit")):
        names = found.layers(f"unevenness_{way}")
        parts = [
            f"{found.mean(f'unevenness_{way}', layer):.2f} in {layers.name(layer)} "
            f"({found.mean(f'unevenness_{way}_chance', layer):.2f} for a random mask)"
            for layer in names
        ]
        lines.append(f"the Gini coefficient of the numbers of {units} is {several(parts)}")
    dead = f"{100 * found.mean('dead_units'):.0f}% of the hidden units have no incoming or no outgoing connection"
    first = found.layers("unused_inputs")
    unused = f", and {100 * found.mean('unused_inputs', first[0]):.0f}% of the inputs have no connection" if first else ""
    return [
        f"At {found.density} of the weights, {lines[0]}. {style.capital(lines[1])}. A Gini coefficient is 0 if all units have "
        "the same number of connections.",
        *([f"At this density, {dead}{unused}."] if found.layers("unevenness_in")[1:] else []),
    ]


def overlap(shown: Shown, arms: Sequence[str]) -> list[str]:
    found, label = _At(shown, arms[0], SPARSE), shown.label(arms[0])
    chance = f"for random masks with as many weights in each layer, it is {found.mean('overlap_one_shot_chance'):.3f}"
    replicates = f"{found.mean('overlap_replicates'):.3f} for two replicates and " if found.has("overlap_replicates") else ""
    rewind = shown.experiment(shown.name).rewind
    return [
        f"At {found.density} of the weights, the overlap of the {label}'s masks is {replicates}"
        f"{found.mean('overlap_one_shot'):.3f} with the one-shot mask from the same dense training; {chance}. "
        "An overlap is the number of weights in both masks, divided by the number in at least one.",
        f"Magnitude pruning of the dense network's weights at the rewind point ({rewind}) would have found "
        f"{100 * found.mean('mask_found_at_rewind'):.1f}% of the {label}'s weights and "
        f"{100 * found.mean('early_bird', arm=DENSE):.1f}% of the one-shot mask's; a random mask would have found "
        f"{100 * found.mean('mask_found_at_rewind_chance'):.1f}%.",
    ]


class _At:
    """What was measured for an arm in the round whose density is nearest to the given one."""

    def __init__(self, shown: Shown, arm: str, density: float) -> None:
        self.table, self.arm = layers.numbers(shown.outcome), arm
        mine = self.table[self.table["arm"] == arm]
        (self.round,) = statistics.nearest_rounds(mine, [density])
        self.density = f"{percent(float(mine.loc[mine['round'] == self.round, 'density'].iloc[0]))}%"

    def rows(self, quantity: str, layer: str = "", arm: str = "") -> pd.DataFrame:
        found = examined.of(self.table, quantity, arm or self.arm, layer)
        return found[found["round"] == self.round]

    def mean(self, quantity: str, layer: str = "", arm: str = "") -> float:
        return float(self.rows(quantity, layer, arm)["value"].mean())

    def has(self, quantity: str) -> bool:
        return len(self.rows(quantity)) > 0

    def dense(self, quantity: str, layer: str) -> float:
        """The mean of a quantity for all weights of a layer."""
        found = examined.of(self.table, quantity, DENSE, layer)
        return float(found.loc[found["round"] == 0, "value"].mean())

    def layers(self, quantity: str) -> list[str]:
        mine = self.table[(self.table["arm"] == self.arm) & (self.table["round"] == self.round)]
        return examined.layers(mine, quantity)

    def difference(self, quantity: str, other: str) -> str:
        """The interval of the difference between two quantities, paired by seed."""
        found = intervals.paired(self.rows(quantity), self.rows(other), "value")
        if found.bounds is None:
            return f"{count(found.n, 'replicate')} {'is' if found.n == 1 else 'are'} too few for an interval"
        return f"95% interval of the difference {found.bounds[0]:+.3f} to {found.bounds[1]:+.3f}"
