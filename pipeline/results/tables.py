"""Lanes and tables as files: what the stages after training read and write."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.domain.lottery import Lottery
from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.files.store import DamagedError
from pipeline.results.metric import FIELDS
from pipeline.settings import places

if TYPE_CHECKING:
    import pandas as pd

LANE = {  # what lane.json has to say, and as what; its metric's two values come on top
    "round": int, "arm": str, "seed": int, "density": float, "early_stop_iteration": int,
    "validation_loss_at_early_stop": float, "final_iteration": int,
}  # fmt: skip


def write(path: Path, table: pd.DataFrame) -> None:
    """Floats get the fewest digits that read back as the same number; a missing value is an empty cell."""
    store.write_table(path, table.to_csv(index=False, lineterminator="\n"))


def read(path: Path, made_by: str, texts: Sequence[str] = ("arm",), numbers: Sequence[str] = ()) -> pd.DataFrame:
    """texts, numbers: the columns that the table must have; in those of numbers, no cell may be text.

    Raises: UserError that names the file and `made_by`, what `dvc repro` takes to make it.
    """
    import pandas as pd

    table = pd.read_csv(io.StringIO(store.read_table(path, made_by)))
    problems = [f"no column {column}" for column in (*texts, *numbers) if column not in table]
    if not problems and len(table):  # an empty column has no type
        problems = [f"the column {column} has text" for column in numbers if table[column].dtype.kind not in "if"]
    if problems:
        raise DamagedError(path, problems[0], made_by)
    return table


def lanes(lottery: Lottery) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """lane.json, `target` (what `dvc repro` takes to make it) and history of every lane of an experiment, item by item.

    Raises: UserError that names the first file that is missing or damaged, and the stage that makes it.
    """
    for item in lottery.items():
        target = places.target(item, lottery.is_control(item))
        for lane in lottery.lanes(item):
            yield _lane(LaneFiles.of(lane), target)


def _lane(files: LaneFiles, target: str) -> tuple[dict[str, Any], pd.DataFrame]:
    history = read(files.history, target, ["validation_loss"])
    found = files.read_about(target)
    for file, problem in ((files.about, _wrong_lane(found)), (files.history, _wrong_history(found, history))):
        if problem:
            raise DamagedError(file, problem, target)
    return {"draw": None, **found, "target": target}, history


def _wrong_lane(lane: Any) -> str:
    """What is wrong with the content of a lane.json; empty when nothing is."""
    metric = lane.get("metric") if isinstance(lane, Mapping) else None
    if not isinstance(metric, Mapping) or not all(isinstance(metric.get(key), str) for key in FIELDS.values()):
        return "it does not say which metric it is measured by"
    name = metric["name"]
    for key, kind in (LANE | {f"{name}_at_early_stop": float, f"final_{name}": float}).items():
        value = lane.get(key)
        # A JSON number such as 1 may be meant as 1.0.
        right = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
        if not right or (isinstance(value, float) and not math.isfinite(value)):
            return f"{key} is {value!r}"
    return ""


def _wrong_history(lane: Any, history: pd.DataFrame) -> str:
    """What is wrong with a history, given a lane.json that is right."""
    if _wrong_lane(lane):
        return ""
    name = lane["metric"]["name"]
    for column in ("iteration", "train_loss", "validation_loss", f"validation_{name}", "test_loss", f"test_{name}"):
        if column not in history:
            return f"it has no column {column}"
        if history[column].dtype.kind not in "if":
            return f"its column {column} has text"
    last = history["iteration"].max()
    return "" if last == lane["final_iteration"] else f"it ends at iteration {last}, not at {lane['final_iteration']}"
