"""`python -m stages.diff [REVISION [REVISION]]` says what changed in the settings, and what it did to the results."""

import argparse
import sys

from pipeline.compare import comparison, state, wording
from pipeline.values.errors import UserError


def run() -> str:
    """The page. Ends with exit code 1 and one sentence on bad input."""
    parser = argparse.ArgumentParser(prog="python -m stages.diff", description=__doc__)
    parser.add_argument(
        "before", nargs="?", default="HEAD", help="a revision of git, or a name of `dvc exp show` (default: HEAD)"
    )
    parser.add_argument("after", nargs="?", help="another one (default: the working tree)")
    parser.add_argument("--markdown", action="store_true", help="for the summary of a pull request")
    given = parser.parse_args()
    try:
        with state.of(given.before) as before, state.of(given.after) as after:
            found = comparison.compare(before, after)
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
    return wording.markdown(found) if given.markdown else wording.text(found)


if __name__ == "__main__":
    print(run(), end="")
