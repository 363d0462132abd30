"""What a simulation is told in: a summary of the experiments, and one row for each machine."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.preview.show import duration
from pipeline.scale.chain import Link
from pipeline.scale.simulation import Stage, critical_path, simulate
from pipeline.scale.workload import Workload
from pipeline.values.lanes import Item


@dataclass(frozen=True)
class Study:
    """seconds: what stages cost beside their training."""

    links: Sequence[Link]
    workloads: Mapping[str, Workload]
    seconds: Mapping[str, float]

    @cached_property
    def trained(self) -> list[tuple[Workload, Item]]:
        return [(self.workloads[link.item.experiment], link.item) for link in self.links if link.item]

    @cached_property
    def rows(self) -> int:
        """Of MLflow."""
        return sum(work.rows(item) for work, item in self.trained)

    def summary(self, costs: str, stages: Sequence[Stage]) -> str:
        """costs: where those of training come from."""
        lanes = sum(work.lanes(item) for work, item in self.trained)
        iterations = sum(work.lanes(item) * work.iterations(item) for work, item in self.trained)
        moved = sum(work.lanes(item) * work.moved for work, item in self.trained)
        data = {work.setup.bound.experiment.data.slug: work.data for work in self.workloads.values()}
        dvc = self.seconds["dvc"]
        lines = {
            ", ".join(self.workloads): f"{len(self.links)} stages, {lanes:,} lanes, {iterations:,} lane-iterations",
            "training": costs,
            "critical path": _path(critical_path(stages)),
            "DVC": f"{duration(dvc * len(self.links))} under its lock, so at most {60 / dvc:.0f} stages a minute",
            "bytes": f"{_bytes(moved / lanes)} a lane, {_bytes(moved)} in all; the data, {_bytes(sum(data.values()))}, once a node",
            "MLflow": f"{self.rows:,} rows",
        }
        return "".join(f"{key}: {text}\n" for key, text in lines.items())

    def row(self, stages: Sequence[Stage], units: int, jobs: int, price: float | None) -> tuple[dict[str, str], float]:
        """Returns: what a machine does with the stages, by column, and its seconds. price: of an hour of a unit."""
        found = simulate(stages, units, jobs)
        took, used = found.makespan, sum(stage.work for stage in stages)
        row = {
            "jobs": "all" if jobs >= len(stages) else str(jobs),
            "units": f"{units:,}",
            "takes": duration(took),
            "speed-up": f"{sum(stage.alone(units) for stage in stages) / took:.2f}",
            "busy at most": f"{found.most:g}",
            "on average": f"{used / took:.3g} ({used / took / units:.1%})",
            "hours used": f"{used / 3600:,.2f}",
            "held": f"{took * units / 3600:,.2f}",
            "stages/min": f"{60 * len(self.links) / took:.2g}",
            "MLflow rows/s": f"{self.rows / took:,.3g}",
        }
        return row | ({"price of those held": f"{took * units / 3600 * price:,.0f}"} if price else {}), took


def _path(path: Sequence[Stage]) -> str:
    """The length of a path and its stages, those of one template together."""
    seconds: dict[str, list[float]] = {}
    for stage in path:
        seconds.setdefault(stage.name.split("@")[0], []).append(stage.alone(math.inf))
    parts = [f"{len(found)} × {name}" if len(found) > 1 else name for name, found in seconds.items()]
    told = [f"{part} {duration(sum(found))}" for part, found in zip(parts, seconds.values(), strict=True)]
    return f"{duration(sum(map(sum, seconds.values())))}: {', '.join(told)}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
