"""Lanes as MLflow runs: each recipe and pruning setting has one parent run, each lane has one child run, and no run twice."""

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.files.store import DamagedError, MissingError
from pipeline.settings import places
from pipeline.tracking import connection, examination, others
from pipeline.tracking.others import FINISHED, PARENT, PRUNING
from pipeline.tracking.record import Point, Record, curve
from pipeline.tracking.tables import claims, report, reported, warn

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRIES = 3  # of an experiment, when other clones log the same experiment to the same server
Progress = Callable[[str], None]


class Filled(NamedTuple):
    """How many lanes are new, had lost their artifacts and have them again, and could not be read to the end."""

    new: int
    mended: int
    left_out: int


def fill(records: Sequence[Record], progress: Progress, with_reports: bool = True) -> Filled:
    """Logs the lanes that MLflow does not have yet. The caller holds the lock of the store.

    Raises: UserError when the store cannot be used.
    """
    with connection.explained():
        client, commit, count = connection.connect(), checked_out(), Counter[str]()
        for experiment, group in groupby(records, key=lambda record: record.item.experiment):
            _fill(Filling(client, experiment, commit, count), list(group), progress, with_reports)
        return Filled(*(count[field] for field in Filled._fields))


def _fill(filling: "Filling", records: list[Record], progress: Progress, with_reports: bool) -> None:
    """Fills one experiment, again from the beginning when another clone has deleted what was being written: nothing is twice."""
    from mlflow.exceptions import MlflowException

    left_out = filling.count["left_out"]
    for left in reversed(range(TRIES)):
        try:
            filling.count["left_out"] = left_out
            filling.begin()
            filling.lanes(records, progress)
            if with_reports:
                filling.reports()
            if connection.is_shared():
                others.settle(filling.client, filling.id, records)
            return
        except MlflowException as error:
            if not left or error.error_code not in others.OVERTAKEN:
                raise


class Filling:
    """One pass over one experiment, which asks MLflow only once what it has and not once for each lane."""

    def __init__(self, client: "MlflowClient", experiment: str, commit: dict[str, str], count: Counter[str]) -> None:
        self.client, self.experiment, self.commit, self.count = client, experiment, commit, count

    def begin(self) -> None:
        self.id = connection.experiment_id(self.client, self.experiment)
        runs = others.look(self.client, self.id)
        # The lanes that MLflow has, and their runs unless they have just been logged.
        self.done: dict[str, Run | None] = {run.data.tags["input_key"]: run for run in runs if others.is_finished_lane(run)}
        self.parents = _by_tag("recipe_key", (run for run in runs if "input_key" not in run.data.tags))
        self.sizes: Counter[str] = Counter()  # pruned lanes of each parent run
        self.identities: set[tuple[str, ...]] = set()  # those of all lanes, as `reported` returns them

    def lanes(self, records: list[Record], progress: Progress) -> None:
        """Logs the lanes below their parents. A dense lane belongs to every pruning setting, and is a child of the first one."""
        self.identities |= {record.identity for record in records}
        for key in dict.fromkeys(record.recipe_key for record in records):
            alike = [record for record in records if record.recipe_key == key]
            dense = [record for record in alike if not record.pruning_key]
            for pruning in dict.fromkeys(record.pruning_key for record in alike if record.pruning_key) or [""]:
                pruned = [record for record in alike if pruning and record.pruning_key == pruning]
                parent = self.parent([*dense, *pruned], pruning)
                self.sizes[parent] += len(pruned)
                for record in [*dense, *pruned]:
                    self.missing(record, parent, progress)

    def missing(self, record: Record, parent: str, progress: Progress) -> None:
        """Logs a lane, or only its artifacts, unless MLflow has it. A stage that starts anew may delete the files meanwhile."""
        run = self.done.get(record.input_key)
        if record.input_key in self.done and (run is None or not lacks(run, record.files)):
            return
        progress(f"{record.item.experiment}/{record.name}")
        try:
            if run:
                self.upload(run.info.run_id, record)
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
        from mlflow.entities import Dataset, DatasetInput, InputTag

        points, (name, file) = record.points, record.data
        # This stands in for mlflow.data's own classes, which want the examples and hash them.
        data = Dataset(name, str(record.about["data_digest"])[:36], "local", json.dumps({"uri": file.as_posix()}))
        with self._run(record.name, record.tags | {PARENT: parent}, record.seconds) as run_id:
            self._log(run_id, points, record.params)
            self.client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
            self.upload(run_id, record)

    def upload(self, run_id: str, record: Record) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for artifact, stored in record.files.items():
                Path(folder, artifact).symlink_to(stored.resolve(strict=True))
            self.client.log_artifacts(run_id, folder)

    def parent(self, records: list[Record], pruning: str) -> str:
        """Makes or completes the parent run of these lanes, which has their means at each round.

        MLflow cannot change a point. When a point differs, for example because a lane was missing, a new parent replaces the old
        one and takes over its other points and its lanes.
        Returns: the id of the parent's run.
        """
        known = self._known_parents(records[0].recipe_key, pruning)
        parent = next((run for run in known if run.info.status == FINISHED), None)
        have = self._curve(parent) if parent else {}
        want = curve(records) | self._examined(records)
        params = dict(item for record in records for item in record.parent_params.items())
        # They are compared as text, because a NaN is not equal to itself.
        if parent is None or any(str(have.get(place, value)) != str(value) for place, value in want.items()):
            with self._run(self.experiment, records[0].recipe_tags | {PRUNING: pruning}, 0) as id:
                self._log(id, [Point(*place, value) for place, value in (have | want).items()], params)
        else:
            id = str(parent.info.run_id)
            points = [Point(*place, value) for place, value in want.items() if place not in have]
            self._log(id, points, {key: value for key, value in params.items() if key not in parent.data.params})
            if pruning and parent.data.tags.get(PRUNING) != pruning:
                self.client.set_tag(id, PRUNING, pruning)
        for run in known:
            if run.info.run_id != id:
                others.replace(self.client, self.id, run, id)
        gone = {run.info.run_id for run in known}
        rest = [run for run in self.parents.get(records[0].recipe_key, []) if run.info.run_id not in gone]
        self.parents[records[0].recipe_key] = [*rest, self.client.get_run(id)]
        return id

    def _examined(self, records: list[Record]) -> dict[tuple[str, int], float]:
        """What was measured in masks and weights, unless the experiment's table has lanes that are not among these."""
        lanes = reported(self.experiment)
        return examination.points(self.experiment) if lanes and lanes <= {record.identity for record in records} else {}

    def _known_parents(self, recipe_key: str, pruning: str) -> list["Run"]:
        """Finds the parents of a pruning setting, then those that have only dense lanes, which belong to all settings."""
        known = self.parents.get(recipe_key, [])
        found = [run for key in dict.fromkeys((pruning, "")) for run in known if run.data.tags.get(PRUNING) == key]
        return found or ([] if pruning else known[:1])

    def reports(self) -> None:
        """Puts the experiment's tables, figures and verdicts on claims on the parent of most of its lanes.

        Tables of other lanes are left out: after a change the old ones stay until `aggregate` and `plot` have run again.
        """
        digest, files = report(self.experiment)
        if not files or not self.sizes or not self.identities.issuperset(reported(self.experiment)):
            return
        [(id, _)] = self.sizes.most_common(1)
        run = self.client.get_run(id)
        parent = run.data
        new = {key: value for key, value in claims(self.experiment).items() if parent.metrics.get(key) != value}
        self._log(id, [Point(key, 0, value) for key, value in new.items()], {})  # of two at a step MLflow shows the later one
        if parent.tags.get("report_digest") != digest or lacks(run, (Path("report", file) for file in files)):
            for file in files:
                folder = Path("report", file.parent).as_posix()
                self.client.log_artifact(id, str(places.report(self.experiment) / file), folder)
            self.client.set_tag(id, "report_digest", digest)

    @contextmanager
    def _run(self, name: str, tags: dict[str, str], seconds: float) -> Iterator[str]:
        """Yields a run that is FINISHED when the block ends without an error, KILLED otherwise, and never stays RUNNING."""
        started = int((time.time() - seconds) * 1000)  # MLflow's column "Duration" then shows the training time
        try:
            run_id = str(self.client.create_run(self.id, started, tags | self.commit | others.marks(), name).info.run_id)
            yield run_id
            self.client.set_terminated(run_id, FINISHED)
        except BaseException:
            # The run is found by its tags, because a signal may have come after it was made and before its id was known here.
            key = "input_key" if "input_key" in tags else "recipe_key"
            with suppress(Exception):
                for run in others.search(self.client, self.id, f"tags.{key} = '{tags[key]}' and attributes.status = 'RUNNING'"):
                    if others.is_own(run):
                        self.client.set_terminated(run.info.run_id, "KILLED")
            raise

    def _log(self, run_id: str, points: Iterable[Point], params: dict[str, str]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [Metric(point.key, point.value, now, point.step) for point in points]
        if metrics or params:
            self.client.log_batch(run_id, metrics, [Param(key, value) for key, value in params.items()])

    def _curve(self, parent: "Run") -> dict[tuple[str, int], float]:
        histories = [self.client.get_metric_history(parent.info.run_id, key) for key in parent.data.metrics]
        return {(metric.key, metric.step): metric.value for history in histories for metric in history}


def lacks(run: "Run", artifacts: Iterable[Path | str]) -> bool:
    """Whether somebody has deleted artifacts of a run from this machine; a server is not asked, as that takes long."""
    if connection.is_server():
        return False
    folder = Path(url2pathname(urlsplit(run.info.artifact_uri).path))
    return not all((folder / artifact).exists() for artifact in artifacts)


def _by_tag(tag: str, runs: Iterable["Run"]) -> dict[str, list["Run"]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        if tag in run.data.tags:
            found.setdefault(run.data.tags[tag], []).append(run)
    return found


def checked_out() -> dict[str, str]:
    """Finds the commit that is checked out while the run is logged; outside git there is none."""
    with suppress(OSError):
        done = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return {"git.commit": done.stdout.strip()}
    return {}
