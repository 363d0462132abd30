"""The tables of the stages `examine` and `stability`, which have the same columns: a quantity for each arm, round, layer and seed
(its meaning is in pipeline/examine/quantities.py), and profiles for figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.results import tables
from pipeline.settings import places

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("quantity", "arm", "round", "density", "layer", "seed", "value")  # the layer is empty for all layers together
TEXTS = ("quantity", "arm", "layer")
PROFILE_COLUMNS = ("quantity", "arm", "round", "density", "layer", "position", "value")


def read(experiment: str) -> pd.DataFrame:
    """examined.csv. Raises: UserError that names the file and what makes it."""
    return _read(places.examined(experiment), experiment, COLUMNS)


def read_profiles(experiment: str) -> pd.DataFrame:
    """profiles.csv. Raises: UserError that names the file and what makes it."""
    return _read(places.profiles(experiment), experiment, PROFILE_COLUMNS)


def read_stability(experiment: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """stability.csv and lines.csv. Raises: UserError that names the file and what makes it."""
    files = {places.stability(experiment): COLUMNS, places.lines(experiment): PROFILE_COLUMNS}
    found, lines = (_read(path, experiment, columns, "stability") for path, columns in files.items())
    return found, lines


def _read(path: Path, experiment: str, columns: Sequence[str], stage: str = "examine") -> pd.DataFrame:
    numbers = [column for column in columns if column not in TEXTS]
    table = tables.read(path, f"{places.chain(experiment)}:{stage}", TEXTS, numbers)
    layers = table["layer"].astype(object)  # a column whose cells are all empty is read as numbers
    return table.assign(layer=layers.where(layers.notna(), ""))


def of(table: pd.DataFrame, quantity: str, arm: str, layer: str = "") -> pd.DataFrame:
    """The rows of one quantity, arm and layer, or of all layers together."""
    return table[(table["quantity"] == quantity) & (table["arm"] == arm) & (table["layer"] == layer)]


def summary(table: pd.DataFrame, quantity: str, arm: str, layer: str = "") -> pd.DataFrame:
    """One row for each round: density, n and seeds (the number of replicates), and the quantity as `value_mean`, `value_min` and
    `value_max`. Empty if it was not measured.
    """
    named: dict[str, Any] = {
        "density": ("density", "first"), "n": ("seed", "size"), "seeds": ("seed", "nunique"),
        **{f"value_{how}": ("value", how) for how in ("mean", "min", "max")},
    }  # fmt: skip
    found: pd.DataFrame = of(table, quantity, arm, layer).groupby("round", as_index=False).agg(**named)
    return found


def layers(table: pd.DataFrame, quantity: str) -> list[str]:
    """The layers for which a quantity was measured, in the order of the network."""
    found = table.loc[table["quantity"] == quantity, "layer"].drop_duplicates()
    return [layer for layer in found if layer]
