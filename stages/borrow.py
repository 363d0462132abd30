"""DVC stage borrow: the masks of another experiment's tickets, for an arm with the option `masks_from` that trains them here."""

from pipeline.files import masks
from pipeline.settings import borrowing, places
from pipeline.transfer.masks import borrowed
from pipeline.values.errors import UserError
from pipeline.values.lanes import TICKET, Item
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    bound = experiment_of(item.experiment)
    bound.lottery.require(item, is_control=False)
    source = borrowing.masks_from(bound.experiment, item.arm)
    if source is None:
        raise UserError(f"arms.{item.arm} of {item.experiment} has no masks_from; the stage `prune` makes its masks")
    found = Item(source, item.round, TICKET)
    masks.write(item, borrowed(bound, found, places.target(found, False).replace("retrain", "prune")))


if __name__ == "__main__":
    run_stage(main)
