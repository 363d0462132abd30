"""The masks of an item, one for each replicate, and what pruning has to know about the network they belong to."""

from collections.abc import Mapping, Sequence

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.files import store
from pipeline.files.store import DamagedError, Shaped
from pipeline.files.whole import replacing
from pipeline.values import paths
from pipeline.values.lanes import Item


def write(item: Item, masks: Mapping[int, Mask]) -> None:
    """masks: the masks by seed. Afterwards the folder holds nothing else."""
    with replacing(paths.masks(item.experiment, item.name)) as folder:
        for seed, mask in masks.items():
            store.write_mask(folder / paths.mask(item.experiment, item.name, seed).name, mask)


def read(item: Item, seed: int, layers: Mapping[str, Shaped] | None = None, target: str = "") -> Mask:
    """The mask of a replicate. layers: the weights that it has to have. target: what `dvc repro` takes to make it.

    Raises: UserError when it is missing, damaged, or that of another network.
    """
    path = paths.mask(item.experiment, item.name, seed)
    return store.require(path, store.read_mask(path, target), layers or {}, target)


def write_layers(experiment: str, layers: Mapping[str, Layer], left_out: Sequence[str]) -> None:
    """left_out: trainable parameters of two or more dimensions that are never pruned and not counted."""
    weights = {name: {"kind": layer.kind, "shape": list(layer.shape)} for name, layer in layers.items()}
    store.write_json(paths.layers(experiment), {"weights": weights, "left_out": list(left_out)})


def read_layers(experiment: str, target: str = "") -> dict[str, Layer]:
    """target: what `dvc repro` takes to make the file. Raises: UserError when it is missing or damaged."""
    path = paths.layers(experiment)
    found = store.read_json(path, target)
    try:
        layers = {name: Layer(about["kind"], tuple(about["shape"])) for name, about in found["weights"].items()}
    except (KeyError, TypeError, AttributeError):
        raise DamagedError(path, "it does not describe a network's weights", target) from None
    for name, layer in layers.items():
        if not isinstance(layer.kind, str) or not all(isinstance(size, int) and size > 0 for size in layer.shape):
            raise DamagedError(path, f"{name} is {layer.kind!r} of the shape {layer.shape}", target)
    return layers
