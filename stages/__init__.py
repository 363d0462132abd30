"""One script a DVC stage, run as `python -m stages.<name> <item>`; every knob is in params.yaml."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.values.errors import UserError
from pipeline.values.lanes import Item

if TYPE_CHECKING:
    from pipeline.values.experiment import Experiment


def experiment_of(name: str) -> "Experiment":
    """An experiment of params.yaml, whose chain agrees with it. Raises: UserError otherwise."""
    from pipeline import chain
    from pipeline.settings import config

    experiment = config.load().experiment(name)
    chain.check(name, experiment)
    return experiment


def item_of(argument: str) -> Item:
    """The round a stage was asked for. Raises: UserError for what is not one, or is the dense network's."""
    item = Item.parse(argument)
    if not item.round:
        raise UserError(f"{argument} is the dense network; `python -m stages.train_dense {item.experiment}` trains it")
    return item


def run_stage(main: Callable[[str], None]) -> None:
    """Runs a stage with the item named on the command line. Ends with exit code 1 and one message on bad input."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__globals__['__spec__'].name} <item>, as dvc.yaml has it")
    try:
        main(sys.argv[1])
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)
