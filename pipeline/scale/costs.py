"""What the stages of experiments cost: trainings measured on this machine's cores, or assumed for GPUs."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.executors.processes import cores
from pipeline.files import notes
from pipeline.preview.estimate import Estimate
from pipeline.scale.chain import Link
from pipeline.scale.simulation import Phase, Stage
from pipeline.scale.workload import Workload
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item

# Seconds of one core of Zen 4 (docs/scale.md). dvc: of DVC for each stage, under the repository's lock. start: before the first
# stage. train: of a training stage outside its training; the others are whole stages.
SECONDS = {
    "start": 0.6, "dvc": 0.3, "train": 1.9, "prune": 1.0, "borrow": 1.0, "aggregate": 1.9, "examine": 2.4, "plot": 6.0,
}  # fmt: skip
START = "dvc"


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
        batch = 1 if workload.setup.network.draws else max(1, int(self.least / step))
        return (Phase(workload.iterations(item) * max(step, self.least) / 1e3, threads=-(-workload.lanes(item) // batch)),)

    def __str__(self) -> str:
        lane = f"{self.step:g} ms" if self.step else f"its operations at {self.tflops:g} TFLOP/s"
        return f"assumed, not measured: {lane} for an iteration of a lane, at least {self.least:g} ms for one of a batch"


@dataclass
class Lanes:
    """The core-seconds of a lane: what it took when it was trained on this machine, or else what a few steps of it take now."""

    measured: dict[Item, float] = field(default_factory=dict)
    estimated: dict[Item, float] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)

    def seconds(self, workload: Workload, item: Item) -> float:
        """Raises: UserError when they can only be estimated and this machine has a GPU."""
        if item not in self.measured and item not in self.estimated:
            note, lanes = notes.read(paths.runtime(item.experiment, item.name)), workload.lanes(item)
            if note.get("device") == (platform.processor() or platform.machine()):
                self.measured[item] = float(note["training_seconds"]) * min(lanes, cores()) / lanes
            else:
                self.estimated[item] = self._estimate(workload, item)
        return (self.measured | self.estimated)[item]

    def _estimate(self, workload: Workload, item: Item) -> float:
        estimate = self.estimates.setdefault(item.experiment, Estimate(workload.setup))
        if estimate.device.type != "cpu":
            raise UserError(f"{item.experiment}/{item.name} was never trained on the cores of this machine, which has a GPU")
        return estimate.seconds(workload.setup.bound.lottery.masks_of(item), 1, workload.iterations(item))


@dataclass(frozen=True)
class Cores:
    """So many cores as fast as those of this machine."""

    count: int
    lanes: Lanes

    def training(self, workload: Workload, item: Item) -> tuple[Phase, ...]:
        """One after the other, groups of as many lanes as run side by side (pipeline/executors/processes.py)."""
        lanes, seconds = workload.lanes(item), self.lanes.seconds(workload, item)
        at_once = min(lanes, self.count + lanes % self.count)
        groups = [at_once] * (lanes // at_once) + [lanes % at_once]
        return tuple(Phase(seconds, threads) for threads in groups if threads)

    def __str__(self) -> str:
        return f"{len(self.lanes.measured)} items measured on this machine, {len(self.lanes.estimated)} estimated from a few steps"


def stages(
    links: Sequence[Link], workloads: Mapping[str, Workload], machine: Cores | Gpu, seconds: Mapping[str, float]
) -> list[Stage]:
    """The stages with their phases; the first one is the start of DVC. Raises: UserError when the cost of a stage is not known."""
    unknown = sorted({link.script for link in links if not link.item} - {*seconds})
    if unknown:
        raise UserError(f"what a stage of {unknown[0]} costs was never measured; add --seconds {unknown[0]}=S")
    beside = 0 if isinstance(machine, Gpu) else 1  # what does not train runs on the driver's cores, of which there are enough
    found = [Stage(START, frozenset(), (Phase(seconds["start"], beside),))]
    dvc = Phase(seconds["dvc"] / 2, beside, locked=True)
    for link in links:
        outside = Phase(seconds["train" if link.item else link.script], beside)
        training = machine.training(workloads[link.item.experiment], link.item) if link.item else ()
        found.append(Stage(link.name, link.needs or frozenset({START}), (dvc, outside, *training, dvc)))
    return found
