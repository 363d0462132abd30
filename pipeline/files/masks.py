"""The masks of an item, one for each replicate, and what pruning has to know about the network they belong to."""

from collections.abc import Mapping, Sequence

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.files import store
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item


def write(item: Item, masks: Mapping[int, Mask]) -> None:
    """masks: the masks by seed. Afterwards the folder holds nothing else."""
    with store.replacing(paths.masks(item.experiment, item.name)) as folder:
        for seed, mask in masks.items():
            store.write_mask(folder / paths.mask(item.experiment, item.name, seed).name, mask)


def read(item: Item, seed: int) -> Mask:
    """The mask of a replicate. Raises: UserError when it is missing or damaged."""
    return store.read_mask(paths.mask(item.experiment, item.name, seed))


def write_layers(experiment: str, layers: Mapping[str, Layer], left_out: Sequence[str]) -> None:
    """left_out: trainable parameters of two or more dimensions that are never pruned and not counted."""
    weights = {name: {"kind": layer.kind, "shape": list(layer.shape)} for name, layer in layers.items()}
    store.write_json(paths.layers(experiment), {"weights": weights, "left_out": list(left_out)})


def read_layers(experiment: str) -> dict[str, Layer]:
    """Raises: UserError when the file is missing or damaged."""
    path = paths.layers(experiment)
    try:
        return {n: Layer(str(a["kind"]), tuple(map(int, a["shape"]))) for n, a in store.read_json(path)["weights"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path} does not describe a network's weights; delete it and run `dvc repro`") from None
