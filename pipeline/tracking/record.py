"""What MLflow is told about one lane and about the lanes of one recipe: plain values from the files, without mlflow."""

import csv
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from pipeline.executors import notes
from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.files.store import DamagedError
from pipeline.settings import places
from pipeline.tracking import faults
from pipeline.tracking.tables import IDENTITY, warn
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Data
from pipeline.values.lanes import DENSE, TICKET, Item

LONGEST_PARAM = 6000  # MLflow cuts a longer value without a message


class Point(NamedTuple):
    key: str
    step: int
    value: float


@dataclass(frozen=True)
class Record:
    """A lane as its files describe it. about: the content of lane.json."""

    item: Item
    lane: str
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.item.name}/{self.lane}"

    @property
    def input_key(self) -> str:
        return str(self.about["input_key"])

    @property
    def recipe_key(self) -> str:
        return str(self.about["recipe_key"])

    @property
    def pruning_key(self) -> str:
        """Distinguishes pruning settings that share their dense training; it is empty for a dense lane, which serves all."""
        settings = {k: v for k, v in self.about["config"].get("pruning", {}).items() if k != "rounds"}  # as more rounds are
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16] if settings else ""

    @property
    def identity(self) -> tuple[str, ...]:
        """The lane's cells in the columns of IDENTITY, as `reported` reads them from a table."""
        return tuple("" if self.about.get(column) is None else str(self.about[column]) for column in IDENTITY)

    @property
    def data(self) -> tuple[str, Path]:
        """The name of the data set, and its file, whose name also depends on the data set's options."""
        settings = Data.model_construct(**self.about["config"]["data"])  # not checked, because its plug-in may be gone by now
        return settings.name, paths.data(settings.slug)

    @property
    def recipe_tags(self) -> dict[str, str]:
        """The tags that a lane's run has in common with its parent."""
        metric = self.about["metric"]
        return {
            "experiment": self.item.experiment,
            "recipe_key": self.recipe_key,
            "metric": str(metric["name"]),
            "better": str(metric["better"]),
        }

    @property
    def tags(self) -> dict[str, str]:
        values = {key: self.about.get(key) for key in ("round", "arm", "seed", "draw", "density", "input_key")}
        # Pruned lanes are trained under masks of their own item; controls under those of another, or under drawn ones.
        values |= {"dvc.stage": places.target(self.item, is_control=self.about["masks"] != self.item.name)}
        values |= {key: self.runtime.get(key) for key in ("device", "torch")}
        return self.recipe_tags | {key: str(value) for key, value in values.items() if value is not None}

    @cached_property
    def runtime(self) -> Mapping[str, Any]:
        """Timings and hardware; it is empty when the lane was not trained here but came from a cache."""
        try:
            found = notes.read(paths.runtime(self.item.experiment, self.item.name))
        except OSError:
            return {}
        kinds = {"device": str, "torch": str, "stage_seconds": float, "training_seconds": float}
        return {key: found[key] for key, kind in kinds.items() if isinstance(found.get(key), kind)}

    @property
    def seconds(self) -> float:
        """The training time of all lanes of the item together, because they train side by side."""
        return float(self.runtime.get("training_seconds") or 0)

    @property
    def params(self) -> dict[str, str]:
        return flatten(self.about["config"])

    @property
    def parent_params(self) -> dict[str, str]:
        """The same settings for the parent's run, which has several arms: `arm.name` becomes `arms.<arm>.name`."""
        shared = {key: value for key, value in self.about["config"].items() if key != "arm"}
        arm = self.about["config"].get("arm")
        return flatten(shared | ({"arms": {self.item.arm: arm}} if arm else {}))

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that are shown against density: the early stop, and the metric at it and at the end."""
        metric = self.about["metric"]["name"]
        return "early_stop_iteration", f"{metric}_at_early_stop", f"final_{metric}"

    @property
    def points(self) -> list[Point]:
        """The whole history, each value at its iteration, then how the lane ended, at step 0.

        Raises: UserError when the history is missing or damaged.
        """
        found, target = [], self.tags["dvc.stage"]
        try:
            for row in store.read_csv(self._files.history, target):
                step = int(row.pop("iteration"))
                found += [_point(str(key), step, float(value)) for key, value in row.items() if value]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise DamagedError(self._files.history, error, target) from None
        if not found:
            raise DamagedError(self._files.history, "no rows", target)
        seconds = {key: self.runtime.get(key) for key in ("stage_seconds", "training_seconds")}
        outcome = {key: self.about.get(key) for key in self.ended} | seconds
        return found + [_point(key, 0, float(value)) for key, value in outcome.items() if value is not None]

    @property
    def files(self) -> dict[str, Path]:
        """The lane's files by the names that their artifacts have in MLflow."""
        lane = self._files
        weights = [lane.weights_file("start"), lane.weights_file("trained")]
        if lane.weights_file("rewind").exists():
            weights.append(lane.weights_file("rewind"))
        return {"mask.safetensors": lane.mask_file(self.about)} | {file.name: file for file in weights}

    @property
    def complete(self) -> bool:
        """Whether all files are in place, written by this version of the pipeline."""
        return self.about.keys() >= faults.NEEDED and all(file.exists() for file in (*self.files.values(), self._files.history))

    @property
    def ended(self) -> tuple[str, ...]:
        """The keys of how the lane ended."""
        return "density", "weights", *self.quantities, "validation_loss_at_early_stop", "final_iteration"

    def usable(self) -> bool:
        """Whether the lane is complete. Raises: UserError for another lane's lane.json, or a value of a wrong kind."""
        problem = faults.fault(self)
        if problem:
            raise DamagedError(self._files.about, problem)
        return self.complete

    @property
    def _files(self) -> LaneFiles:
        return LaneFiles(paths.lanes(self.item.experiment, self.item.name) / self.lane)


def curve(records: Iterable[Record]) -> dict[tuple[str, int], float]:
    """Averages the lanes of each arm and round: (`accuracy_at_early_stop/ticket`, round) -> mean.

    MLflow groups charts by what stands before the slash, so the arms of one quantity appear side by side. A chart whose x
    axis is set to `density/ticket` is the paper's figure of accuracy against density. The curve of the ticket begins with the
    dense network, which has all weights; the dense network also has a curve of its own, of one point.
    """
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    lanes = list(records)
    begins_dense = [TICKET] if any(record.item.arm == TICKET for record in lanes) else []
    for record in lanes:
        arms = [record.item.arm, *(begins_dense if record.item.arm == DENSE else [])]
        for key in ("density", *record.quantities):
            if record.about.get(key) is not None:
                for arm in arms:
                    values[f"{key}/{arm}", record.item.round].append(float(record.about[key]))
    return {place: _finite(fmean(found)) for place, found in values.items()}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Turns `{"model": {"hidden": [300, 100]}}` into `{"model.hidden": "[300, 100]"}`."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{key}"] = text if len(text) <= LONGEST_PARAM else f"{text[: LONGEST_PARAM - 1]}…"
    return flat


def find(experiment: str | None = None, item: str | None = None) -> tuple[list[Record], int]:
    """Finds the lanes in work/, in the order of their rounds.

    Returns: the lanes, and the number of further ones whose files are not complete, for example because a stage is writing them.
    Raises: UserError when work/ does not hold the experiment or the item.
    """
    experiments = sorted({path.parent.parent.name for path in paths.WORK.glob("*/*/lanes")})
    if experiment is not None and experiment not in experiments:
        has = f"it has {', '.join(experiments)}" if experiments else "it has none yet, `dvc repro` makes them"
        raise UserError(f"{paths.WORK}/ has no results of an experiment {experiment!r}; {has}")
    items = [found for name in experiments if experiment in (None, name) for found in _items(name)]
    if item is not None and item not in {i.name for i in items}:
        raise UserError(f"{paths.WORK}/{experiment} has no item {item!r}; it has {', '.join(i.name for i in items)}")
    records: list[Record] = []
    damaged: list[DamagedError] = []
    incomplete = 0
    for chosen in (i for i in items if item in (None, i.name)):
        for folder in sorted(paths.lanes(chosen.experiment, chosen.name).glob("*")):
            files = LaneFiles(folder)
            try:
                record = Record(chosen, folder.name, files.read_about()) if files.about.exists() else None
                whole = record is not None and record.usable()
            except DamagedError as error:
                record, whole = None, False
                damaged.append(error)
            if record and whole:
                records.append(record)
            elif folder.is_dir():
                incomplete += 1
    warn(damaged)
    return records, incomplete


def _items(experiment: str) -> list[Item]:
    found = []
    for path in paths.WORK.glob(f"{experiment}/*/lanes"):
        try:
            found.append(Item.parse(f"{experiment}/{path.parent.name}"))
        except UserError:  # somebody else made this folder
            continue
    return sorted(found, key=lambda item: (item.round, item.name))


def _point(key: str, step: int, value: float) -> Point:
    return Point(key, step, _finite(value))


def _finite(value: float) -> float:
    """Shows a diverged loss as not a number: MLflow stores infinity as 1.8e308, which ruins a chart."""
    return value if math.isfinite(value) else math.nan
