"""What MLflow is told of an experiment's tables, figures and verdicts."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.claims import verdicts
from pipeline.files import store
from pipeline.files.store import DamagedError
from pipeline.settings import places

# The columns by which a lane of a report's table is recognised among those in work/.
IDENTITY = ("round", "arm", "seed", "draw", "early_stop_iteration", "validation_loss_at_early_stop")
EFFECT = ".effect"
VERDICTS = {"holds": 1, "undecided": 0, "does not hold": -1}  # as metrics, of claims that were tested


def report(experiment: str) -> tuple[str, list[Path]]:
    """Finds the tables and figures of an experiment.

    Returns: a digest of their content, and their paths relative to the experiment's folder in reports/.
    """
    folder, digest = places.report(experiment), hashlib.sha256()
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".csv", ".svg", ".png"))
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest(), [file.relative_to(folder) for file in files]


def reported(experiment: str) -> set[tuple[str, ...]]:
    """Reads the lanes of an experiment's table, each as its cells in the columns of IDENTITY. A table that cannot be read has one
    that is no lane's, so that it is not taken for a table of the lanes in work/.
    """
    path = places.rounds(experiment)
    if not path.is_file():
        return set()
    try:
        rows = store.read_csv(path, f"{places.chain(experiment)}:aggregate")
    except DamagedError as error:
        warn([error])
        return {()}
    return {tuple(row.get(column) or "" for column in IDENTITY) for row in rows}


def claims(experiment: str) -> dict[str, float]:
    """The claims that were tested in an experiment, by the report that comes first: `verdict.<id>` is 1 if the claim holds, -1 if
    it does not hold and 0 if it is undecided, and `verdict.<id>.effect` is the effect.

    MLflow shows charts in the order of their names, and those with a slash before all others: these come after the arms' curves.
    """
    found: dict[str, float] = {}
    further = sorted(path.parent.name for path in places.REPORTS.glob(f"*/{places.ledger().name}"))
    for report in [places.MAIN, *further] if places.ledger().is_file() else further:
        try:
            rows = verdicts.rows(report)
        except DamagedError as error:
            warn([error])
            continue
        for key, row in rows.items():
            name, _, where = key.partition("/")
            verdict, effect = str(row["verdict"]), row.get("effect")
            if where == experiment and verdict in VERDICTS and isinstance(effect, float | int):
                found = {f"verdict.{name}": float(VERDICTS[verdict]), f"verdict.{name}{EFFECT}": float(effect)} | found
    return found


def warn(damaged: Sequence[DamagedError]) -> None:
    """What cannot be read does not keep MLflow from being told of the rest."""
    if damaged:
        more = f" ({len(damaged) - 1} more damaged)" if len(damaged) > 1 else ""
        print(f"warning: {damaged[0]}{more}", file=sys.stderr)
