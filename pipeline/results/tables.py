"""Lanes and tables as files: what the stages after training read and write."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.domain.lottery import Lottery
from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.files.store import DamagedError
from pipeline.results.metric import FIELDS, Metric
from pipeline.settings import places
from pipeline.values.errors import UserError
from pipeline.values.lanes import Lane

if TYPE_CHECKING:
    import pandas as pd

LANE = {  # what lane.json has to say, and as what; its metric's two values come on top
    "round": int, "arm": str, "seed": int, "density": float, "early_stop_iteration": int,
    "validation_loss_at_early_stop": float, "final_iteration": int,
}  # fmt: skip
LONGEST = 200  # characters of a value in a sentence
LARGEST, LARGEST_COUNT = 1e300, 2**53  # numbers below these have the same value in a table


def write(path: Path, table: pd.DataFrame) -> None:
    """Floats get the fewest digits that read back as the same number; a missing value is an empty cell."""
    store.write_table(path, table.to_csv(index=False, lineterminator="\n"))


def read(path: Path, made_by: str, texts: Sequence[str] = ("arm",), numbers: Sequence[str] = ()) -> pd.DataFrame:
    """texts, numbers: the columns that the table must have; in those of numbers, every cell has to be a finite number.

    Raises: UserError that names the file and `made_by`, what `dvc repro` takes to make it.
    """
    import pandas as pd

    text = store.read_table(path, made_by)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows with more cells than the header has
            table = pd.read_csv(io.StringIO(text), index_col=False)
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:  # pandas' own errors are ValueErrors
        raise DamagedError(path, error, made_by) from None
    problem = next((f"no column {column}" for column in (*texts, *numbers) if column not in table), "")
    problem = problem or ("" if len(table) else "no rows") or wrong_numbers(table, numbers) or _wrong_texts(table, texts)
    if problem:
        raise DamagedError(path, problem, made_by)
    return table


def wrong_numbers(table: pd.DataFrame, columns: Iterable[str]) -> str:
    """What is wrong with columns of which every cell should be a finite number; empty when nothing is."""
    import numpy as np

    for column in columns:
        if table[column].dtype.kind not in "if":
            return f"the column {column} has text"
        if not np.isfinite(table[column]).all():
            return f"a number is missing in the column {column}"
    return ""


def _wrong_texts(table: pd.DataFrame, columns: Sequence[str]) -> str:
    found = [column for column in columns if table[column].dtype.kind in "biufc" and table[column].notna().any()]
    return f"the column {found[0]} has numbers" if found else ""


def lanes(lottery: Lottery) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """lane.json, `target` (what `dvc repro` takes to make it) and history of every lane of an experiment, item by item.

    Raises: UserError that names the first file that is missing or damaged, and the stage that makes it.
    """
    for item in lottery.items():
        target = places.target(item, lottery.is_control(item))
        for lane in lottery.lanes(item):
            yield read_lane(lane, target)


def read_lane(lane: Lane, target: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """The same of one lane."""
    files = LaneFiles.of(lane)
    history = read(files.history, target, [], ["iteration", "validation_loss"])
    found = files.read_about(target)
    for file, problem in ((files.about, _wrong_about(lane, found)), (files.history, _wrong_history(found, history))):
        if problem:
            raise DamagedError(file, problem, target)
    return {"draw": None, **found, "target": target}, history


def wrong_metric(about: Mapping[str, Any]) -> str:
    """What is wrong with the metric of a lane.json; empty when nothing is."""
    metric = about.get("metric")
    if not isinstance(metric, Mapping) or not all(is_text(metric.get(key)) for key in FIELDS.values()):
        return "it does not say which metric it is measured by"
    try:
        Metric(*(metric[key] for key in FIELDS.values()))
    except UserError as error:
        return short(error)
    return ""


def wrong_lane(about: Mapping[str, Any]) -> str:
    """What is wrong with the content of a lane.json; empty when nothing is."""
    problem = wrong_metric(about)
    if problem:
        return problem
    name = about["metric"]["name"]
    for key, kind in (LANE | {f"{name}_at_early_stop": float, f"final_{name}": float}).items():
        value = about.get(key)
        right = isinstance(value, str) if kind is str else is_number(value)  # a JSON number such as 1 may be meant as 1.0
        if not right or (kind is int and not (isinstance(value, int) and abs(value) < LARGEST_COUNT)):
            return f"{key} is {short(value)}"
    return ""


def is_text(value: object) -> bool:
    """Whether it is text that a table and a page can have, which half a character of JSON cannot be part of."""
    return isinstance(value, str) and value.isprintable()


def is_number(value: object) -> bool:
    """Whether it is a finite number, of a size that a table can have. Nothing that is compared with a NaN is smaller."""
    return isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < LARGEST


def _wrong_about(lane: Lane, about: Mapping[str, Any]) -> str:
    """Also when it is another lane's. Values of another kind are named first."""
    expected = {"round": lane.item.round, "arm": lane.item.arm, "seed": lane.seed, "draw": lane.draw}
    other = [key for key, value in expected.items() if about.get(key) != value]
    return wrong_lane(about) or (f"{other[0]} is {short(about.get(other[0]))} instead of {expected[other[0]]!r}" if other else "")


def short(value: object) -> str:
    """A value as a sentence names it, which may be of any kind and size."""
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    except ValueError:  # Python does not write out an integer of thousands of digits
        return "an integer of thousands of digits"


def _wrong_history(about: Mapping[str, Any], history: pd.DataFrame) -> str:
    """What is wrong with a history, given a lane.json that is right."""
    if wrong_lane(about):
        return ""
    name = about["metric"]["name"]
    columns = ("iteration", "train_loss", "validation_loss", f"validation_{name}", "test_loss", f"test_{name}")
    for column in columns:
        if column not in history:
            return f"it has no column {column}"
        if history[column].dtype.kind not in "if":
            return f"its column {column} has text"
    more = [column for column in history if column not in columns]
    if more:
        return f"it has a column {short(more[0])}"
    last = history["iteration"].max()
    return "" if last == about["final_iteration"] else f"it ends at iteration {last}, not at {about['final_iteration']}"
