"""One script a DVC stage, run as `python -m stages.<name> <item>`; every knob is in params.yaml."""

import sys
from collections.abc import Callable

from pipeline import config
from pipeline.errors import UserError


def experiment_of(name: str) -> config.Experiment:
    """An experiment of params.yaml, whose chain agrees with it. Raises: UserError otherwise."""
    from pipeline import chain  # only checks: no output depends on it

    experiment = config.load().experiment(name)
    chain.check(name, experiment)
    return experiment


def run_stage(main: Callable[[str], None]) -> None:
    """Runs a stage with the item named on the command line. Ends with exit code 1 and one message on bad input."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__globals__['__spec__'].name} <item>, as dvc.yaml has it")
    try:
        main(sys.argv[1])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)
