"""MLflow mirrors what the files record. Nothing here is an input or an output of a stage.

A stage calls `start_sync` when its outputs are in place, and goes on. The mirror is a process of its own, so that a slow
or absent tracker never delays training. `python -m pipeline.tracking sync` fills the store from all files at any time.

Environment:
    MLFLOW_TRACKING_URI     names another store than mlflow.db and mlflow-artifacts/ in the root of the repository
    LOTTERY_TRACKING=off    switches the mirror in the background off, for tests and benchmarks

Only this package imports mlflow, which takes 2.5 s, and only when it is about to use it.
"""

import os
import subprocess
import sys

from pipeline.tracking import connection


def start_sync(experiment: str) -> None:
    """Starts `python -m pipeline.tracking sync --background <experiment>` and returns at once. Never raises."""
    if os.environ.get("LOTTERY_TRACKING", "").lower() == "off":
        return
    try:
        log = connection.root() / connection.LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.tracking", "sync", "--background", experiment],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal stops training, not the record of what is trained
            )
        process.returncode = 0  # Popen would warn of a process that outlives this one
    except OSError as error:
        print(f"MLflow is not filled ({error}); `python -m pipeline.tracking sync` does it later", file=sys.stderr)
