"""`python -m benchmarks.probe <stage> <item>` runs a stage and appends to the file $PROBE when its lanes trained.

Before each evaluation it adds two lines: `first <time>`, when the iterations before it began, and `last <time>`, when they were
done. The clock is the system's monotonic one, which is the same in every process.
"""

import importlib
import os
import sys
import time
from pathlib import Path

from pipeline.training.trainer import Trainer
from stages import run_stage


def main() -> None:
    path, train = Path(os.environ["PROBE"]), Trainer._to_next_evaluation

    def timed(self: Trainer) -> int:
        begun = time.monotonic()
        done = train(self)
        with path.open("a") as file:
            file.write(f"first {begun}\nlast {time.monotonic()}\n")
        return done

    Trainer._to_next_evaluation = timed  # type: ignore[method-assign]
    stage = importlib.import_module(f"stages.{sys.argv.pop(1)}")
    run_stage(stage.main)


if __name__ == "__main__":
    main()
