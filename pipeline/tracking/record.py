"""What MLflow is told about one lane: plain values from the files, without mlflow."""

import csv
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.files.store import DamagedError
from pipeline.results import tables
from pipeline.settings import places
from pipeline.tracking import faults
from pipeline.tracking.changed import flatten
from pipeline.tracking.tables import IDENTITY, warn
from pipeline.tracking.training import Point, Training
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Data
from pipeline.values.lanes import Item

HISTORY = "history"  # the section of MLflow's page that has a lane's curves; sections come before the charts that are in none


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
    def arm_key(self) -> str:
        """The same for all lanes of an arm that have the same recipe, settings of pruning and options of the arm."""
        config = self.about["config"]
        pruning = {k: v for k, v in config.get("pruning", {}).items() if k != "rounds"}  # older lanes name the number of rounds
        parts = [self.recipe_key, self.item.arm, pruning, config.get("arm")]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

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
    def shared_tags(self) -> dict[str, str]:
        """The tags that a lane's run has in common with its arm's."""
        metric = self.about["metric"]
        return {
            "experiment": self.item.experiment,
            "arm": self.item.arm,
            "arm_key": self.arm_key,
            "metric": str(metric["name"]),
            "better": str(metric["better"]),
        }

    @property
    def stage(self) -> str:
        """What `dvc repro` takes to train it."""
        # Pruned lanes are trained under masks of their own item; controls under those of another, or under drawn ones.
        return places.target(self.item, is_control=self.about["masks"] != self.item.name)

    @property
    def tags(self) -> dict[str, str]:
        values = {key: self.about.get(key) for key in ("round", "seed", "draw", "density", "input_key", "recipe_key")}
        values |= {"dvc.stage": self.stage}
        return self.shared_tags | {k: str(v) for k, v in values.items() if v is not None} | self.training.tags

    @cached_property
    def training(self) -> Training:
        return Training.of(self.item)

    @property
    def params(self) -> dict[str, str]:
        """The settings, and what MLflow's plots that compare runs can only show as a parameter."""
        own = {"round": self.item.round, "arm": self.item.arm, "seed": self.about["seed"], "draw": self.about.get("draw")}
        if isinstance(self.about.get("density"), float | int):
            own["density"] = f"{self.about['density']:.6g}"
        return flatten(self.about["config"]) | {key: str(value) for key, value in own.items() if value is not None}

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that are shown against density: the early stop, and the metric at it and at the end."""
        metric = self.about["metric"]["name"]
        return "early_stop_iteration", f"{metric}_at_early_stop", f"final_{metric}"

    @property
    def points(self) -> list[Point]:
        """The whole history, each value at its iteration; how the lane ended, at its round, where the points of its arm are too;
        and what the machine did meanwhile.

        The time stamps of the history are spread evenly over the training, because only its beginning and its end are known.
        Raises: UserError when the history is missing or damaged.
        """
        found, target = [], self.stage
        try:
            rows = store.read_csv(self._files.history, target)
            steps = [int(row.pop("iteration")) for row in rows]
            if steps != sorted(set(steps)) or not all(0 <= step < tables.LARGEST_COUNT for step in steps):
                raise ValueError("its iterations do not rise from 0 on, or are too large")
            for step, row in zip(steps, rows, strict=True):
                share = (step - steps[0]) / max(1, steps[-1] - steps[0])
                found += [_point(f"{HISTORY}/{key}", step, float(value), share) for key, value in row.items() if value]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise DamagedError(self._files.history, error, target) from None
        if not found:
            raise DamagedError(self._files.history, "no rows", target)
        seconds = {key: self.training.note.get(key) for key in ("stage_seconds", "training_seconds")}
        outcome = {key: self.about.get(key) for key in self.ended} | seconds
        ended = [_point(key, self.item.round, float(value)) for key, value in outcome.items() if value is not None]
        return [*found, *ended, *self.training.samples]

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


def find(experiment: str | None = None, item: str | None = None, is_told: bool = True) -> tuple[list[Record], int]:
    """Finds the lanes in work/, in the order of their rounds. is_told: whether damaged ones are named to the user.

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
    if is_told:
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


def _point(key: str, step: int, value: float, share: float = 1.0) -> Point:
    return Point(key, step, finite(value), share)


def finite(value: float) -> float:
    """Shows a diverged loss as not a number: MLflow stores infinity as 1.8e308, which ruins a chart."""
    return value if math.isfinite(value) else math.nan
