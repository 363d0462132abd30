"""structures: a forward pass of LeNet tickets of whole units, and of single weights, relative to the dense network's."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.results import Row, Section, interleaved, ratios
from benchmarks.workload import Workload
from pipeline.compact import cost, removal
from pipeline.domain.tickets import Ticket
from pipeline.preview.estimate import pruned
from pipeline.run.setup import Setup
from pipeline.training.sparse import SparseMlp, sparse_layers
from pipeline.values import plugins
from pipeline.values.lanes import TICKET

RATES = {"fc": 0.488, "output": 0.271}  # of lenet_units
ROUNDS = (1, 3, 5)
BATCH = 500  # examples of a forward pass
SPARSE, DENSE = (
    "The large layers are CSR matrices.",
    "No layer is sparse enough for CSR, so the pruned weights are multiplied too.",
)


def run(work: Workload, repetitions: int = 9, passes: int = 100, rounds: Sequence[int] = ROUNDS) -> Section:
    """One thread on the CPU; the compacted network also on a GPU, if there is one. passes: those that are timed together."""
    setup = work.setup()
    x = torch.rand(BATCH, *setup.form.shape)
    timed, notes = {"dense": _timed(setup.network.make().eval(), x, passes)}, {}
    for k in rounds:
        units, weights = (_ticket(setup, structure, k) for structure in ("unit", "weight"))
        smaller = removal.compact(setup.network.module, units.mask, units.weights, x[:2])
        bytes_left = cost.size_of(smaller) / cost.size_of(setup.network.module)
        name = (
            f"whole units, {cost.operations(smaller, x[:2]) / cost.operations(setup.network.module, x[:2]):.1%} of the operations"
        )
        timed[name], notes[name] = _timed(smaller, x, passes), f"{bytes_left:.1%} of the dense network's bytes."
        if torch.cuda.is_available():
            timed |= {f"{name}, GPU": _timed(smaller.cuda(), x.cuda(), passes)}
        name = f"single weights, {weights.mask.density:.1%} of the weights"
        timed[name], notes[name] = _of_weights(setup, weights, x, passes)
    if torch.cuda.is_available():
        timed["dense, GPU"] = _timed(setup.network.make().eval().cuda(), x.cuda(), passes)
    found = interleaved(timed, repetitions)
    rows = [
        Row.of(f"dense / {name}", "x", ratios(found["dense, GPU" if name.endswith("GPU") else "dense"], found[name]),
               note=notes.get(name, ""))
        for name in timed if not name.startswith("dense")
    ]  # fmt: skip
    return Section([*rows, Row.of("dense", "ms", found["dense"], note=f"A forward pass of {BATCH} examples, one thread.")])


def _ticket(setup: Setup, structure: str, rounds: int) -> Ticket:
    """Magnitude masks of fresh weights cost as much as those of trained ones."""
    pruning = setup.bound.experiment.pruning.model_copy(update={"rates": RATES})
    experiment = setup.bound.experiment.model_copy(update={"pruning": pruning})
    chosen = {TICKET: plugins.bind("structures", structure, {})}
    bound = replace(setup.bound, lottery=replace(setup.bound.lottery, experiment=experiment), structures=chosen)
    return pruned(setup.network, replace(setup, bound=bound).plan(TICKET), rounds)


@torch.no_grad()
def _of_weights(setup: Setup, ticket: Ticket, x: Tensor, passes: int) -> tuple[Callable[[], float], str]:
    """The path of the evaluation in training."""
    cpu = torch.device("cpu")
    assert setup.task.gradient is not None
    network = SparseMlp(setup.network.make(), setup.task.gradient, [ticket], cpu)
    (columns,) = network.tiles(x.unsqueeze(0))
    note = SPARSE if sparse_layers(setup.network.module, [ticket], cpu) else DENSE
    return _timed(network.outputs, columns, passes), note


def _timed(forward: nn.Module | Callable[[Tensor], Tensor], x: Tensor, passes: int) -> Callable[[], float]:
    """A function that returns the milliseconds of a forward pass."""

    def measure() -> float:
        with torch.no_grad():
            forward(x)
            started = time.perf_counter()
            for _ in range(passes):
                forward(x)
            if x.is_cuda:
                torch.cuda.synchronize()
        return (time.perf_counter() - started) / passes * 1000

    return measure
