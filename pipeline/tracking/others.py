"""What other processes leave in MLflow: runs of those that were killed, and runs that two clones logged at once.

A lock keeps all processes of one repository apart, but not two clones that fill one server. Each clone therefore marks its runs,
and looks again when it has logged all lanes. Nobody waits, and the rules of what stays are the same for all: of several finished
runs of a lane the first one, of several finished runs of an arm the one of most lanes, and of these the last one. Whoever looks
last removes the others.
"""

import hashlib
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipeline.tracking import connection
from pipeline.tracking.record import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINISHED = "FINISHED"
PARENT, ARM = "mlflow.parentRunId", "arm_key"
CLONE, BEGUN = "sync.clone", "sync.begun"
LANES = "lanes"  # the number of lanes that the run of an arm is about
PATIENCE = 3600  # seconds after which a run that another clone has begun and not finished is taken for a killed process's
# What a server answers when another clone has deleted a run, or made the same experiment or data set (BAD_REQUEST), meanwhile.
OVERTAKEN = {"INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"}


def marks() -> dict[str, str]:
    """The tags of a run that is being written to a store that other clones may be filling too."""
    return {CLONE: _clone(), BEGUN: str(int(time.time()))} if connection.is_shared() else {}


def is_own(run: "Run") -> bool:
    """Whether a run was made by this clone, or by an older version of the pipeline."""
    return not connection.is_shared() or run.data.tags.get(CLONE, _clone()) == _clone()


def has_more(run: "Run", lanes: int) -> bool:
    """Whether the run of an arm is another clone's, which has more lanes of the arm than this one. Otherwise two clones with
    other seeds would replace each other's runs in every sync.
    """
    return not is_own(run) and lanes_of(run) > lanes


def lanes_of(run: "Run") -> int:
    """Of the run of an arm; 0 in a record that does not say it, as those of older versions."""
    found = run.data.tags.get(LANES, "")
    return int(found) if found.isdecimal() else 0


def is_finished_lane(run: "Run") -> bool:
    return "input_key" in run.data.tags and run.info.status == FINISHED


def is_arm(run: "Run") -> bool:
    return ARM in run.data.tags and "input_key" not in run.data.tags


def is_ours(run: "Run") -> bool:
    """Whether this or an older version of the pipeline made a run, and not the user."""
    return not {"input_key", "recipe_key", ARM}.isdisjoint(run.data.tags)


def search(client: "MlflowClient", experiment: str, query: str = "") -> Iterator["Run"]:
    token = None
    while True:
        page = client.search_runs([experiment], query, page_token=token, order_by=["attributes.start_time DESC"])
        yield from page
        token = page.token
        if not token:
            return


def look(client: "MlflowClient", experiment: str) -> list["Run"]:
    """Deletes the runs that killed processes left, and all but one of the finished runs of a lane.

    The caller holds the lock. Returns: the runs of the experiment that are left, the last one first.
    """
    kept: dict[str, Run] = {}
    left = []
    for run in sorted(search(client, experiment), key=lambda run: (run.info.start_time, run.info.run_id)):
        lane = run.data.tags.get("input_key")
        is_again = lane is not None and run.info.status == FINISHED and kept.setdefault(lane, run) is not run
        if is_again or (is_ours(run) and _is_dead(run)):
            client.delete_run(run.info.run_id)
        else:
            left.append(run)
    return left[::-1]


def settle(client: "MlflowClient", experiment: str, records: Iterable[Record]) -> None:
    """Looks again when all lanes are logged: each arm has one run, and no lane is below one that is gone."""
    arms: dict[str, str] = {}
    for run in sorted(look(client, experiment), key=lanes_of, reverse=True):
        if is_arm(run) and run.info.status == FINISHED:
            stays = arms.setdefault(run.data.tags[ARM], run.info.run_id)
            if stays != run.info.run_id:
                replace(client, experiment, run, stays)
    lanes = {run.data.tags["input_key"]: run for run in search(client, experiment) if is_finished_lane(run)}
    for record in records:
        lane, arm = lanes.get(record.input_key), arms.get(record.arm_key)
        if lane and arm and lane.data.tags.get(PARENT) not in arms.values():
            client.set_tag(lane.info.run_id, PARENT, arm)


def replace(client: "MlflowClient", experiment: str, parent: "Run", by: str) -> None:
    """Moves the lanes of a parent below another one, and deletes it."""
    for run in search(client, experiment, f"tags.`{PARENT}` = '{parent.info.run_id}'"):
        client.set_tag(run.info.run_id, PARENT, by)
    client.delete_run(parent.info.run_id)


def _is_dead(run: "Run") -> bool:
    """Whether a run has no end and nobody is writing it. This clone is not, because the caller holds the lock."""
    if run.info.status != "RUNNING":
        return bool(run.info.status != FINISHED)
    return is_own(run) or float(run.data.tags.get(BEGUN, 0)) < time.time() - PATIENCE


def _clone() -> str:
    """Tells this repository from others, without naming the machine."""
    return hashlib.sha256(f"{socket.gethostname()} {uuid.getnode()} {connection.root()}".encode()).hexdigest()[:12]
