"""Rewind the surviving weights to their early values and train them again: a round's tickets (section 2, step 4). Every
other arm with pruned masks of its own is trained here too, from the weights that its file in pipeline/arms defines.
"""

from pipeline.run import runner, setup
from pipeline.values.lanes import Item
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    start = setup.begin(experiment_of(item.experiment))
    start.bound.lottery.require(item, is_control=False)
    runner.train(start, item, setup.tickets(start, item))


if __name__ == "__main__":
    run_stage(main)
