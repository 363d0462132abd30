"""The metric on the test set along the straight line between the ends of two trainings, and the instability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.domain import task
from pipeline.domain.tickets import ticket
from pipeline.files import masks
from pipeline.files.lane import LaneFiles
from pipeline.results.examined import COLUMNS, PROFILE_COLUMNS
from pipeline.results.metric import Metric
from pipeline.run.setup import Setup
from pipeline.stability import pairs
from pipeline.training.examples import Examples, Stream
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values.errors import UserError
from pipeline.values.lanes import Lane

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from pipeline.stability.pairs import Pair

PLACES = np.linspace(0.0, 1.0, 30)  # on the line, including both ends, as in Frankle et al. (2020)


@dataclass(frozen=True)
class Line:
    """values: the metric at PLACES, from the first training's end to the second's."""

    pair: Pair
    density: float
    values: tuple[float, ...]

    def losses(self, metric: Metric) -> list[float]:
        """How much worse the metric is at each point than the mean of the ends, in the metric's unit."""
        ends = (self.values[0] + self.values[-1]) / 2
        return [-metric.gain(value, ends) for value in self.values]


def lines(setup: Setup, report: Callable[[int], object]) -> list[Line]:
    """The lines of all pairs of an experiment. report: called with 1 after each line.

    Raises: UserError when a file is missing or damaged, or the metric is not finite somewhere.
    """
    torch.set_num_threads(1)  # as in the training of lanes, so that the values at the ends equal those of the lanes bit for bit
    torch.set_flush_denormal(True)
    try:
        examples = Examples(setup.bundle, torch.device("cpu"))
        found: list[Line] = []
        for pair in pairs.of(setup.bound.lottery):
            found.append(_line(setup, examples, pair))
            report(1)
        return found
    finally:
        torch.set_flush_denormal(False)  # it is a setting of the whole process


def as_tables(found: list[Line], measured: task.Metric) -> tuple[pd.DataFrame, pd.DataFrame]:
    """stability.csv and lines.csv: for each item, the instability of each replicate and the mean loss along the line.

    A row has the arm and the round of the network that was trained twice; the dense network is in round 0. Draws of a seed are
    averaged.
    """
    import pandas as pd

    metric = Metric(measured.name, measured.better, measured.unit)
    of: dict[tuple[Any, ...], list[list[float]]] = {}
    for line in found:
        item = line.pair.first.item
        of.setdefault((item.arm, item.round, line.density, line.pair.first.seed), []).append(line.losses(metric))
    means = {key: np.mean(draws, axis=0) for key, draws in of.items()}
    rows = [
        ("instability", arm, number, density, "", seed, float(np.mean([max(draw) for draw in of[arm, number, density, seed]])))
        for arm, number, density, seed in of
    ]
    items: dict[tuple[Any, ...], list[Any]] = {}
    for (arm, number, density, _), mean in means.items():
        items.setdefault((arm, number, density), []).append(mean)
    along = [
        ("loss_on_line", arm, number, density, "", float(place), float(value))
        for (arm, number, density), of_seeds in items.items()
        for place, value in zip(PLACES, np.mean(of_seeds, axis=0), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), pd.DataFrame(along, columns=list(PROFILE_COLUMNS))


@torch.no_grad()
def _line(setup: Setup, examples: Examples, pair: Pair) -> Line:
    first, second = (_at_end(setup, examples, lane, pair) for lane in (pair.first, pair.second))
    flats = first.stack.flat.clone(), second.stack.flat.clone()
    buffers = {name: (buffer.clone(), second.stack.buffers[name]) for name, buffer in first.stack.buffers.items()}
    values = []
    for place in PLACES:
        between = {name: _between(place, *ends).numpy() for name, ends in buffers.items()}
        first.stack.load(_between(place, *flats).numpy(), between)
        values.append(first.measure(*first.test)[0][1])
        if not np.isfinite(values[-1]):
            ends = " and ".join(str(LaneFiles.of(lane).weights_file("trained")) for lane in (pair.first, pair.second))
            raise UserError(
                f"between {ends}, at {place:.0%} of the line, the {setup.task.metric.name} is {values[-1]}; a smaller "
                "optimizer.lr may help"
            )
    return Line(pair, _mask(setup, pair.first).density, tuple(values))


def _between(place: float, first: Tensor, second: Tensor) -> Tensor:
    """A point of the line, which at 0 and 1 is exactly an end. Counts, such as batch norm's of batches, are the first end's."""
    return (1 - place) * first + place * second if first.is_floating_point() else first


def _at_end(setup: Setup, examples: Examples, lane: Lane, pair: Pair) -> Trainer:
    """A trainer that holds a lane's trained weights, to evaluate as training did."""
    experiment, made_by = setup.bound.experiment, setup.bound.target(lane.item)
    module = setup.network.module
    tensors = dict((*module.named_parameters(), *module.named_buffers()))
    ended = ticket(_mask(setup, pair.first), LaneFiles.of(lane).weights("trained", tensors, made_by))
    held_out = min(experiment.data.validation, 1)  # the validation set is not evaluated
    recipe = Recipe(experiment.optimizer, experiment.training, held_out)
    return Trainer(setup.network, setup.task, examples, [ended], [Stream(lane.seed)], [str(lane)], recipe)


def _mask(setup: Setup, lane: Lane) -> Any:
    lottery = setup.bound.lottery
    item = lottery.masks_of(lane.item)
    return masks.read(item, lane.seed, setup.network.layers, setup.bound.target(item))
