"""Prune the lowest-scoring weights of a round's predecessor, with one mask for each replicate (section 2, step 3). The stage
uses NumPy only, unless the criterion asks for the network.
"""

from pipeline.domain import pruning
from pipeline.files import masks
from pipeline.scoring.scores import Scoring, prune
from pipeline.values.lanes import Item
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    bound = experiment_of(item.experiment)
    bound.lottery.require(item, is_control=False)
    settings, previous = bound.experiment.pruning, bound.lottery.pruned_from(item)
    layers = masks.read_layers(item.experiment)
    groups = pruning.groups(layers, settings.rates, settings.scope)
    scoring, criterion, found = Scoring(bound, item), bound.criteria[item.arm], {}
    for seed in bound.experiment.seeds:
        mask = masks.read(previous, seed, layers)
        found[seed] = prune(criterion, scoring.offers(seed, mask), mask, groups, item.round)
    masks.write(item, found)


if __name__ == "__main__":
    run_stage(main)
