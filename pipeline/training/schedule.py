"""The learning rate of every iteration (appendix G: steps down, and linear warmup), or half a cosine down to 0."""

import math
from itertools import accumulate

from pipeline.values.clock import Moment
from pipeline.values.optimizer import Decay, OptimizerSettings


class Schedule:
    """A call with the number of iterations done so far gives the learning rate of the next one.

    The first iteration of a warmup has rate 0: it changes no weight, only momentum and running statistics. The first one
    after the warmup has the full rate. A step down at iteration k takes effect in the iteration that has k iterations before it.
    A cosine begins after the warmup and would reach 0 in the iteration after the last one, as torch's CosineAnnealingLR does.
    """

    def __init__(self, chosen: OptimizerSettings, per_epoch: int, end: int, stretch: int = 1) -> None:
        """per_epoch: the iterations of an epoch. end: the iteration at which the training ends, however long that takes.
        stretch: the factor by which warmup and steps down take longer; a cosine takes as long as `end` says.
        """
        self.end, self.cosine = end, chosen.decay == "cosine"
        self.warmup = stretch * Moment.parse(chosen.warmup).iterations(per_epoch)
        steps = chosen.decay.at if isinstance(chosen.decay, Decay) else ()
        self.at = sorted(stretch * Moment.parse(moment).iterations(per_epoch) for moment in steps)
        self.rates = _rates(chosen)

    def __call__(self, iteration: int) -> float:
        rate = self.rates[sum(iteration >= moment for moment in self.at)]
        if iteration < self.warmup:
            return rate * iteration / self.warmup
        if self.cosine:
            return rate * (1 + math.cos(math.pi * (iteration - self.warmup) / (self.end - self.warmup))) / 2
        return rate


def settled(chosen: OptimizerSettings) -> OptimizerSettings:
    """The same optimizer with the last learning rate of its schedule throughout.

    Raises: ValueError for a cosine, whose last learning rate is 0.
    """
    if chosen.decay == "cosine":
        raise ValueError("the last learning rate of a cosine is 0, with which nothing is trained")
    return chosen.model_copy(update={"lr": _rates(chosen)[-1], "warmup": "0it", "decay": None})


def _rates(chosen: OptimizerSettings) -> list[float]:
    """The learning rates before the first step down and after each."""
    factors = [chosen.decay.by] * len(chosen.decay.at) if isinstance(chosen.decay, Decay) else []
    return list(accumulate(factors, lambda rate, by: rate * by, initial=chosen.lr))
