"""DVC stage borrow: the masks of another experiment's tickets, for an arm with the option `masks_from` that trains them here."""

from pipeline.domain import pruning
from pipeline.domain.masks import Mask
from pipeline.files import masks
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.settings import borrowing, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import DENSE, TICKET, Item, Lane
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    bound = experiment_of(item.experiment)
    bound.lottery.require(item, is_control=False)
    source = borrowing.masks_from(bound.experiment, item.arm)
    if source is None:
        raise UserError(f"arms.{item.arm} of {item.experiment} has no masks_from; the stage `prune` makes its masks")
    if masks.read_layers(item.experiment) != masks.read_layers(source):
        raise UserError(
            f"the networks of {item.experiment} and {source} differ, so that a mask of one does not fit the other; both "
            "should have the same model"
        )
    for seed in bound.experiment.seeds:
        dense = (Item(name, 0, DENSE) for name in (item.experiment, source))
        mine, theirs = (LaneFiles.of(Lane(network, seed)).weights("start") for network in dense)
        if [name for name in mine if name not in theirs or mine[name].tobytes() != theirs[name].tobytes()]:
            raise UserError(
                f"the initial weights of seed {seed} in {item.experiment} and {source} differ, so that a ticket of one is not a "
                "ticket of the other; both should have the same model, init and shape of inputs"
            )
    found = {seed: _mask(bound, Item(source, item.round, TICKET), seed) for seed in bound.experiment.seeds}
    masks.write(item, found)


def _mask(bound: Bound, found: Item, seed: int) -> Mask:
    """A ticket's mask. Raises: UserError when it is not of this network, or has not as many weights as pruning leaves."""
    layers, settings = masks.read_layers(bound.name), bound.experiment.pruning
    mask = masks.read(found, seed)
    wrong = [name for name, layer in layers.items() if name not in mask or mask[name].shape != layer.shape]
    if not wrong and {*mask} == {*layers}:
        groups = pruning.groups(layers, settings.rates, settings.scope)
        wrong = [name for g in groups if sum(mask.kept[n] for n in g.names) != g.kept(found.round) for name in g.names]
    if wrong or {*mask} != {*layers}:
        file, target = paths.mask(found.experiment, found.name, seed), places.target(found, False).replace("retrain", "prune")
        raise UserError(f"{file} is not what pruning wrote ({', '.join(wrong or mask)}); delete it and run `dvc repro {target}`")
    return mask


if __name__ == "__main__":
    run_stage(main)
