"""What an experiment asks of a machine: lanes, iterations, operations, bytes and rows for MLflow."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from pipeline.compact import cost
from pipeline.preview.estimate import is_batched
from pipeline.preview.show import trained_for
from pipeline.run.bound import Bound
from pipeline.run.setup import Setup, build
from pipeline.settings import check
from pipeline.training.examples import Examples
from pipeline.training.history import Row
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item

OUTCOME = 9  # rows of MLflow that tell how a lane ended, beside its history


@dataclass(frozen=True)
class Workload:
    """weights, data: the bytes of a lane's weights and of the data set."""

    setup: Setup
    weights: int
    data: int

    @property
    def items(self) -> list[Item]:
        return self.setup.bound.lottery.items()

    def lanes(self, item: Item) -> int:
        return len(self.setup.bound.lottery.lanes(item))

    def iterations(self, item: Item) -> int:
        """The iterations of one lane."""
        return trained_for(self.setup.bound.lottery, item, self.setup.origin)

    def rows(self, item: Item) -> int:
        """The values that MLflow is told about the lanes of an item."""
        evaluations = self.iterations(item) // self.setup.bound.experiment.training.evaluate_every + 1
        values = (len(Row.__annotations__) - 1) * evaluations - 1  # before the first evaluation there is no training loss
        return self.lanes(item) * (values + OUTCOME)

    @property
    def moved(self) -> int:
        """The bytes that go to the worker of a lane, a mask of one bit a weight and the weights, and come back, the weights."""
        return sum(layer.size for layer in self.setup.network.layers.values()) // 8 + 2 * self.weights

    @cached_property
    def is_batched(self) -> bool:
        return is_batched(self.setup)

    @cached_property
    def operations(self) -> float:
        """Floating-point operations of a lane-iteration and its share of an evaluation. A backward pass costs two forward."""
        experiment, form, bundle = self.setup.bound.experiment, self.setup.form, self.setup.bundle
        held_out = (form.test if form.own_validation else experiment.data.validation) + form.test
        inputs = Examples(bundle, torch.device("cpu")).normalise(torch.from_numpy(bundle.train_inputs[:2]))
        passes = 3 * experiment.training.batch_size + held_out / experiment.training.evaluate_every
        return passes * cost.operations(self.setup.network.module, inputs)


def workload(bound: Bound, weights: int | None = None, data: int | None = None) -> Workload:
    """weights, data: bytes that replace those of the experiment. Raises: UserError when the form of the data is not known."""
    form = check.form_of(bound)
    if form is None:
        raise UserError(f"the size of {bound.data} is not known before its file is there; make it with `dvc repro`")
    setup = build(bound, form.noise(2, 2), form)
    examples = form.train + form.test * (2 if form.own_validation else 1)
    size = examples * int(np.prod(form.shape)) * np.dtype(form.dtype).itemsize
    return Workload(setup, weights or cost.size_of(setup.network.module), data or size)
