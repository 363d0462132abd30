"""Lanes as MLflow runs: each arm of each recipe has a run, each lane has one below its arm's, and no run is there twice."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from pipeline.executors import checkout
from pipeline.executors.checkout import Checkout
from pipeline.files.store import DamagedError, MissingError
from pipeline.tracking import artifacts, changed, connection, describe, older, others, runs
from pipeline.tracking.above import Above
from pipeline.tracking.arms import grouped
from pipeline.tracking.others import PARENT
from pipeline.tracking.record import Record
from pipeline.tracking.runs import Span
from pipeline.tracking.tables import warn
from pipeline.tracking.training import COMMIT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from pipeline.values.experiment import Experiment

TRIES = 3  # of an experiment, when other clones log the same experiment to the same server
Progress = Callable[[str], None]


class Filled(NamedTuple):
    """How many lanes are new, had lost their artifacts and have them again, and could not be read to the end."""

    new: int
    mended: int
    left_out: int


def fill(records: Sequence[Record], progress: Progress, item: str = "") -> Filled:
    """Logs the lanes that MLflow does not have yet. The caller holds the lock of the store.

    records: all lanes of each experiment that is to be filled. item: the only one whose lanes are logged, if there is one.
    Raises: UserError when the store cannot be used.
    """
    with connection.explained():
        client, count, committed = connection.connect(), Counter[str](), changed.committed(connection.root())
        code = checkout.now()
        for experiment, group in groupby(records, key=lambda record: record.item.experiment):
            _fill(Filling(client, experiment, committed.get(experiment), code, count), list(group), progress, item)
        return Filled(count["new"], count["mended"], count["left_out"])


def _fill(filling: "Filling", records: list[Record], progress: Progress, item: str) -> None:
    """Fills one experiment, again from the beginning when another clone has deleted what was being written: nothing is twice."""
    from mlflow.exceptions import MlflowException

    left_out = filling.count["left_out"]
    for left in reversed(range(TRIES)):
        try:
            filling.count["left_out"] = left_out
            filling.begin(records)
            filling.lanes(records, progress, item)
            filling.above.reports()
            if connection.is_shared():
                others.settle(filling.client, filling.id, records)
            return
        except MlflowException as error:
            if not left or error.error_code not in others.OVERTAKEN:
                raise


class Filling:
    """One pass over one experiment, which asks MLflow only once what it has and not once for each lane."""

    def __init__(
        self, client: "MlflowClient", experiment: str, committed: "Experiment | None", code: Checkout, count: Counter[str]
    ) -> None:
        self.client, self.experiment, self.committed, self.count = client, experiment, committed, count
        # Of lanes whose training noted none, such as those from a cache: with this commit, DVC gives the same files.
        self.code = {COMMIT: code["commit"], "commit.of": "the sync"} if code else {}

    def begin(self, records: Sequence[Record]) -> None:
        self.now = int(time.time() * 1000)
        self.id, found = older.begin(self.client, self.experiment)
        found = older.replaced(self.client, found, {record.input_key for record in records})
        # The lanes that MLflow has, and their runs unless they have just been logged.
        self.done: dict[str, Run | None] = {run.data.tags["input_key"]: run for run in found if others.is_finished_lane(run)}
        self.above = Above(self.client, self.id, self.committed, self.now, found, grouped(records))

    def lanes(self, records: Sequence[Record], progress: Progress, item: str) -> None:
        """Logs the lanes below the runs of their arms."""
        for arm in self.above.arms:
            lanes = [record for record in arm.records if item in ("", record.item.name)]
            parent = self.above.log(arm) if lanes else ""
            for record in lanes:
                self.missing(record, parent, progress)

    def missing(self, record: Record, parent: str, progress: Progress) -> None:
        """Logs a lane, or only its artifacts, unless MLflow has it. A stage that starts anew may delete the files meanwhile."""
        run = self.done.get(record.input_key)
        if record.input_key in self.done and (run is None or not artifacts.lacks(run, record.files)):
            if run is not None:
                artifacts.link_again(run, record.files)
            return
        progress(f"{record.item.experiment}/{record.name}")
        try:
            if run:
                artifacts.put(self.client, run, record.files)
            else:
                self.lane(record, parent)
        except (FileNotFoundError, MissingError, DamagedError) as error:
            if record.complete and not isinstance(error, DamagedError):  # it is no file of the lane that is missing
                raise
            if isinstance(error, DamagedError):
                warn([error])
            self.count["left_out"] += 1
        else:
            self.count["mended" if run else "new"] += 1
            self.done[record.input_key] = None

    def lane(self, record: Record, parent: str) -> None:
        """Logs a lane. Raises: MissingError, DamagedError or FileNotFoundError when it cannot be read to the end."""
        points, span = record.points, Span(*record.training.span(self.now))
        other = changed.differences(self.committed, record.about["config"], record.item.arm)
        tags = self.code | record.tags | runs.told(other, describe.of_lane(record, other), record.stage) | {PARENT: parent}
        with runs.begun(self.client, self.id, changed.named(record.name, other), tags, span) as run:
            runs.log(self.client, run.info.run_id, points, record.params, span, {})
            runs.log_data(self.client, run.info.run_id, *record.data, str(record.about["data_digest"]))
            artifacts.put(self.client, run, record.files)
