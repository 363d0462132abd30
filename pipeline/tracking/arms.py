"""What MLflow is told about all lanes of one arm together: the run above theirs, whose charts overlay those of other arms.

All arms have metrics of the same names, at the step that is the round. A round has the same density in each arm of an experiment,
two rounds never have the same step, and steps of equal size are equal factors of density, as on the paper's axis; per mille of
density would be none of this: VGG-19 has four rounds at 2 per mille.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import fmean

from pipeline.figures import style
from pipeline.tracking.changed import flatten
from pipeline.tracking.others import LANES
from pipeline.tracking.record import Record, finite
from pipeline.tracking.training import COMMIT, DIRTY, Point
from pipeline.values.lanes import DENSE, TICKET

Curve = dict[tuple[str, int], float]
SECOND = 1000  # milliseconds
# What a run says of all its lanes if it is the same for all of them.
SHARED = ("device", "torch", "executor", COMMIT, "commit.of", DIRTY)


@dataclass(frozen=True)
class Arm:
    """records: its lanes, at least one. dense: those of the dense network with the same recipe. all: those of the experiment."""

    records: Sequence[Record]
    dense: Sequence[Record]
    all: Sequence[Record]

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def name(self) -> str:
        return self.first.item.arm

    @property
    def experiment(self) -> str:
        return self.first.item.experiment

    @property
    def key(self) -> str:
        return self.first.arm_key

    @property
    def rounds(self) -> list[int]:
        return sorted({record.item.round for record in self.records})

    @cached_property
    def curve(self) -> Curve:
        """The mean of the lanes at each round: (`accuracy_at_early_stop`, round) -> mean.

        A line begins with the dense network where the figures' does: not with fresh weights.
        """
        begins_dense = self.name != DENSE and self.name in style.LOOKS and style.LOOKS[self.name].from_dense
        values: dict[tuple[str, int], list[float]] = defaultdict(list)
        for record in [*(self.dense if begins_dense else []), *self.records]:
            for key in ("density", *record.quantities, "validation_loss_at_early_stop"):
                if record.about.get(key) is not None:
                    values[key, record.item.round].append(float(record.about[key]))
        return {place: finite(fmean(found)) for place, found in values.items()}

    def trained(self, now: int) -> tuple[int, int]:
        """From the beginning of its first lane to the end of its last one. now: stands for times that are not known."""
        return _span(self.records, now)

    def span(self, now: int) -> tuple[int, int]:
        """The times of its run: as long as its lanes were trained, but before all lanes of the experiment.

        MLflow shows lanes below their arms only when it sorts by the beginning, and it loads the first hundred runs, among which
        all arms have to be.
        """
        began, ended = self.trained(now)
        first = _span(self.all, now)[0] - SECOND * (1 + (self.name == TICKET) + 2 * (self.name == DENSE))
        return first, first + ended - began

    def points(self, values: Mapping[tuple[str, int], float], now: int) -> list[Point]:
        """The points of a curve, each at the time when its round was trained."""
        began, ended = self.trained(now)
        known = {r.item.round: r.training.span(now)[1] for r in [*self.dense, *self.records] if r.training.is_known}
        shares = {number: (end - began) / max(1, ended - began) for number, end in known.items()}
        return [Point(key, step, value, min(1.0, max(0.0, shares.get(step, 1.0)))) for (key, step), value in values.items()]

    @property
    def params(self) -> dict[str, str]:
        return flatten(self.first.about["config"]) | {"arm": self.name}

    @property
    def tags(self) -> dict[str, str]:
        """With the commit and the machine, unless the lanes differ in them."""
        tags = [record.training.tags for record in self.records]
        keys = [key for key in tags[0] if key in SHARED or key.startswith(("hardware.", "versions."))]
        shared = {key: tags[0][key] for key in keys if len({other.get(key) for other in tags}) == 1}
        own = {"recipe": self.first.recipe_key, LANES: str(len(self.records))}
        return self.first.shared_tags | own | shared


def _span(records: Sequence[Record], now: int) -> tuple[int, int]:
    """From the beginning of the first lane to the end of the last one, in milliseconds since 1970."""
    spans = [record.training.span(now) for record in records if record.training.is_known] or [(now, now)]
    return min(began for began, _ in spans), max(ended for _, ended in spans)


def grouped(records: Iterable[Record]) -> list[Arm]:
    """The arms of one experiment: for each recipe the dense network, the ticket, and then the others."""
    found = []
    ordered = sorted(records, key=lambda record: record.recipe_key)
    for _, alike in groupby(ordered, key=lambda record: record.recipe_key):
        lanes = list(alike)
        dense = [record for record in lanes if record.item.arm == DENSE]
        for key in dict.fromkeys(record.arm_key for record in lanes):
            found.append(Arm([record for record in lanes if record.arm_key == key], dense, ordered))
    return sorted(found, key=lambda arm: (arm.name != DENSE, arm.name != TICKET, arm.name))


def main_of(arms: Sequence[Arm]) -> Arm | None:
    """The arm whose run has the experiment's report: the ticket, or that with most lanes, or only then the dense network."""
    return max(arms, key=lambda arm: (arm.name == TICKET, arm.name != DENSE, len(arm.records)), default=None)
