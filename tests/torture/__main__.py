"""`make torture` prints the table of docs/reliability.md: every fault, how often it was tried, and what happened.

A wrong result is told in a sentence that names the case, from which the module's own command repeats it. The other modules go
on, and what they found is printed.
"""

import multiprocessing
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.torture import Row, end_with_the_parent, timed

COUNTS = {"kills": 200, "files": 100_000, "together": 1, "settings": 10_000, "tracker": 10}
# That of the mirror into MLflow, which would otherwise wait for all the rest. What takes longest goes first whenever it can.
NICENESS, NICENESS_OF = 19, {"kills": 15}
SEED = 1


HEAD = ["| fault | tries | what happened | command |", "|---|---:|---|---|"]


def line(row: Row) -> str:
    return f"| {row.fault} | {row.tries:,} | {row.outcome} | `{row.command}` |"


def main() -> int:
    failed, since = 0, time.monotonic()
    print(*HEAD, sep="\n", flush=True)
    with ProcessPoolExecutor(len(COUNTS), multiprocessing.get_context("spawn"), end_with_the_parent) as pool:
        tries = {
            pool.submit(timed, module, count, SEED, NICENESS_OF.get(module, NICENESS)): module for module, count in COUNTS.items()
        }
        for done in as_completed(tries):
            work = ""
            try:
                found, seconds = done.result()
                print(*map(line, found), sep="\n", flush=True)
                work = f" and {seconds / 60:.0f} of processor time"
            except Exception as error:  # a trial that is itself broken must not take the others' rows with it
                failed += 1
                told = error if isinstance(error, AssertionError) else "".join(traceback.format_exception(error))
                print(f"error: {tries[done]}: {told}", file=sys.stderr, flush=True)
            took = (time.monotonic() - since) / 60
            print(f"{tries[done]} ended after {took:.0f} minutes{work}", file=sys.stderr, flush=True)
    print(f"\nAll of it took {took:.0f} minutes.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
