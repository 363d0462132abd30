"""The learning rate of every iteration (appendix G: steps down, and linear warmup)."""

from itertools import accumulate

from pipeline.values.clock import Moment
from pipeline.values.experiment import OptimizerSettings


class Schedule:
    """A call with the number of iterations done so far gives the learning rate of the next one.

    The first iteration of a warmup has rate 0: it changes no weight, only momentum and running statistics. The first one
    after the warmup has the full rate. A step down at iteration k takes effect in the iteration that has k iterations before it.
    """

    def __init__(self, chosen: OptimizerSettings, per_epoch: int, stretch: int = 1) -> None:
        """per_epoch: the iterations of an epoch. stretch: the factor by which warmup and steps down take longer."""
        decay = chosen.decay
        self.warmup = stretch * Moment.parse(chosen.warmup).iterations(per_epoch)
        self.at = sorted(stretch * Moment.parse(moment).iterations(per_epoch) for moment in decay.at) if decay else []
        factors = [decay.by] * len(self.at) if decay else []
        self.rates = list(accumulate(factors, lambda rate, by: rate * by, initial=chosen.lr))

    def __call__(self, iteration: int) -> float:
        rate = self.rates[sum(iteration >= moment for moment in self.at)]
        return rate * iteration / self.warmup if iteration < self.warmup else rate


def settled(chosen: OptimizerSettings) -> OptimizerSettings:
    """The same optimizer with the last learning rate of its schedule throughout."""
    return chosen.model_copy(update={"lr": Schedule(chosen, per_epoch=1).rates[-1], "warmup": "0it", "decay": None})
