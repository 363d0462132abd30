"""What MLflow is told about a lane and about a chain of rounds, read from the files: plain values, no mlflow."""

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

from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.settings import places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item

LONGEST_PARAM = 6000  # MLflow cuts what is longer without a word


IDENTITY = ("round", "arm", "seed", "draw", "early_stop_iteration")


class Point(NamedTuple):
    key: str
    step: int
    value: float


@dataclass(frozen=True)
class Record:
    """A lane whose files are all in place."""

    item: Item
    lane: str
    about: Mapping[str, Any]  # lane.json

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
        """Tells chains apart that share their dense training; empty for a dense lane, which is in all of them."""
        settings = {k: v for k, v in self.about["config"].get("pruning", {}).items() if k != "rounds"}  # more rounds: same chain
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16] if settings else ""

    @property
    def identity(self) -> tuple[str, ...]:
        return tuple("" if self.about.get(column) is None else str(self.about[column]) for column in IDENTITY)

    @property
    def recipe_tags(self) -> dict[str, str]:
        return {"experiment": self.item.experiment, "recipe_key": self.recipe_key}

    @cached_property
    def runtime(self) -> Mapping[str, Any]:
        """Timings and hardware; empty where the lane was not trained but fetched from a cache."""
        path = paths.runtime(self.item.experiment, self.item.name)
        return dict(store.read_json(path)) if path.exists() else {}

    @property
    def seconds(self) -> float:
        """The time of all lanes of its stage, which train together."""
        return float(self.runtime.get("training_seconds") or 0)

    @property
    def params(self) -> dict[str, str]:
        return flatten(self.about["config"])

    @property
    def tags(self) -> dict[str, str]:
        values = {key: self.about.get(key) for key in ("round", "arm", "seed", "draw", "density", "input_key")}
        values |= {"dvc.stage": places.target(self.item, self.about["masks"] not in (None, self.item.name))}
        values |= {key: self.runtime.get(key) for key in ("device", "torch")}
        return self.recipe_tags | {key: str(value) for key, value in values.items() if value is not None}

    @property
    def points(self) -> list[Point]:
        """The whole history, each value at its iteration, and the summary."""
        found = []
        with self._files.history.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = int(row.pop("iteration"))
                found += [_point(key, step, float(value)) for key, value in row.items() if value]
        seconds = {key: self.runtime.get(key) for key in ("stage_seconds", "training_seconds")}
        keys = ("density", "weights", *self.curve, "validation_loss_at_early_stop", "final_iteration")
        outcome = {key: self.about.get(key) for key in keys} | seconds
        return found + [_point(key, 0, float(value)) for key, value in outcome.items() if value is not None]

    @property
    def curve(self) -> tuple[str, ...]:
        """What is shown against density: where the validation loss was lowest, and the task's metric there and in the end."""
        metric = self.about["metric"]["name"]
        return "early_stop_iteration", f"{metric}_at_early_stop", f"final_{metric}"

    @property
    def files(self) -> dict[str, Path]:
        """Artifact name -> file."""
        lane = self._files
        weights = [lane.weights_file("start"), lane.weights_file("trained")]
        if lane.weights_file("rewind").exists():
            weights.append(lane.weights_file("rewind"))
        return {"mask.safetensors": lane.mask_file(self.about)} | {file.name: file for file in weights}

    @property
    def complete(self) -> bool:
        return all(file.exists() for file in (*self.files.values(), self._files.history))

    @property
    def _files(self) -> LaneFiles:
        return LaneFiles(paths.lanes(self.item.experiment, self.item.name) / self.lane)


def curve(records: Iterable[Record]) -> dict[tuple[str, int], float]:
    """Means over the lanes of each arm and round, as (`accuracy_at_early_stop/ticket`, round) -> mean.

    MLflow groups charts by what stands before the slash: the arms of one quantity appear side by side. A chart whose x
    axis is set to `density/ticket` is the paper's figure of accuracy against density.
    """
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    for record in records:
        for key in ("density", *record.curve):
            if record.about.get(key) is not None:
                values[f"{key}/{record.item.arm}", record.item.round].append(float(record.about[key]))
    return {place: _finite(fmean(found)) for place, found in values.items()}


def report(experiment: str) -> tuple[str, list[Path]]:
    """The tables and figures of an experiment, relative to its folder in reports/, and a digest of their content."""
    folder, digest = places.report(experiment), hashlib.sha256()
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".csv", ".svg", ".png"))
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest(), [file.relative_to(folder) for file in files]


def reported(experiment: str) -> set[tuple[str, ...]]:
    """The lanes of an experiment's table, each as its cells in the columns of IDENTITY."""
    path = places.rounds(experiment)
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return {tuple(row[column] for column in IDENTITY) for row in csv.DictReader(file)}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """`{"model": {"hidden": [300, 100]}}` as `{"model.hidden": "[300, 100]"}`."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{key}"] = text if len(text) <= LONGEST_PARAM else f"{text[: LONGEST_PARAM - 1]}…"
    return flat


def find(experiment: str | None = None, item: str | None = None) -> tuple[list[Record], int]:
    """The lanes in work/ in the order of their rounds, and how many are left out because a stage is writing them.

    Raises: UserError when work/ does not hold the experiment or the item.
    """
    experiments = sorted({path.parent.parent.name for path in paths.WORK.glob("*/*/lanes")})
    if experiment is not None and experiment not in experiments:
        has = f"it has {', '.join(experiments)}" if experiments else "it has none yet, `dvc repro` makes them"
        raise UserError(f"{paths.WORK}/ has no results of an experiment {experiment!r}; {has}")
    items = [found for name in experiments if experiment in (None, name) for found in _items(name)]
    if item is not None and item not in {i.name for i in items}:
        raise UserError(f"{paths.WORK}/{experiment} has no round {item!r}; it has {', '.join(i.name for i in items)}")
    records, incomplete = [], 0
    for chosen in (i for i in items if item in (None, i.name)):
        for folder in sorted(paths.lanes(chosen.experiment, chosen.name).glob("*")):
            files = LaneFiles(folder)
            record = Record(chosen, folder.name, files.read_about()) if files.about.exists() else None
            if record and record.complete:
                records.append(record)
            elif folder.is_dir():
                incomplete += 1
    return records, incomplete


def _items(experiment: str) -> list[Item]:
    found = []
    for path in paths.WORK.glob(f"{experiment}/*/lanes"):
        try:
            found.append(Item.parse(f"{experiment}/{path.parent.name}"))
        except UserError:  # a folder of somebody else's
            continue
    return sorted(found, key=lambda item: (item.round, item.name))


def _point(key: str, step: int, value: float) -> Point:
    return Point(key, step, _finite(value))


def _finite(value: float) -> float:
    """MLflow stores infinity as 1.8e308, which ruins a chart; a diverged loss is shown as not a number instead."""
    return value if math.isfinite(value) else math.nan
