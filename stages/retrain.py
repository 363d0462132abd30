"""Rewind what survives to its early weights and train it again: a round's tickets (section 2, step 4). The arms that go
on from trained weights instead are made here too.
"""

from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.run import runner, setup
from pipeline.values import paths
from stages import item_of, run_stage


def main(argument: str) -> None:
    item = item_of(argument)
    start = setup.begin(item.experiment)
    tickets = {}
    for lane in start.experiment.lanes(item):
        mask = store.read_mask(paths.masks(item.experiment, item.name) / f"{lane.name}.safetensors")
        tickets[lane] = ticket(mask, setup.start_of(lane), start.origin)
    runner.train(start, item, tickets)


if __name__ == "__main__":
    run_stage(main)
