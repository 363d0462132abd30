"""`make torture` prints the table of docs/reliability.md: every fault, how often it was tried, and what happened.

The first wrong result ends it with a sentence that names the case, from which the module's own command repeats it.
"""

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.torture import Row, rows_of

# Modules side by side, one group after the other. The first tries two clones at once by itself.
GROUPS = ({"kills": 200}, {"files": 100_000, "settings": 10_000}, {"tracker": 20, "together": 3})
SEED = 1


def table(found: list[Row]) -> str:
    lines = [f"| {row.fault} | {row.tries:,} | {row.outcome} | `{row.command}` |" for row in found]
    return "\n".join(["| fault | tries | what happened | command |", "|---|---:|---|---|", *lines])


def main() -> int:
    found: list[Row] = []
    since = time.monotonic()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for group in GROUPS:
            print(f"{' and '.join(group)} …", file=sys.stderr, flush=True)
            for done in [pool.submit(rows_of, *task, SEED) for task in group.items()]:
                try:
                    found += done.result()
                except AssertionError as error:
                    print(f"error: {error}", file=sys.stderr)
                    return 1
    print(table(found))
    print(f"\nAll of it took {(time.monotonic() - since) / 60:.0f} minutes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
