"""What a dense lane-iteration of LeNet would take at the peak of the machine it runs on, which is measured and not looked up.

Counted are the products and Adam's traffic with memory; gathering the batch, the loss and all calls are left out. So it is
a bound that nothing reaches, and the same on a processor of any speed.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks.processes import Interval, seconds
from benchmarks.workload import Workload
from pipeline.executors.processes import cores
from pipeline.training import products

SIDE = 768  # of the square matrices whose product is timed: large, and still in the cache
TOUCHED = 7  # numbers of four bytes that Adam reads or writes for a parameter: weight and moments both ways, the gradient
TIMES = 20


def milliseconds(work: Workload) -> float:
    """Per lane-iteration, evaluation included, with all cores busy."""
    product = min(_each(by) for by in _libraries()) / (2 * SIDE**3)
    parameters = sum(p.numel() for p in work.module().parameters())
    moved = _each(partial(_moving, parameters)) / (3 * parameters)  # an addition reads two numbers and writes one
    return (operations(work) * product + TOUCHED * parameters * moved) * 1000


def operations(work: Workload) -> float:
    """Floating-point operations of a lane-iteration's products and its share of an evaluation's."""
    weights = [layer.weight.numel() for layer in work.module().modules() if isinstance(layer, nn.Linear)]
    forward = 2 * sum(weights)
    backward = forward + 2 * sum(weights[1:])  # of the weights, and of every layer's input but the first's
    evaluated = work.experiment.data.validation + len(work.bundle.test_inputs)
    training = work.experiment.training
    return training.batch_size * (forward + backward) + forward * evaluated / training.evaluate_every


def _libraries() -> list[Callable[[], Interval]]:
    return [_by_torch, _by_onednn] if products.available() else [_by_torch]


def _each(start: Callable[[], Interval]) -> float:
    """Seconds of one interval divided by the lanes, side by side."""
    return seconds(start, TIMES, cores()) / (TIMES * cores())


def _by_torch() -> Interval:
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return lambda: a @ b


def _by_onednn() -> Interval:
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return lambda: products.onednn(a, b)


def _moving(parameters: int) -> Interval:
    """Four tensors take turns, as many as Adam has, so that what stays in the cache does so here too."""
    tensors = [torch.zeros(parameters) for _ in range(4)]

    def interval() -> None:
        tensors.append(tensors.pop(0))
        torch.add(tensors[0], tensors[1], out=tensors[2])

    return interval
