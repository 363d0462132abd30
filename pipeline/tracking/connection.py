"""The MLflow store: where it is, how one process at a time opens it, and what a person is told when it cannot be used."""

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pipeline.tracking import database
from pipeline.values import paths
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlflow-artifacts")
LOG = paths.SCRATCH / "tracking.log"
DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}  # the others that MLflow takes are servers
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
    """What MLflow takes as the address of the store. It may contain a password; `address` does not."""
    path = root() / DATABASE
    # SQLAlchemy decodes %20 and takes ? for the beginning of options; MLflow makes the folder of the path that is not decoded.
    name = os.path.relpath(path) if {"%", "?"} & {*str(path)} else str(path)
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{name}"


def is_server() -> bool:
    return uri().startswith("http")


def is_shared() -> bool:
    """Whether other repositories may be writing to the store although this one holds the lock."""
    return not is_default() and database.file_of(uri()) is None


def artifacts() -> str:
    """The URI of the folder of the artifacts, in the repository's own store."""
    return (root() / ARTIFACTS).as_uri()


def address() -> str:
    """The address of the store without user, password and options, for people to read."""
    before = f"{_credentials()}@" if _credentials() else ""
    return uri().replace(before, "", 1).partition("?")[0]


def without_secrets(text: str) -> str:
    """Removes from a message of others what `address` leaves out, and parts of it, as an address may have been misread."""
    given = [_credentials(), uri().partition("?")[2], *re.split("[:/@]", _credentials())[::-1]]
    given += [os.environ.get(name, "") for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")]
    text = text.replace(uri(), address())
    for secret in given:
        if len(secret) > 2:
            text = text.replace(secret, "***").replace(unquote(secret), "***")
    return text


def _credentials() -> str:
    """What stands before the host; a password may contain any character."""
    found = re.match(r"[^/]*://(.*)@", uri())
    return found[1] if found and not uri().startswith("sqlite") else ""


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
    """The lock under which the store is opened and filled: that of an SQLite file, which several repositories may fill, or, as a
    server cannot be locked, that of this repository.
    """
    file = None if is_default() else database.file_of(uri())
    return file.with_name(f"{file.name}.lock") if file else root() / paths.lock("tracking")


@contextmanager
def explained() -> Iterator[None]:
    """Turns whatever MLflow, its database driver or the network raise into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        what = " ".join(str(error).split("[SQL:")[0].split("(Background on")[0].split()) or type(error).__name__
        if "Max retries exceeded" in what:
            what = "it does not answer"
        repaired = f"repaired, or {DATABASE} is moved away," if is_default() else "repaired,"
        kind = "server" if is_server() else "store"
        raise UserError(
            f"the MLflow {kind} {address()} cannot be used: {without_secrets(what)[:300]}. "
            f"The results are safe in {paths.WORK}/; when the {kind} is {repaired} run `python -m pipeline.tracking sync` again"
        ) from error


def connect() -> "MlflowClient":
    """Opens the store and creates it when it is new. The caller holds the lock."""
    prepare_environment()
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3"):  # what they raise is told in one sentence; they would log it with a traceback
        logging.getLogger(name).setLevel(logging.CRITICAL)
    file = root() / DATABASE if is_default() else database.file_of(uri())
    if file and not file.exists():
        database.create(file, artifacts() if is_default() else "./mlruns")
    elif file and is_default():
        database.adopt_moved_artifacts(file, artifacts())
    if re.split(r"[+:]", uri())[0] in DATABASES:
        database.open_once(uri())
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
