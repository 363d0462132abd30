"""Runs that an older version of the pipeline logged, with one run for all arms of a recipe and other names of metrics.

Nobody can change a point of MLflow, so such runs cannot become what they would be now. They are set aside whole, under another
name of the experiment, and everything in work/ is logged anew: nothing is lost, and nothing is mixed.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipeline.tracking import connection, others
from pipeline.tracking.others import ARM

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LAYOUT, NOW = "sync.layout", "2"  # the experiment's tag that says that this version began it
SET_ASIDE = "older layout"


def begin(client: "MlflowClient", name: str) -> tuple[str, list["Run"]]:
    """The MLflow experiment of that name, without the runs of an older version that it had before, and its runs."""
    id = connection.experiment_id(client, name)
    runs = others.look(client, id)
    old = [run for run in runs if _is_old(run)]
    if _tag(client, id) == NOW:
        return id, _without(client, old, runs) if old else runs
    if old:
        moved = _free_name(client, name)
        client.rename_experiment(id, moved)
        _say(
            f"MLflow's record of {name} was made by an older version of the pipeline; it is now called {moved!r} there, "
            f"and {name} is logged anew"
        )
        id, runs = connection.experiment_id(client, name), []
    client.set_experiment_tag(id, LAYOUT, NOW)
    return id, runs


def _without(client: "MlflowClient", old: Sequence["Run"], runs: Sequence["Run"]) -> list["Run"]:
    """An older version has been at work in this version's record, such as that of a commit that was checked out meanwhile. Its
    runs above lanes are deleted; of its lanes, `replaced` deletes those that are logged anew.
    """
    for run in old:
        if "input_key" not in run.data.tags:
            client.delete_run(run.info.run_id)
    lanes = [run for run in old if "input_key" in run.data.tags]
    if lanes:
        _say(f"MLflow has {len(lanes)} lanes that an older version of the pipeline has logged meanwhile; they are logged anew "
             "if their files are still there, and otherwise stay as they are")  # fmt: skip
    gone = {run.info.run_id for run in old}
    return [run for run in runs if run.info.run_id not in gone] + list(lanes)


def replaced(client: "MlflowClient", runs: Iterable["Run"], keys: set[str]) -> list["Run"]:
    """Deletes the lanes of an older version whose files are there, so that they are logged anew. keys: those of the files' lanes.

    Returns: the runs that are left.
    """
    left = []
    for run in runs:
        if _is_old(run) and run.data.tags.get("input_key") in keys:
            client.delete_run(run.info.run_id)
        else:
            left.append(run)
    return left


def _is_old(run: "Run") -> bool:
    return others.is_ours(run) and ARM not in run.data.tags and run.info.status == others.FINISHED


def _tag(client: "MlflowClient", id: str) -> str | None:
    found = client.get_experiment(id).tags.get(LAYOUT)
    return None if found is None else str(found)


def _free_name(client: "MlflowClient", name: str) -> str:
    number = 1
    while client.get_experiment_by_name(found := f"{name} ({SET_ASIDE}{f' {number}' if number > 1 else ''})"):
        number += 1
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
