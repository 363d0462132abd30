"""The training loop of L lanes side by side (section 2: train f(x; m * theta) for j iterations)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.domain import seeds
from pipeline.domain.networks import Network
from pipeline.domain.task import Task
from pipeline.domain.tickets import Ticket
from pipeline.training import mlp, resume
from pipeline.training.autograd import Autograd
from pipeline.training.examples import Examples, Order, Stream, split
from pipeline.training.history import Row, table
from pipeline.training.iteration import Iteration
from pipeline.training.mlp import Mlp
from pipeline.training.optimizer import Optimizer
from pipeline.training.schedule import Schedule
from pipeline.training.sparse import SparseMlp, sparse_layers
from pipeline.values.errors import UserError
from pipeline.values.experiment import Training
from pipeline.values.optimizer import OptimizerSettings


@dataclass(frozen=True)
class Recipe:
    """How lanes are trained.

    validation: the number of training examples held out. stretch: the factor by which the schedule is lengthened.
    keep: the iteration whose weights are kept for rewinding.
    """

    optimizer: OptimizerSettings
    training: Training
    validation: int
    stretch: int = 1
    keep: int | None = None


class Trainer:
    """`run` trains to the end and pauses after each evaluation, when `state` can be saved and loaded.

    All lanes begin at the same iteration, their tickets' origin, with a fresh optimizer: its momentum starts at zero
    even when the origin is a rewind point, while the order of the data continues from there.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        examples: Examples,
        tickets: Sequence[Ticket],
        streams: Sequence[Stream],
        names: Sequence[str],
        recipe: Recipe,
    ) -> None:
        """names: the lanes' names, for messages. Raises: ValueError for several lanes of a network that draws random numbers."""
        if network.draws and len(tickets) > 1:
            raise ValueError("lanes of a network that draws random numbers cannot be trained as one batch")
        device, training = examples.device, recipe.training
        self.task, self.examples, self.names, self.recipe, self.training = task, examples, names, recipe, training
        self.seed, self.draws = streams[0].seed, network.draws
        self.compute = _compute(network, task, tickets, device, training)
        self.stack = self.compute.stack
        self.iteration = tickets[0].origin
        self.history: list[list[Row]] = [[] for _ in tickets]
        self.kept: list[dict[str, NDArray[Any]]] = []
        splits = [split(stream.seed, len(examples.train), recipe.validation) for stream in streams]
        self.order = Order(streams, [train for train, _ in splits], training.batch_size, device, examples.augment)
        self.rate = Schedule(recipe.optimizer, self.order.per_epoch, training.iterations, recipe.stretch)
        self.validation = self._tiled(*examples.held_out([held_out for _, held_out in splits]))
        self.test = self._tiled(examples.test.unsqueeze(0), examples.test_targets.unsqueeze(0))
        self.optimizer = Optimizer(self.stack.flat, self.stack.grad, recipe.optimizer)
        self.iterate = Iteration(examples, self.compute, self.optimizer, recipe.optimizer.clip_grad_norm)
        self.losses = torch.zeros(training.evaluate_every, len(tickets), device=device)

    @torch.no_grad()
    def run(self) -> Iterator[int]:
        """Yields the iteration after each evaluation.

        Raises: UserError that names lane and iteration when a loss or a metric is not finite.
        """
        if not self.history[0]:
            self._keep()
            self._evaluate(0)
            yield self.iteration
        while self.iteration < self.training.iterations:
            done = self._to_next_evaluation()
            self._evaluate(done)
            yield self.iteration

    def _to_next_evaluation(self) -> int:
        every = self.training.evaluate_every
        iterations = every - self.iteration % every
        for i in range(iterations):
            if self.draws:  # such as dropout; (seed, iteration) alone determines it, as (seed, epoch) the data
                torch.manual_seed(seeds.derive(self.seed, "dropout", self.iteration))
            self.losses[i] = self.iterate(self.order.batch(self.iteration), self.rate(self.iteration))
            self.iteration += 1
            self._keep()
        return iterations

    def _keep(self) -> None:
        if self.iteration == self.recipe.keep:
            self.kept = [self.stack.weights(lane) for lane in range(len(self.names))]

    def _evaluate(self, done: int) -> None:
        """done: the number of training iterations since the last evaluation."""
        losses = self.losses[:done].cpu().double()
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            iteration, lane = bad[0].tolist()
            raise UserError(
                f"lane {self.names[lane]}: the training loss is {float(losses[iteration, lane])} at iteration "
                f"{self.iteration - done + iteration + 1}; a smaller optimizer.lr in params.yaml may help"
            )
        validation, test = self.measure(*self.validation), self.measure(*self.test)
        for lane, rows in enumerate(self.history):
            train_loss = float(losses[:, lane].mean()) if done else None
            row = Row(self.iteration, train_loss, *validation[lane], *test[lane])
            for name, value in table([row], self.task.metric)[0].items():
                if value is not None and not np.isfinite(value):
                    what = name.replace("_", " ", 1)  # such as validation loss
                    raise UserError(f"lane {self.names[lane]}: the {what} is {value} at iteration {self.iteration}")
            rows.append(row)

    def _tiled(self, inputs: Tensor, targets: Tensor) -> tuple[list[Tensor], Tensor]:
        """Shapes: inputs (L or 1, N, *shape) as stored, targets (L or 1, N, ...)."""
        parts = torch.split(inputs, 1000, 1)
        tiles = [tile for part in parts for tile in self.compute.tiles(self.examples.normalise(part))]
        return tiles, targets.expand(len(self.names), *targets.shape[1:])

    def measure(self, tiles: Sequence[Tensor], targets: Tensor) -> list[tuple[float, float]]:
        """Each lane's mean loss and metric. Shapes: tiles (L or 1, n, …), targets (L, N, ...)."""
        lanes, examples = targets.shape[:2]
        sums, done = [], 0
        for tile in tiles:
            outputs = self.compute.outputs(tile.expand(lanes, *tile.shape[1:]))
            sums.append(self.task.sums(outputs, targets[:, done : done + outputs.shape[1]]))
            done += outputs.shape[1]
        # The means are over the true number of examples, not over a number of full batches.
        losses, metrics = self.task.value(torch.stack(sums).sum(0), examples)
        return list(zip(losses.tolist(), metrics.tolist(), strict=True))

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that the rest of the training depends on, as arrays: a run that loads it ends with the same bytes."""
        history = [[[np.nan if v is None else v for v in vars(row).values()] for row in rows] for rows in self.history]
        return {
            "iteration": np.array(self.iteration),
            "flat": self.stack.flat.cpu().numpy(),
            "history": np.array(history, dtype=np.float64),
            **{f"optimizer.{n}": v.cpu().numpy() for n, v in self.optimizer.state.items()},
            **{f"buffer.{n}": b.cpu().numpy() for n, b in self.stack.buffers.items()},
            **_flattened(self.kept),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Before `run`. Raises: ValueError that says why the training cannot go on from a state; nothing is then changed."""
        weights = _flattened([self.stack.weights(lane) for lane in range(len(self.names))])
        every = self.training.evaluate_every
        first = self.iteration - self.iteration % every + every
        evaluated = [self.iteration, *range(first, self.training.iterations + 1, every)]
        problem = resume.fault(state, self.state(), weights, self.recipe.keep, evaluated)
        if problem:
            raise ValueError(problem)
        self.iteration = int(state["iteration"])
        self.stack.load(state["flat"], _below("buffer", state))
        for name, slot in _below("optimizer", state).items():
            self.optimizer.state[name].copy_(torch.from_numpy(slot))
        self.history = [
            [Row(int(row[0]), None if np.isnan(row[1]) else float(row[1]), *map(float, row[2:])) for row in rows]
            for rows in state["history"]
        ]
        lanes = range(len(self.names))
        self.kept = [weights for weights in (_below(f"kept.{i}", state) for i in lanes) if weights]


def _compute(
    network: Network, task: Task, tickets: Sequence[Ticket], device: torch.device, training: Training
) -> Mlp | SparseMlp | Autograd:
    module, bf16 = network.module, training.precision == "bf16"
    if bf16 or task.gradient is None or not mlp.fits(module):
        return Autograd(module, task.loss, tickets, device, bf16=bf16, memory_format=training.memory_format)
    return (SparseMlp if sparse_layers(module, tickets, device) else Mlp)(module, task.gradient, tickets, device)


def _flattened(kept: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """kept: weights of each lane."""
    return {f"kept.{i}.{n}": w for i, weights in enumerate(kept) for n, w in weights.items()}


def _below(prefix: str, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(f"{prefix}."): a for n, a in state.items() if n.startswith(f"{prefix}.")}
