"""A graph of stages on shared cores or GPUs ("units"), simulated from event to event."""

import math
from collections.abc import Sequence
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

    def alone(self, units: float = math.inf) -> float:
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


def critical_path(stages: Sequence[Stage], units: float = math.inf) -> list[Stage]:
    """The path that takes longest if each stage has all units to itself. No schedule on so many units is shorter."""
    known, (ahead, then) = {stage.name: stage for stage in stages}, _ahead(stages, units)
    name, path = max(ahead, key=ahead.__getitem__, default=""), []
    while name:
        path.append(known[name])
        name = then[name]
    return path


def _ahead(stages: Sequence[Stage], units: float) -> tuple[dict[str, float], dict[str, str]]:
    """For each stage, the seconds of the longest path that begins with it, and the next stage of that path, "" at its end."""
    known, seconds, then = {stage.name: stage for stage in stages}, {"": 0.0}, dict.fromkeys((s.name for s in stages), "")
    order = [*TopologicalSorter({stage.name: stage.needs for stage in stages}).static_order()]
    for name in reversed(order):
        seconds[name] = known[name].alone(units) + seconds[then[name]]
        for before in known[name].needs:
            if seconds[name] > seconds[then[before]]:
                then[before] = name
    return {name: seconds[name] for name in order}, then


@dataclass
class _Running:
    waiting: list[Phase]
    phase: Phase
    left: float  # seconds of each thread


def simulate(stages: Sequence[Stage], units: float, jobs: int) -> Timeline:
    """Runs at most `jobs` stages at once, each as soon as it can begin; those with the longest path ahead begin first.

    Threads share the units evenly, as processes share cores: when there are more threads than units, all are equally slow.
    """
    ahead, timeline, clock = _ahead(stages, math.inf)[0], Timeline(), 0.0
    waiting = {stage.name: stage for stage in sorted(stages, key=lambda stage: -ahead[stage.name])}
    running: dict[str, _Running] = {}
    queue: list[str] = []  # of stages in a locked phase; the first has the lock
    while waiting or running:
        for name in [name for name, stage in waiting.items() if stage.needs <= timeline.ended.keys()][: jobs - len(running)]:
            first, *others = waiting.pop(name).phases
            running[name], timeline.began[name] = _Running(others, first, first.seconds), clock
        queue += [name for name, stage in running.items() if stage.phase.locked and name not in queue]
        active = {name: stage for name, stage in running.items() if not stage.phase.locked or name == queue[0]}
        threads = sum(stage.phase.threads for stage in active.values())
        timeline.most = max(timeline.most, min(threads, units))
        rates = {name: min(1.0, units / threads) if stage.phase.threads else 1.0 for name, stage in active.items()}
        step = min(stage.left / rates[name] for name, stage in active.items())
        clock += step
        for name, stage in active.items():
            stage.left -= step * rates[name]
            if stage.left > 1e-9 * stage.phase.seconds:
                continue
            if stage.phase.locked:
                queue.remove(name)
            if stage.waiting:
                stage.phase = stage.waiting.pop(0)
                stage.left = stage.phase.seconds
            else:
                timeline.ended[name] = clock
                del running[name]
    return timeline
