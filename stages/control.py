"""Train a ticket's own mask on fresh weights: was it the initialisation that won? (Section 2: random reinitialisation.)"""

from pipeline.domain import networks, seeds
from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.run import runner, setup
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import CONTROLS, Lane
from stages import item_of, run_stage


def main(argument: str) -> None:
    item = item_of(argument)
    start = setup.begin(item.experiment)
    if item.arm not in CONTROLS or item.round not in start.experiment.rounds_of(item.arm):
        raise UserError(f"{paths.PARAMS}: experiments.{item.experiment}.arms has no control {item.name}")
    draws = getattr(start.experiment.arms, item.arm).draws
    tickets = {}
    for seed in start.experiment.seeds:
        mask = store.read_mask(paths.masks(item.experiment, item.masked.name) / f"seed{seed}.safetensors")
        for draw in range(1, draws + 1):
            fresh = networks.glorot_normal(start.module, seeds.derive(seed, "control", item.name, draw))
            tickets[Lane(item, seed, draw)] = ticket(mask, fresh)
    runner.train(start, item, tickets)


if __name__ == "__main__":
    run_stage(main)
