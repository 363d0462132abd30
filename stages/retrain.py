"""Rewind what survives to its early weights and train it again: a round's tickets (section 2, step 4)."""

from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.run import runner, setup
from pipeline.values import paths
from pipeline.values.lanes import Lane
from stages import item_of, run_stage


def main(argument: str) -> None:
    item = item_of(argument)
    start = setup.begin(item.experiment)
    tickets = {}
    for seed in start.experiment.seeds:
        mask = store.read_mask(paths.masks(item.experiment, item.name) / f"seed{seed}.safetensors")
        early = store.read_arrays(paths.lanes(item.experiment, "r00") / f"seed{seed}" / "rewind.safetensors")
        tickets[Lane(item, seed)] = ticket(mask, early, start.origin)
    runner.train(start, item, tickets)


if __name__ == "__main__":
    run_stage(main)
