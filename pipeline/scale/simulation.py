"""A graph of stages on shared cores or GPUs ("units"), simulated from event to event."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter


@dataclass(frozen=True)
class Phase:
    """A part of a stage: `threads` side by side, each of which needs a unit for so many seconds.

    threads: 0 for work beside the units, such as that of the driver of GPUs. locked: one stage at a time may be in such a phase.
    """

    seconds: float
    threads: int = 1
    locked: bool = False


@dataclass(frozen=True)
class Stage:
    """needs: the names of the stages that must have ended."""

    name: str
    needs: frozenset[str]
    phases: tuple[Phase, ...]

    def alone(self, units: float) -> float:
        """The seconds that it takes if nothing runs beside it."""
        return sum(phase.seconds * max(1.0, phase.threads / units) for phase in self.phases)

    @property
    def work(self) -> float:
        """Unit-seconds."""
        return sum(phase.seconds * phase.threads for phase in self.phases)


@dataclass
class Timeline:
    """When stages began and ended. most: the largest number of units that were busy at once."""

    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    most: float = 0.0

    @property
    def makespan(self) -> float:
        return max(self.ended.values(), default=0.0)


@dataclass
class _Running:
    phases: list[Phase]  # the first is the present one
    left: float  # seconds of work of each of its threads

    def next(self) -> None:
        self.phases.pop(0)
        self.left = self.phases[0].seconds if self.phases else 0.0


def longest_paths(stages: Iterable[Stage], units: float = math.inf) -> dict[str, tuple[str, ...]]:
    """For each stage, the path that ends with it and takes longest if every stage has all units to itself."""
    known = {stage.name: stage for stage in stages}
    paths: dict[str, tuple[str, ...]] = {}
    seconds: dict[str, float] = {}
    for name in TopologicalSorter({name: stage.needs for name, stage in known.items()}).static_order():
        last = max(sorted(known[name].needs), key=seconds.__getitem__, default="")
        paths[name] = (*paths.get(last, ()), name)
        seconds[name] = seconds.get(last, 0.0) + known[name].alone(units)
    return paths


def critical_path(stages: Sequence[Stage], units: float = math.inf) -> list[Stage]:
    """The longest path of all. No schedule on so many units is shorter."""
    known = {stage.name: stage for stage in stages}
    every = [[known[name] for name in path] for path in longest_paths(stages, units).values()]
    return max(every, key=lambda path: sum(stage.alone(units) for stage in path), default=[])


def simulate(stages: Sequence[Stage], units: float, jobs: int) -> Timeline:
    """Runs at most `jobs` stages at once, each as soon as it can begin. Those whose remaining path is longest begin first.

    Threads share the units evenly, as processes share cores: when there are more threads than units, all are equally slow.
    """
    urgent, timeline = _urgency(stages), Timeline()
    waiting = {stage.name: stage for stage in sorted(stages, key=lambda stage: -urgent[stage.name])}
    running: dict[str, _Running] = {}
    queue: list[str] = []  # of stages in a locked phase; the first has the lock
    clock = 0.0
    while waiting or running:
        for name in [name for name, stage in waiting.items() if stage.needs <= timeline.ended.keys()][: jobs - len(running)]:
            phases = list(waiting.pop(name).phases)
            running[name], timeline.began[name] = _Running(phases, phases[0].seconds), clock
        queue += [name for name, stage in running.items() if stage.phases[0].locked and name not in queue]
        active = {name: stage for name, stage in running.items() if not stage.phases[0].locked or name == queue[0]}
        threads = sum(stage.phases[0].threads for stage in active.values())
        timeline.most = max(timeline.most, min(threads, units))
        shared = min(1.0, units / threads) if threads else 1.0
        rates = {name: shared if stage.phases[0].threads else 1.0 for name, stage in active.items()}
        step = min(stage.left / rates[name] for name, stage in active.items())
        clock += step
        for name, stage in active.items():
            stage.left -= step * rates[name]
            if stage.left > 1e-9 * stage.phases[0].seconds:
                continue
            if stage.phases[0].locked:
                queue.remove(name)
            stage.next()
            if not stage.phases:
                timeline.ended[name] = clock
                del running[name]
    return timeline


def _urgency(stages: Sequence[Stage]) -> Mapping[str, float]:
    """For each stage, the seconds of the longest path that begins with it."""
    after: dict[str, set[str]] = {stage.name: set() for stage in stages}
    for stage in stages:
        for name in stage.needs:
            after[name].add(stage.name)
    backward = [Stage(stage.name, frozenset(after[stage.name]), stage.phases) for stage in stages]
    own = {stage.name: stage.alone(math.inf) for stage in stages}
    return {name: sum(own[step] for step in path) for name, path in longest_paths(backward).items()}
