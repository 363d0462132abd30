"""Lanes and tables as files: what the stages after training read and write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.files import store
from pipeline.settings import places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item


def write(path: Path, table: pd.DataFrame) -> None:
    """Floats get the fewest digits that read back as the same number; a missing value is an empty cell."""
    store.write_bytes(path, table.to_csv(index=False, lineterminator="\n").encode())


def read(path: Path, made_by: str, column: str = "arm") -> pd.DataFrame:
    """Raises: UserError that names the file and `made_by`, what `dvc repro` takes to make it, when it lacks `column` too."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro {made_by}` makes it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{path} is not a valid table ({problem}); delete it and run `dvc repro {made_by}`") from None
    if column not in table:
        raise UserError(f"{path} is not a valid table (no column {column}); delete it and run `dvc repro {made_by}`")
    return table


def lanes(item: Item, experiment: Experiment) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """lane.json, `target` (what `dvc repro` takes to make it) and history of every seed and draw of an item.

    Raises: UserError that names the first file that is missing and the stage that makes it.
    """
    target = places.target(item)
    for lane in experiment.lanes(item):
        folder = paths.lanes(item.experiment, item.name) / lane.name
        history = read(folder / "history.csv", target, "validation_loss")
        path = folder / "lane.json"
        if not path.is_file():
            raise UserError(f"{path} is missing; `dvc repro {target}` makes it")
        yield {**store.read_json(path), "target": target}, history
