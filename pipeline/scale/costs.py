"""What the stages of experiments cost: trainings measured on this machine's cores, or assumed for GPUs."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.executors import notes
from pipeline.executors.processes import cores
from pipeline.preview.estimate import Estimate
from pipeline.scale.chain import Link
from pipeline.scale.simulation import Phase, Stage
from pipeline.scale.workload import Workload
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item

# Seconds of one core (docs/scale.md). start: before the first stage and after the last. dvc: of DVC itself for each stage, under
# the lock of the repository. train: of a training stage outside its training. The others are whole stages.
SECONDS = {
    "start": 4.9, "dvc": 0.45, "train": 2.95, "prune": 1.0, "borrow": 1.0, "aggregate": 1.7, "examine": 2.3, "plot": 5.0,
}  # fmt: skip
START = "start"


@dataclass(frozen=True)
class Gpu:
    """Assumptions about a GPU. step: milliseconds of an iteration of one lane, or None to compute them from tflops, the rate
    that is reached. least: the shortest iteration of a batch of lanes, in milliseconds, because launching kernels takes time.
    """

    step: float | None
    tflops: float | None
    least: float

    def training(self, workload: Workload, item: Item) -> tuple[Phase, ...]:
        """As many lanes form a batch as one GPU trains in the least time, and each batch wants a GPU."""
        step = self.step or workload.operations / ((self.tflops or 0) * 1e9)
        batch = max(1, int(self.least / step)) if workload.is_batched else 1
        return (Phase(workload.iterations(item) * max(step, self.least) / 1e3, threads=-(-workload.lanes(item) // batch)),)


@dataclass(frozen=True)
class Cores:
    """So many cores like those of this machine. lanes: the core-seconds of a lane of each item."""

    count: int
    lanes: Mapping[Item, float]

    def training(self, workload: Workload, item: Item) -> tuple[Phase, ...]:
        """One after the other, groups of as many lanes as run side by side (pipeline/executors/processes.py)."""
        lanes = workload.lanes(item)
        at_once = min(lanes, self.count + lanes % self.count)
        groups = [at_once] * (lanes // at_once) + [lanes % at_once]
        return tuple(Phase(self.lanes[item], threads) for threads in groups if threads)


def measured(workload: Workload) -> dict[Item, float]:
    """The core-seconds of a lane of each item that was trained on the cores of this machine."""
    found = {}
    for item in workload.items:
        note, lanes = notes.read(paths.runtime(item.experiment, item.name)), workload.lanes(item)
        if note.get("device") == (platform.processor() or platform.machine()):
            found[item] = float(note["training_seconds"]) * min(lanes, cores()) / lanes
    return found


def estimated(workload: Workload) -> dict[Item, float]:
    """What a few steps of each item take now. Raises: UserError on a machine with a GPU, which would be measured instead."""
    estimate, lottery = Estimate(workload.setup), workload.setup.bound.lottery
    if estimate.device.type != "cpu":
        why = "and its time on them is not estimated on a machine with a GPU"
        raise UserError(f"{lottery.name} was not trained on the cores of this machine, {why}")
    return {item: estimate.seconds(lottery.masks_of(item), 1, workload.iterations(item)) for item in workload.items}


def stages(
    links: Sequence[Link], workloads: Mapping[str, Workload], machine: Cores | Gpu, seconds: Mapping[str, float]
) -> list[Stage]:
    """The stages with their phases, after the start of DVC. Raises: UserError when the cost of a stage is not known."""
    unknown = sorted({link.script for link in links if not link.item} - {*seconds})
    if unknown:
        raise UserError(f"the cost of a stage of {unknown[0]} is not known; it should be given by --seconds {unknown[0]}=S")
    beside = 0 if isinstance(machine, Gpu) else 1  # the driver of GPUs has cores enough
    dvc = Phase(seconds["dvc"] / 2, beside, locked=True)
    found = [Stage(START, frozenset(), (Phase(seconds["start"], beside),))]
    for link in links:
        outside = Phase(seconds["train" if link.item else link.script], beside)
        training = machine.training(workloads[link.item.experiment], link.item) if link.item else ()
        found.append(Stage(link.name, link.needs or frozenset({START}), (dvc, outside, *training, dvc)))
    return found
