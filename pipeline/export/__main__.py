"""`python -m pipeline.export lenet r07 --seed 1 --to FOLDER` exports a trained lane: its mask, the weights at which its training
began and ended, the trained network, and a card. With `--register`, MLflow's registry gets the network as `lenet-ticket`.
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

from pipeline.export import folder, network
from pipeline.export.chosen import choose
from pipeline.values.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.export", description=__doc__)
    parser.add_argument("experiment", help="such as lenet")
    parser.add_argument("item", help="such as r07 or reinit_r07; r00 is the dense network")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--draw", type=int, help="needed only if the item's arm is drawn several times")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new or an empty folder")
    parser.add_argument(
        "--network",
        choices=get_args(folder.Formats),
        default="onnx",
        help="the formats of the network: onnx (ONNX and a program of torch.export), pytorch (the program only) or none",
    )
    parser.add_argument(
        "--register", action="store_true", help="add the network to MLflow's registry, unless it is already there"
    )
    given = parser.parse_args(arguments)
    try:
        _export(given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nthe export was stopped", file=sys.stderr)
        return 130
    return 0


def _export(given: argparse.Namespace) -> None:
    if given.register and given.network != "onnx":
        raise UserError(f"--register needs the network as ONNX, so --network {given.network} should be left out")
    to = given.to.expanduser().resolve()
    folder.require_free(to)
    if given.network == "onnx":
        network.require_onnx()
    chosen = choose(given.experiment, given.item, given.seed, given.draw)
    agreement = folder.write(chosen, to, given.network)
    reached = f"{chosen.setup.task.metric.name} {agreement.metric:.6g} on the test set"
    print(f"{given.to} contains {chosen.name}: {chosen.mask.density:.2%} of the weights, {reached}")
    if given.register:
        from pipeline.tracking import registry

        inputs = folder.few(chosen.setup.bundle)
        outputs = network.OnnxNetwork(to / folder.ONNX)(inputs)
        version = registry.register(chosen.record, to / folder.ONNX, inputs, outputs)
        state = "was added to" if version.is_new else "was already in"
        print(f"version {version.number} of {version.name} {state} MLflow's registry")


if __name__ == "__main__":
    sys.exit(main())
