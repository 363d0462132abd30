"""How long an experiment takes on this machine, from a few steps of its own training on some examples."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch

from pipeline.criteria.magnitude import magnitude
from pipeline.domain import networks
from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.structures import Plan
from pipeline.domain.tickets import Ticket, ticket
from pipeline.executors.processes import cores
from pipeline.executors.work import apart
from pipeline.run.device import groups
from pipeline.run.setup import Setup
from pipeline.settings.rehearsal import few
from pipeline.training import mlp
from pipeline.training.examples import Examples, Stream
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values import plugins
from pipeline.values.errors import blaming
from pipeline.values.lanes import Item
from pipeline.values.plugins import Plugin

HELD_OUT = 200  # examples of the trial, for validation and for test each
LEAST = 0.15  # seconds that one measurement takes, after a first call that does not count
LARGEST = 256  # examples in a batch of the trial; a step on more takes proportionally longer
ALIKE = 0.8  # ratio of densities up to which the time is measured once, because an arm may have a thousand rounds


@dataclass
class Estimate:
    """The time of each item's lanes on all cores, or as one batch on a GPU; it is measured once for similar densities."""

    setup: Setup

    def __post_init__(self) -> None:
        self.experiment = self.setup.bound.experiment
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.batched = self.device.type == "cuda" and is_batched(self.setup)
        self.by_density = mlp.fits(self.setup.network.module) and self.device.type == "cpu"
        self.known: dict[tuple[int, int], float] = {}

    def seconds(self, masks: Item, lanes: int, iterations: int) -> float:
        """The seconds to train and evaluate so many lanes with the masks of an item."""
        together, turns = (
            (lanes, 1.0) if self.batched else (1, lanes / (1 if self.device.type == "cuda" else min(lanes, cores())))
        )
        plan = self.setup.plans[masks.arm] if self.by_density and masks.round else None
        key = (round(log(plan.density(masks.round), ALIKE)) if plan else 0, together)
        if key not in self.known:
            start = pruned(self.setup.network, plan, masks.round, self.setup.bound.init)
            with blaming(f"{self.setup.bound.model} cannot be trained with {self.setup.bound.task}"):
                self.known[key] = self._measure(start, together)
        return turns * iterations * self.known[key]

    def _measure(self, start: Ticket, lanes: int) -> float:
        """The seconds of an iteration, with its share of an evaluation."""
        training, data = self.experiment.training, self.experiment.data
        larger = max(1.0, training.batch_size / LARGEST)
        training = training.model_copy(update={"batch_size": min(LARGEST, training.batch_size)})
        examples = Examples(few(self.setup.bundle, training.batch_size + HELD_OUT, HELD_OUT), self.device, data.augment)
        validation = 0 if self.setup.form.own_validation else HELD_OUT
        trainer = Trainer(
            self.setup.network, self.setup.task, examples, [start] * lanes, [Stream(i) for i in range(lanes)], [""] * lanes,
            Recipe(self.experiment.optimizer, training, validation),
        )  # fmt: skip
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            batch = trainer.order.batch(0)
            with torch.no_grad():
                step = self._clock(lambda: trainer.iterate(batch, self.experiment.optimizer.lr))
                evaluated = self._clock(lambda: trainer.measure(*trainer.test)) / HELD_OUT
        finally:
            torch.set_num_threads(before)
        return larger * step + (data.validation + self.setup.form.test) * evaluated / training.evaluate_every

    def _clock(self, work: Callable[[], object]) -> float:
        """The seconds of one call."""
        work()
        calls, started = 0, time.perf_counter()
        while calls < 2 or time.perf_counter() - started < LEAST:
            work()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            calls += 1
        return (time.perf_counter() - started) / calls


def is_batched(setup: Setup) -> bool:
    """Whether a GPU would train several lanes as one batch; otherwise a warning says why."""
    return len(apart(setup, groups(setup, 2, torch.device("cuda")))) == 1


def pruned(network: Network, plan: Plan | None, rounds: int, init: Plugin | None = None) -> Ticket:
    """A ticket after so many rounds, for timing: magnitude masks of fresh weights cost as much as those of trained ones.

    plan: how it is pruned; None for the dense network.
    """
    weights = networks.fresh(network, init or plugins.bind("inits", "glorot_normal", {}), seed=1)
    mask = Mask.full({name: layer.shape for name, layer in network.layers.items()})
    scores = magnitude({name: weights[name] for name in mask})
    return ticket(plan.prune(scores, mask, rounds) if plan else mask, weights)
