"""What a simulation is told in: a summary of the experiments, and one row for each machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.preview.show import duration
from pipeline.scale.chain import Link
from pipeline.scale.simulation import Stage, critical_path, simulate
from pipeline.scale.workload import Workload


@dataclass(frozen=True)
class Study:
    """dvc: the seconds of DVC for each stage."""

    links: Sequence[Link]
    workloads: Mapping[str, Workload]
    dvc: float

    @property
    def rows(self) -> int:
        """Of MLflow."""
        return sum(work.rows(item) for work in self.workloads.values() for item in work.items)

    def summary(self, costs: str, stages: Sequence[Stage]) -> str:
        """costs: where those of training come from."""
        trained = [(work, item, work.lanes(item)) for work in self.workloads.values() for item in work.items]
        lanes = sum(count for *_, count in trained)
        iterations = sum(count * work.iterations(item) for work, item, count in trained)
        moved = sum(count * work.moved for work, _, count in trained)
        data = {work.setup.bound.experiment.data.slug: work.data for work in self.workloads.values()}
        return (
            f"{', '.join(self.workloads)}: {len(self.links)} stages, {lanes:,} lanes, {iterations:,} lane-iterations\n"
            f"training: {costs}\n"
            f"critical path: {_path(critical_path(stages))}\n"
            f"DVC: {duration(self.dvc * len(self.links))} under its lock, so at most {60 / self.dvc:.0f} stages a minute\n"
            f"moved: {_bytes(moved / lanes)} a lane, {_bytes(moved)} in all; data, {_bytes(sum(data.values()))}, once a node\n"
            f"MLflow: {self.rows:,} rows\n"
        )

    def row(
        self, stages: Sequence[Stage], units: int, jobs: int, price: float | None, first: float
    ) -> tuple[dict[str, str], float]:
        """Returns: what so many units do with the stages, by column, and their seconds.

        price: of an hour of a unit. first: the seconds to which theirs are compared, 0 for none.
        """
        found = simulate(stages, units, jobs)
        took, used = found.makespan, sum(stage.work for stage in stages)
        row = {
            "jobs": "all" if jobs >= len(stages) else str(jobs),
            "units": f"{units:,}",
            "takes": duration(took),
            "speed-up": f"{(first or took) / took:.2f}",
            "busy at most": f"{found.most:g}",
            "on average": f"{used / took / units:.1%}",
            "hours used": f"{used / 3600:,.2f}",
            "held": f"{took * units / 3600:,.2f}",
            "stages/min": _rate(60 * len(self.links) / took),
            "MLflow rows/s": _rate(self.rows / took),
        }
        return row | ({"price": f"{took * units / 3600 * price:,.2f}"} if price else {}), took


def _path(path: Sequence[Stage]) -> str:
    """The length of a path and its stages, those of one template together."""
    seconds: dict[str, list[float]] = {}
    for stage in path:
        seconds.setdefault(stage.name.split("@")[0], []).append(stage.alone())
    parts = [f"{f'{len(each)} × ' if len(each) > 1 else ''}{name} {duration(sum(each))}" for name, each in seconds.items()]
    return f"{duration(sum(map(sum, seconds.values())))}: {', '.join(parts)}"


def _rate(value: float) -> str:
    return f"{float(f'{value:.2g}'):,g}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
