"""The MLflow store: where it is, and how one process at a time opens it, even after the repository has been moved."""

import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.values import paths
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlflow-artifacts")
LOG = paths.SCRATCH / "tracking.log"
LOCATIONS = (  # the columns in which MLflow keeps where artifacts are
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own values, 7 retries of 120 s each, would let a server that hangs hold the terminal for a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def root() -> Path:
    """The root of the user's own repository: `dvc exp run --temp` runs stages in a copy, which it deletes afterwards."""
    return Path(os.environ.get("DVC_ROOT") or ".").resolve()


def is_default() -> bool:
    return not os.environ.get("MLFLOW_TRACKING_URI")


def uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root() / DATABASE}"


def prepare_environment() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a lock file that the system frees when the process dies; yields False when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def lock_path() -> Path:
    """The lock under which the store is opened and filled, because processes that create a sqlite store together corrupt it."""
    return root() / paths.lock("tracking")


@contextmanager
def explained() -> Iterator[None]:
    """Turns whatever MLflow, its database driver or the network raise into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        what = " ".join(str(error).split()) or type(error).__name__
        if "Max retries exceeded" in what:
            what = "it does not answer"
        where = f"the MLflow server {uri()}" if uri().startswith("http") else f"the MLflow store {uri()}"
        message = f"{where} cannot be used: {what[:300]}. The results are safe in work/; when it is mended, run the sync again"
        raise UserError(re.sub(r"//[^/@\s]*@", "//", message)) from error  # a password may stand in the URI


def connect() -> "MlflowClient":
    """Opens the store and creates it when it is new. The caller holds the lock."""
    prepare_environment()
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if is_default():
        adopt_moved_artifacts()
    from mlflow import MlflowClient

    return MlflowClient(uri())


def experiment_id(client: "MlflowClient", name: str) -> str:
    """Finds the MLflow experiment of that name, restores it when it was deleted, or creates it."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = (root() / ARTIFACTS / name).as_uri() if is_default() else None
        return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def adopt_moved_artifacts() -> None:
    """Points a moved or copied store at the artifacts beside it: MLflow keeps absolute locations and cannot change them."""
    path = root() / DATABASE
    if not path.exists():
        return
    here, folder = root().as_uri(), f"/{ARTIFACTS}/"
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, column in LOCATIONS:
            if table in tables:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, instr({column}, ?)) "
                    f"WHERE instr({column}, ?) > 0 AND substr({column}, 1, instr({column}, ?) - 1) != ?",
                    (here, folder, folder, folder, here),
                )
