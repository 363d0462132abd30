"""One script a DVC stage, run as `python -m stages.<name> <item>`; every knob is in params.yaml."""

import sys
from collections.abc import Callable

from pipeline.errors import UserError


def run_stage(main: Callable[[str], None]) -> None:
    """Runs a stage with the item named on the command line. Ends with exit code 1 and one message on bad input."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__globals__['__spec__'].name} <item>, as dvc.yaml has it")
    try:
        main(sys.argv[1])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
