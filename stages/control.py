"""Train under another arm's masks, with something of the ticket changed: its weights (section 2: random
reinitialisation), or which connections the mask keeps (appendix E).
"""

from pipeline.domain import networks, seeds
from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.run import runner, setup
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import ARMS
from stages import item_of, run_stage


def main(argument: str) -> None:
    item = item_of(argument)
    start = setup.begin(item.experiment)
    arm = ARMS[item.arm]
    if not arm.is_control or item.round not in start.experiment.rounds_of(item.arm):
        raise UserError(f"{paths.PARAMS}: experiments.{item.experiment}.arms has no control {item.name}")
    tickets = {}
    for lane in start.experiment.lanes(item):
        mask = store.read_mask(paths.masks(item.experiment, item.masked.name) / f"seed{lane.seed}.safetensors")
        drawn = seeds.derive(lane.seed, "control", item.name, lane.draw or 0)
        if arm.masks == "random":
            mask = mask.scattered(drawn)
        elif arm.masks == "shuffled":
            mask = mask.shuffled(drawn)
        if arm.start == "fresh":
            tickets[lane] = ticket(mask, networks.glorot_normal(start.module, drawn))
        else:
            tickets[lane] = ticket(mask, setup.start_of(lane), start.origin)
    runner.train(start, item, tickets)


if __name__ == "__main__":
    run_stage(main)
