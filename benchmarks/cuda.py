"""cuda: lanes batched in one iteration on a GPU and, for information, the same batched code on one CPU thread.

Without a GPU the rows say that nothing was measured: no number is estimated.
"""

import gc
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks import processes
from benchmarks.results import Row, Section, interleaved, ratios
from benchmarks.workload import Workload
from pipeline.domain.bundle import of_images
from pipeline.domain.tickets import Ticket
from pipeline.run.device import chosen as device_for
from pipeline.settings import config
from pipeline.values.experiment import Model

LANES = (1, 8, 20, 64, 440)  # 440 lanes are the paper's whole figure at once, 5 replicates x 22 densities x 4
NO_GPU = "Not measured: this machine has no CUDA device."
STEPS, CONV_STEPS = 200, 20  # that are timed
DEEP: dict[str, dict[str, object]] = {  # the paper's networks of CIFAR-10
    "Conv-2": {"name": "conv", "depth": 2},
    "Conv-4": {"name": "conv", "depth": 4},
    "Conv-6": {"name": "conv", "depth": 6},
    "ResNet-20": {"name": "resnet", "depth": 20},
    "VGG-19": {"name": "vgg19"},
}


def run(work: Workload, repetitions: int = 5, steps: int = 20) -> Section:
    rows = on_cpu(work, repetitions=repetitions, steps=steps)
    if not torch.cuda.is_available():
        return Section([*_not_measured(), *rows])
    device = device_for("fp32")  # with the settings it trains with
    deep = (alone(network, device) for network in DEEP)
    return Section([*(lenet(work, lanes, device) for lanes in LANES), conv(device), *deep, *rows])


def _not_measured() -> list[Row]:
    eager = "Conv-6, eager / ours, per lane and step"
    names = [*(f"LeNet, {lanes} lanes batched, a step" for lanes in LANES), eager, *map(_one_of_five, DEEP)]
    targets = {"LeNet, 20 lanes batched, a step": "<= 0.25", eager: ">= 3"}
    return [Row(name, "ms", None, target=targets.get(name, ""), note=NO_GPU) for name in names]


def lenet(work: Workload, lanes: int, device: torch.device, repetitions: int = 5, steps: int = STEPS) -> Row:
    """Times a step of so many lanes; when they do not fit in memory, the row says how many fit."""
    chosen = work.ticket(1)

    def attempt(count: int) -> list[float]:
        try:
            step = stepping(work, [chosen] * count, device)
            return [clock(step, steps, device) for _ in range(repetitions)]
        except RuntimeError as error:
            if not processes.is_memory(error):
                raise
        gc.collect()  # out of the handler, whose traceback would hold on to the memory
        torch.cuda.empty_cache()
        raise processes.OutOfMemoryError

    name = f"LeNet, {lanes} lanes batched, a step"
    try:
        fits, found = processes.largest_that_fits(lanes, attempt)
    except processes.OutOfMemoryError:
        return Row(name, "ms", None, note="Memory ran out: not even one lane fits.")
    if fits < lanes:
        return Row(name, "ms", None, note=f"Memory ran out: {fits} lanes fit, and take {min(found):.3g} ms.")
    return Row.of(name, "ms", found, "<= 0.25" if lanes == 20 else "", "The target is for an H100." if lanes == 20 else "")


def stepping(work: Workload, tickets: list[Ticket], device: torch.device) -> Callable[[], object]:
    """Returns a function that trains all lanes for one iteration without evaluating them."""
    torch.set_flush_denormal(True)
    trainer = work.trainer(tickets, device)
    next(trainer.run())
    iteration = iter(range(1_000_000_000))

    @torch.no_grad()
    def step() -> None:
        trainer.iterate(trainer.order.batch(next(iteration)), work.experiment.optimizer.lr)

    return step


def clock(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """Returns the milliseconds of a step; the first steps are not timed."""
    for _ in range(max(3, steps // 10)):
        step()
    _wait(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    _wait(device)
    return (time.perf_counter() - started) / steps * 1000


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def conv(device: torch.device, lanes: int = 20, repetitions: int = 5, steps: int = CONV_STEPS, depth: int = 6) -> Row:
    """Compares two ways to train the paper's Conv-6 at batch 60: eager torch lane by lane, and our batched lanes."""
    work = _cifar_like({"name": "conv", "depth": depth})
    ours, plain = stepping(work, [work.ticket()] * lanes, device), _eager(work, work.module().to(device), device)
    times = {"ours": partial(_lane_ms, ours, steps, device, lanes), "eager": partial(_lane_ms, plain, steps, device, 1)}
    found = interleaved(times, repetitions)
    note = (
        f"{lanes} lanes are batched, images are like CIFAR-10's; ours takes {np.median(found['ours']):.3g} ms per lane and step."
    )
    return Row.of("Conv-6, eager / ours, per lane and step", "x", ratios(found["eager"], found["ours"]), ">= 3", note)


def alone(network: str, device: torch.device, lanes: int = 5, repetitions: int = 5, steps: int = CONV_STEPS) -> Row:
    """Compares lanes that are trained one at a time with the same lanes in a batch. network: one of DEEP."""
    work = _cifar_like(DEEP[network])
    one, batch = (stepping(work, [work.ticket()] * count, device) for count in (1, lanes))
    times = {"one": partial(_lane_ms, one, steps, device, 1), "batch": partial(_lane_ms, batch, steps, device, lanes)}
    found = interleaved(times, repetitions)
    note = f"Above 1, the batch is faster. One lane at a time takes {np.median(found['one']):.3g} ms per step."
    return Row.of(_one_of_five(network, lanes), "x", ratios(found["one"], found["batch"]), note=note)


def _one_of_five(network: str, lanes: int = 5) -> str:
    return f"{network}, one at a time / {lanes} lanes batched, per lane and step"


def _lane_ms(step: Callable[[], object], steps: int, device: torch.device, lanes: int) -> float:
    return clock(step, steps, device) / lanes


def _cifar_like(model: Mapping[str, object], train: int = 600, test: int = 100) -> Workload:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (train + test, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(train + test, dtype=np.uint8) % 10
    mean, std = np.zeros(3, np.float32), np.ones(3, np.float32)
    experiment = config.load().experiment("lenet")
    data = experiment.data.model_copy(update={"validation": 100})
    pruning = experiment.pruning.model_copy(update={"rates": {"output": 0.1}})  # a kind of all; nothing is pruned
    changes = {"data": data, "model": Model.model_validate(model), "pruning": pruning}
    bundle = of_images(images[:train], labels[:train], images[train:], labels[train:], mean, std)
    return Workload(experiment.model_copy(update=changes), bundle)


def _eager(work: Workload, module: nn.Module, device: torch.device) -> Callable[[], object]:
    size = work.experiment.training.batch_size
    x = torch.from_numpy(work.bundle.train_inputs).to(device).float().div_(255)
    y = torch.from_numpy(work.bundle.train_targets).to(device).long()
    optimizer = torch.optim.Adam(module.parameters(), lr=work.experiment.optimizer.lr)

    def step() -> None:
        index = torch.randint(len(x), (size,), device=device)
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(module(x[index]), y[index]))
        optimizer.step()

    return step


def on_cpu(work: Workload, lanes: int = 4, repetitions: int = 5, steps: int = 20) -> list[Row]:
    """Compares, on one thread, lanes that are batched in one step as on a GPU with the same lanes one after another."""
    chosen, device = work.ticket(1), torch.device("cpu")

    def loop(count: int) -> Callable[[], object]:
        stepped = [stepping(work, [chosen] * (lanes // count), device) for _ in range(count)]
        return lambda: [step() for step in stepped for _ in range(steps)]

    def measure(count: int) -> float:
        return processes.seconds(partial(loop, count), 3) / (3 * steps * lanes) * 1000

    found = interleaved({1: partial(measure, 1), lanes: partial(measure, lanes)}, repetitions)
    note = "One CPU thread trains, without evaluation. This is for information: on a CPU, lanes are never batched."
    return [
        Row.of(f"LeNet on the CPU, {lanes} lanes batched, per lane and step", "ms", found[1], note=note),
        Row.of(f"LeNet on the CPU, {lanes} lanes one at a time, per lane and step", "ms", found[lanes], note=note),
        Row.of("LeNet on the CPU, one at a time / batched", "x", ratios(found[lanes], found[1]), note=note),
    ]
