"""The tables of the stages `examine` and `stability`, which have the same columns: a quantity for each arm, round, layer and seed
(its meaning is in pipeline/examine/quantities.py), and profiles for figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files.store import DamagedError
from pipeline.results import tables
from pipeline.settings import places

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("quantity", "arm", "round", "density", "layer", "seed", "value")  # the layer is empty for all layers together
TEXTS = ("quantity", "arm", "layer")
PROFILE_COLUMNS = ("quantity", "arm", "round", "density", "layer", "position", "value")
# What is measured in the same masks and weights for both tables: the quantity of examined.csv and that of profiles.csv.
PROFILE_OF = {"spread": "initial_weights", "inputs_per_unit": "inputs_sorted", "unused_inputs": "input_counts"}


def read(experiment: str) -> pd.DataFrame:
    """examined.csv. Raises: UserError that names the file and what makes it."""
    return _read(places.examined(experiment), experiment, COLUMNS)


def read_profiles(experiment: str, measured: pd.DataFrame) -> pd.DataFrame:
    """profiles.csv. measured: examined.csv, which the same stage makes of the same masks and weights.

    Raises: UserError that names the file and what makes it, also when it lacks the profile of something that was measured.
    """
    path = places.profiles(experiment)
    table = _read(path, experiment, PROFILE_COLUMNS)
    for number, profile in PROFILE_OF.items():
        missing = _where(measured, number) - _where(table, profile)
        if missing:
            arm, number_of_round, layer = min(missing)
            raise DamagedError(path, f"no {profile} of {arm} in round {number_of_round} and {layer}", _target(experiment))
    return table


def read_stability(experiment: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """stability.csv and lines.csv. Raises: UserError that names the file and what makes it."""
    files = {places.stability(experiment): COLUMNS, places.lines(experiment): PROFILE_COLUMNS}
    found, lines = (_read(path, experiment, columns, "stability") for path, columns in files.items())
    return found, lines


def _read(path: Path, experiment: str, columns: Sequence[str], stage: str = "examine") -> pd.DataFrame:
    numbers = [column for column in columns if column not in TEXTS]
    table = tables.read(path, _target(experiment, stage), TEXTS, numbers)
    layers = table["layer"].astype(object)  # a column whose cells are all empty is read as numbers
    return table.assign(layer=layers.where(layers.notna(), ""))


def _target(experiment: str, stage: str = "examine") -> str:
    return f"{places.chain(experiment)}:{stage}"


def _where(table: pd.DataFrame, quantity: str) -> set[tuple[str, int, str]]:
    rows = table[table["quantity"] == quantity]
    return {*zip(rows["arm"], rows["round"], rows["layer"], strict=True)}


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
