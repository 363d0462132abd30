"""Train the dense network from fresh weights: round 0 of every replicate (section 2, steps 1 and 2)."""

from dataclasses import asdict

from pipeline.domain import networks, seeds
from pipeline.domain.masks import Mask
from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.run import runner, setup
from pipeline.values import paths
from pipeline.values.lanes import Item
from stages import run_stage


def main(name: str) -> None:
    start = setup.begin(name)
    item = Item(start.name, 0, "ticket")
    layers = networks.layers(start.module)
    store.write_json(paths.layers(start.name), {weight: asdict(layer) for weight, layer in layers.items()})
    mask = Mask.full({weight: layer.shape for weight, layer in layers.items()})
    tickets = {}
    for lane in start.experiment.lanes(item):
        store.write_mask(paths.masks(start.name, item.name) / f"{lane.name}.safetensors", mask)
        fresh = networks.glorot_normal(start.module, seeds.derive(lane.seed, "init"))
        tickets[lane] = ticket(mask, fresh)
    runner.train(start, item, tickets, keep=start.origin)


if __name__ == "__main__":
    run_stage(main)
