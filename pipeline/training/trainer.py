"""The training loop of L lanes side by side (section 2: train f(x; m * theta) for j iterations)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.domain import seeds
from pipeline.domain.tickets import Ticket
from pipeline.training.autograd import Autograd
from pipeline.training.history import Row
from pipeline.training.images import Images, Order, split
from pipeline.training.mlp import Mlp
from pipeline.training.optimizer import Optimizer
from pipeline.training.schedule import Schedule
from pipeline.training.sparse import SparseMlp, sparse_layers
from pipeline.training.step import Step
from pipeline.values import experiment as schema
from pipeline.values.errors import UserError
from pipeline.values.experiment import Training


class Trainer:
    """`run` trains to the end and pauses after each evaluation; between two of them `state` can be saved and loaded.

    All lanes begin at the same iteration, their tickets' origin, with a fresh optimizer: its momentum starts at zero
    also when the origin is a rewind point, while the data order goes on from there.
    """

    def __init__(
        self,
        module: nn.Module,
        images: Images,
        tickets: Sequence[Ticket],
        lane_seeds: Sequence[int],
        names: Sequence[str],
        *,
        optimizer: schema.Optimizer,
        training: Training,
        validation: int,
        keep: int | None = None,
    ) -> None:
        """keep: the iteration whose weights are kept in `kept`, for rewinding. names: of the lanes, for messages."""
        device = images.train.device
        self.images, self.names, self.training, self.keep = images, names, training, keep
        self.seed = lane_seeds[0]
        self.compute = _compute(module, tickets, device, training)
        self.stack = self.compute.stack
        self.iteration = tickets[0].origin
        self.history: list[list[Row]] = [[] for _ in tickets]
        self.kept: list[dict[str, NDArray[Any]]] = []
        splits = [split(seed, len(images.train), validation) for seed in lane_seeds]
        self.order = Order(lane_seeds, [train for train, _ in splits], training.batch_size, device, images.augment)
        self.rate = Schedule(optimizer, self.order.per_epoch)
        held_out = torch.stack([v for _, v in splits]).to(device)
        self.validation = self._examples(images.train[held_out], images.train_labels[held_out])
        self.test = self._examples(images.test.unsqueeze(0), images.test_labels.unsqueeze(0))
        self.optimizer = Optimizer(self.stack.flat, self.stack.grad, optimizer)
        self.step = Step(images, self.compute, self.optimizer)
        self.losses = torch.zeros(training.evaluate_every, len(tickets), device=device)

    @torch.no_grad()
    def run(self) -> Iterator[int]:
        """Yields the iteration after each evaluation. Raises: UserError naming lane and iteration when a loss is not finite."""
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
        steps = every - self.iteration % every
        # A network that draws random numbers itself, for dropout, gets the same ones after a kill.
        torch.manual_seed(seeds.derive(self.seed, "dropout", self.iteration))
        for i in range(steps):
            self.losses[i] = self.step(self.order.batch(self.iteration), self.rate(self.iteration))
            self.iteration += 1
            self._keep()
        return steps

    def _keep(self) -> None:
        if self.iteration == self.keep:
            self.kept = [self.stack.weights(lane) for lane in range(len(self.names))]

    def _evaluate(self, done: int) -> None:
        """done: training iterations since the last evaluation."""
        losses = self.losses[:done].cpu().double()
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            step, lane = bad[0].tolist()
            raise UserError(
                f"lane {self.names[lane]}: the training loss is {float(losses[step, lane])} at iteration "
                f"{self.iteration - done + step + 1}; a smaller optimizer.lr in params.yaml may help"
            )
        validation, test = self.measure(*self.validation), self.measure(*self.test)
        for lane, rows in enumerate(self.history):
            train_loss = float(losses[:, lane].mean()) if done else None
            row = Row(self.iteration, train_loss, *validation[lane], *test[lane])
            if not np.isfinite(row.validation_loss):
                raise UserError(
                    f"lane {self.names[lane]}: the validation loss is {row.validation_loss} at iteration {self.iteration}"
                )
            rows.append(row)

    def _examples(self, images: Tensor, labels: Tensor) -> tuple[list[Tensor], Tensor]:
        """Shapes: images (L or 1, N, C, H, W) uint8, labels (L or 1, N)."""
        tiles = [tile for part in torch.split(images, 1000, 1) for tile in self.compute.tiles(self.images.normalise(part))]
        return tiles, labels.expand(len(self.names), -1).unsqueeze(2)

    def measure(self, tiles: Sequence[Tensor], target: Tensor) -> list[tuple[float, float]]:
        """Each lane's (mean loss, accuracy). Shapes: tiles (L or 1, n, …), target (L, N, 1)."""
        lanes, images = target.shape[:2]
        logits = torch.cat([self.compute.logits(tile.expand(lanes, *tile.shape[1:])) for tile in tiles], 1)
        loss = -logits.log_softmax(2).gather(2, target).sum((1, 2), dtype=torch.float64)
        correct = (logits.argmax(2, keepdim=True) == target).sum((1, 2))
        # The true number of images, not a count of full batches.
        return list(zip((loss / images).tolist(), (correct.double() / images).tolist(), strict=True))

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the training depends on, as arrays: a run that loads it ends in the same bytes."""
        history = [[[np.nan if v is None else v for v in vars(row).values()] for row in rows] for rows in self.history]
        return {
            "iteration": np.array(self.iteration),
            "flat": self.stack.flat.cpu().numpy(),
            "history": np.array(history, dtype=np.float64),
            **{f"optimizer.{n}": v.cpu().numpy() for n, v in self.optimizer.state.items()},
            **{f"buffer.{n}": b.cpu().numpy() for n, b in self.stack.buffers.items()},
            **{f"kept.{i}.{n}": w for i, weights in enumerate(self.kept) for n, w in weights.items()},
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
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
    module: nn.Module, tickets: Sequence[Ticket], device: torch.device, training: Training
) -> Mlp | SparseMlp | Autograd:
    if training.precision == "bf16" or not Mlp.fits(module):
        return Autograd(module, tickets, device, bf16=training.precision == "bf16", memory_format=training.memory_format)
    return (SparseMlp if sparse_layers(module, tickets, device) else Mlp)(module, tickets, device)


def _below(prefix: str, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(f"{prefix}."): a for n, a in state.items() if n.startswith(f"{prefix}.")}
