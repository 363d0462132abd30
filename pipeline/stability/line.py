"""The metric on the test set along the straight line between the ends of two trainings, and the instability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.domain.tickets import ticket
from pipeline.files import masks
from pipeline.files.lane import LaneFiles
from pipeline.results.metric import Metric
from pipeline.run.setup import Setup
from pipeline.stability import pairs
from pipeline.training.examples import Examples, Stream
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values.lanes import Lane

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.stability.pairs import Pair

POINTS = 30  # on the line, with both ends, as in Frankle et al. (2020)


@dataclass(frozen=True)
class Line:
    """values: the metric at POINTS equally distant points, from the first training's end to the second's."""

    pair: Pair
    density: float
    values: tuple[float, ...]

    def instability(self, metric: Metric) -> float:
        """How much worse the worst point is than the mean of the ends, in the metric's unit; 0 when none is."""
        ends = (self.values[0] + self.values[-1]) / 2
        return max(0.0, *(-metric.gain(value, ends) for value in self.values))


def lines(setup: Setup, report: Callable[[int], None]) -> list[Line]:
    """Of all pairs of an experiment. report: takes the number of lines that are done.

    Raises: UserError when a file is missing or damaged.
    """
    torch.set_num_threads(1)  # as lanes are trained, so that the ends have the values of their lanes bit for bit
    torch.set_flush_denormal(True)
    examples = Examples(setup.bundle, torch.device("cpu"))
    found: list[Line] = []
    for pair in pairs.of(setup.bound.lottery):
        found.append(_line(setup, examples, pair))
        report(len(found))
    return found


@torch.no_grad()
def _line(setup: Setup, examples: Examples, pair: Pair) -> Line:
    first, second = (_at_end(setup, examples, lane, pair) for lane in (pair.first, pair.second))
    flats = first.stack.flat.clone(), second.stack.flat.clone()
    buffers = {name: (buffer.clone(), second.stack.buffers[name]) for name, buffer in first.stack.buffers.items()}
    values = []
    for place in np.linspace(0.0, 1.0, POINTS):
        between = {name: _between(place, *ends).numpy() for name, ends in buffers.items()}
        first.stack.load(_between(place, *flats).numpy(), between)
        values.append(first.measure(*first.test)[0][1])
    return Line(pair, _mask(setup, pair.first).density, tuple(values))


def _between(place: float, first: Tensor, second: Tensor) -> Tensor:
    """A point of the line; at 0 and 1 exactly an end. Counts, such as batch norm's of batches, are those of the first end."""
    return (1 - place) * first + place * second if first.is_floating_point() else first


def _at_end(setup: Setup, examples: Examples, lane: Lane, pair: Pair) -> Trainer:
    """A trainer that holds a lane's trained weights, to evaluate as training did."""
    experiment = setup.bound.experiment
    ended = ticket(_mask(setup, pair.first), LaneFiles.of(lane).weights("trained"))
    held_out = min(experiment.data.validation, 1)  # it is not evaluated
    recipe = Recipe(experiment.optimizer, experiment.training, held_out)
    return Trainer(setup.network, setup.task, examples, [ended], [Stream(lane.seed)], [str(lane)], recipe)


def _mask(setup: Setup, lane: Lane) -> Any:
    return masks.read(setup.bound.lottery.masks_of(lane.item), lane.seed)
