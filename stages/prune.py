"""Prune the weights of a round's predecessor that score lowest: one mask a replicate (section 2, step 3). NumPy only, unless
the criterion asks for the network.
"""

from pipeline.domain import pruning
from pipeline.files import masks
from pipeline.run import scores
from pipeline.values.lanes import Item
from stages import experiment_of, run_stage


def main(argument: str) -> None:
    item = Item.parse(argument)
    checked = experiment_of(item.experiment)
    checked.lottery.require(item, is_control=False)
    settings, previous = checked.experiment.pruning, checked.lottery.pruned_from(item)
    groups = pruning.groups(masks.read_layers(item.experiment), settings.rates, settings.scope)
    found = {}
    for seed in checked.experiment.seeds:
        mask = masks.read(previous, seed)
        found[seed] = pruning.prune(scores.of(checked, item, seed, mask), mask, groups, item.round)
    masks.write(item, found)


if __name__ == "__main__":
    run_stage(main)
