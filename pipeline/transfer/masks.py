"""The masks of another experiment's tickets, which have to be masks of the same network with the same initial weights."""

from collections.abc import Mapping

from pipeline.domain import pruning
from pipeline.domain.masks import Mask
from pipeline.files import masks
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import DENSE, Item, Lane


def borrowed(bound: Bound, found: Item, made_by: str) -> dict[int, Mask]:
    """The masks of the tickets `found`, by seed, for an experiment. made_by: what `dvc repro` takes to make them.

    Raises: UserError when the networks or their initial weights differ, or a mask is not what pruning wrote.
    """
    own = bound.target(bound.lottery.dense)
    if masks.read_layers(bound.name, own) != masks.read_layers(found.experiment, made_by):
        raise UserError(
            f"the networks of {bound.name} and {found.experiment} differ, so that a mask of one does not fit the other; both "
            "should have the same model"
        )
    for seed in bound.experiment.seeds:
        _begin_alike({bound.name: own, found.experiment: made_by}, seed)
    return {seed: _mask(bound, found, seed, made_by) for seed in bound.experiment.seeds}


def _begin_alike(both: Mapping[str, str], seed: int) -> None:
    """both: the experiments, and what `dvc repro` takes to make their dense networks.

    Raises: UserError when these do not begin with the same weights, bit for bit.
    """
    first, second = (LaneFiles.of(Lane(Item(name, 0, DENSE), seed)).weights("start", target=by) for name, by in both.items())
    if [name for name in first if name not in second or first[name].tobytes() != second[name].tobytes()]:
        raise UserError(
            f"the initial weights of seed {seed} in {' and '.join(both)} differ, so that a ticket of one is not a ticket of the "
            "other; both should have the same model, init and shape of inputs"
        )


def _mask(bound: Bound, found: Item, seed: int, made_by: str) -> Mask:
    """A ticket's mask. Raises: UserError when it is not of this network, or has not as many weights as pruning leaves."""
    layers, settings = masks.read_layers(bound.name, bound.target(bound.lottery.dense)), bound.experiment.pruning
    mask = masks.read(found, seed, target=made_by)
    wrong = [name for name, layer in layers.items() if name not in mask or mask[name].shape != layer.shape]
    if not wrong and {*mask} == {*layers}:
        groups = pruning.groups(layers, settings.rates, settings.scope)
        wrong = [name for g in groups if sum(mask.kept[n] for n in g.names) != g.kept(found.round) for name in g.names]
    if wrong or {*mask} != {*layers}:
        file = paths.mask(found.experiment, found.name, seed)
        raise UserError(f"{file} is not what pruning wrote ({', '.join(wrong or mask)}); delete it and run `dvc repro {made_by}`")
    return mask
