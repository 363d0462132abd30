"""Train under another arm's masks with something changed, such as the weights (section 2: random reinitialisation) or which
connections the mask keeps (appendix E). The arm's file in pipeline/arms defines the change.
"""

from pipeline.run import runner, setup
from pipeline.values.lanes import Item
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    start = setup.begin(experiment_of(item.experiment))
    start.bound.lottery.require(item, is_control=True)
    runner.train(start, item, setup.tickets(start, item))


if __name__ == "__main__":
    run_stage(main)
