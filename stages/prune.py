"""Prune the lowest-scoring weights of a round's predecessor, with one mask for each replicate (section 2, step 3). The stage
uses NumPy only, unless the criterion or the structure asks for the network.
"""

from pipeline.files import masks
from pipeline.scoring.scores import Scoring
from pipeline.values.lanes import Item
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    bound = experiment_of(item.experiment)
    bound.lottery.require(item, is_control=False)
    scoring = Scoring(bound, item)
    masks.write(item, {seed: scoring.mask(seed) for seed in bound.experiment.seeds})


if __name__ == "__main__":
    run_stage(main)
