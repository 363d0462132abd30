"""One script for each DVC stage, run as `python -m stages.<name> <item>`; settings are in params.yaml and experiments/*.yaml."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from pipeline.run.bound import Bound


STOPPED = "stopped; the same command goes on from the last checkpoint"


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(STOPPED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # Python is about to import a stage's modules, which takes seconds in which Ctrl-C may come
    sys.excepthook = _tell


def experiment_of(name: str) -> "Bound":
    """An experiment with valid settings, with which its DVC file agrees. Raises: UserError otherwise."""
    from pipeline.dag import written  # no output depends on what is imported here, which only rejects input
    from pipeline.settings import check, config

    bound = check.settings(name, config.load().experiment(name))
    written.agrees(bound)
    return bound


def run_stage(main: Callable[[str], None]) -> None:
    """Runs a stage with the item named on the command line, until its DVC is gone. On bad input it ends with exit code 1 and one
    message.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {main.__globals__['__spec__'].name} <item>, as dvc.yaml has it")
    from pipeline.executors import waiting  # no output depends on it

    try:
        waiting.begin()
        main(sys.argv[1])
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error}")
    except SystemExit as error:  # ours are below: the code of a plug-in must not end a stage as if it had been done
        sys.exit(f"error: something that the stage called ended the process, with sys.exit({error.code!r})")
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(130)
