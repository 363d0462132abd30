"""`python -m pipeline.dag.apply EXPERIMENT`: `dvc exp apply` for a repository in which not every chain has been run.

The locks of all committed chains are in git, so that whoever runs one sees whether the bytes are the same. The outputs of a
chain that was never run here are in no cache. DVC's own command then applies the experiment and fails afterwards, because it
wants to check everything out. The command has no option against this, but DVC's function has one.
"""

import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo


def apply(name: str) -> None:
    """Puts params, results and outputs of a DVC experiment into the workspace. Raises: DvcException when it does not exist."""
    Repo().experiments.apply(name, allow_missing=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pipeline.dag.apply EXPERIMENT, a name that `dvc exp show` lists")
    try:
        apply(sys.argv[1])
    except DvcException as error:
        sys.exit(f"error: {error}")
    print(f"applied {sys.argv[1]}")
