"""The database of an MLflow store: a new one is created whole or not at all, and a moved one finds the artifacts beside it."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from pipeline.files.whole import replacing

LOCATIONS = (  # the columns in which MLflow keeps where artifacts are; the first one ends in the name of an experiment
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def file_of(uri: str) -> Path | None:
    """The file of an SQLite database; None for a server, another database, or one in memory."""
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url  # of MLflow; it decodes the path as MLflow does

    path = make_url(uri).database
    return None if path in (None, "", ":memory:") or path.startswith("file:") else Path(path)


def create(path: Path, artifacts: str) -> None:
    """Creates an SQLite database without runs. The caller holds the lock of the store.

    MLflow goes through all its former schemas, and cannot open a database in which it was interrupted. The database is therefore
    made elsewhere, and its name is given to it when it is complete.
    Raises: UserError when the folder cannot be written or the disk is full.
    """
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        temporary.touch()  # before seconds are spent, and because MLflow tries for 100 s to open what it cannot write
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        made = Path(folder, "new.db")
        SqlAlchemyStore(f"sqlite:///{made}", artifacts).engine.dispose()  # type: ignore[no-untyped-call]
        shutil.copyfile(made, temporary)


def runs_of(path: Path) -> set[str]:
    """The ids of all runs, those in MLflow's bin included."""
    with closing(sqlite3.connect(path, timeout=30)) as database:
        return {str(run) for (run,) in database.execute("SELECT run_uuid FROM runs")}


def open_once(uri: str) -> None:
    """Raises: what the driver of a database raises when it cannot be opened; MLflow would be silent and try again for 100 s."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)
    try:
        sqlalchemy.inspect(engine)
    finally:
        engine.dispose()


def adopt_moved_artifacts(path: Path, artifacts: str) -> None:
    """Points a moved or copied database at the artifacts beside it: MLflow keeps absolute locations and cannot change them.

    artifacts: the URI of their folder. An experiment's own folder is in it, under the experiment's first name.
    """
    folder = f"/{artifacts.rpartition('/')[2]}/"
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if LOCATIONS[0][0] not in there:
            return
        locations = [str(location) for (location,) in database.execute("SELECT artifact_location FROM experiments")]
        # The last folder of that name counts, because the repository may itself be in one.
        former = {location.rpartition(folder)[0] + folder for location in locations if folder in location} - {f"{artifacts}/"}
        for prefix in former:
            for table, column in LOCATIONS:
                if table in there:
                    database.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (f"{artifacts}/", len(prefix) + 1, len(prefix), prefix),
                    )
