"""The tickets' masks of single replicates, for the picture that the slider moves. All else on the page is from tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.figures import connections
from pipeline.figures.shown import Shown
from pipeline.files import masks
from pipeline.files.store import DamagedError
from pipeline.settings import measured, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import TICKET, Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

Counts = Mapping[int, Mapping[int, "NDArray[Any]"]]  # by round and seed: how many surviving weights read each input


def counts(shown: Shown) -> Counts:
    """Empty where the page has no such picture, or would only show the same again because there is one replicate.

    Raises: UserError that names a mask which is missing, damaged or not the one that was examined.
    """
    name, main = shown.name, shown.outcome.main
    experiment = shown.experiment(name)
    if main != TICKET or not measured.pictured(name, experiment) or not connections.side(shown, main):
        return {}
    found: dict[int, dict[int, NDArray[Any]]] = {}
    for number, rows in connections.inputs(shown, main).groupby("round"):
        item = Item(name, int(str(number)), main)
        layer, means = str(rows["layer"].iloc[0]), rows["value"].to_numpy()
        of_seeds = {seed: _counted(item, seed, layer, len(means)) for seed in experiment.seeds}
        if not np.allclose(np.mean([*of_seeds.values()], axis=0), means, rtol=1e-4, atol=1e-4):
            raise UserError(
                f"{paths.masks(name, item.name)} does not hold the masks that {places.profiles(name)} is about; "
                f"`dvc repro {places.chain(name)}:examine` makes them agree"
            )
        found[item.round] = of_seeds
    return found


def _counted(item: Item, seed: int, layer: str, inputs: int) -> NDArray[Any]:
    target = places.target(item, False)
    mask = masks.read(item, seed, target=target)
    if layer not in mask or mask[layer].ndim != 2 or mask[layer].shape[1] != inputs:
        path = paths.mask(item.experiment, item.name, seed)
        raise DamagedError(path, f"it has no {layer} with {inputs} inputs", target)
    return np.asarray(np.count_nonzero(mask[layer], axis=0))
