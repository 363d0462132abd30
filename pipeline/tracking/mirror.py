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
from typing import TYPE_CHECKING

from pipeline.files.store import MissingError
from pipeline.settings import places
from pipeline.tracking import connection, examination
from pipeline.tracking.record import Point, Record, claims, curve, report, reported

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
PRUNING = "pruning_key"
FINISHED = "FINISHED"
Progress = Callable[[str], None]


def fill(records: Sequence[Record], progress: Progress, with_reports: bool = True) -> int:
    """Logs the lanes that MLflow does not have yet. The caller holds the lock of the store.

    Returns: how many lanes are new.
    Raises: UserError when the store cannot be used.
    """
    with connection.explained():
        client, new, commit = connection.connect(), 0, checked_out()
        for experiment, group in groupby(records, key=lambda record: record.item.experiment):
            filling = Filling(client, experiment, commit)
            new += filling.lanes(list(group), progress)
            if with_reports:
                filling.reports()
        return new


class Filling:
    """One pass over one experiment, which asks MLflow only once what it has and not once for each lane."""

    def __init__(self, client: "MlflowClient", experiment: str, commit: dict[str, str]) -> None:
        self.client, self.experiment, self.commit = client, experiment, commit
        self.id = connection.experiment_id(client, experiment)
        runs = list(search(client, self.id))
        self.lane_runs = _by_tag("input_key", runs)
        self.done = {key for key, found in self.lane_runs.items() if any(run.info.status == FINISHED for run in found)}
        self.parents = _by_tag("recipe_key", (run for run in runs if "input_key" not in run.data.tags))
        self.sizes: Counter[str] = Counter()  # pruned lanes of each parent run
        self.identities: set[tuple[str, ...]] = set()  # those of all lanes, as `reported` returns them

    def lanes(self, records: list[Record], progress: Progress) -> int:
        """Logs the lanes below their parents. A dense lane belongs to every pruning setting, and is a child of the first one.

        Returns: how many lanes are new.
        """
        new = 0
        self.identities |= {record.identity for record in records}
        for key in dict.fromkeys(record.recipe_key for record in records):
            alike = [record for record in records if record.recipe_key == key]
            dense = [record for record in alike if not record.pruning_key]
            for pruning in dict.fromkeys(record.pruning_key for record in alike if record.pruning_key) or [""]:
                pruned = [record for record in alike if pruning and record.pruning_key == pruning]
                parent = self.parent([*dense, *pruned], pruning)
                self.sizes[parent] += len(pruned)
                new += sum(self.missing(record, parent, progress) for record in [*dense, *pruned])
        return new

    def missing(self, record: Record, parent: str, progress: Progress) -> bool:
        """Logs a lane unless MLflow has it. Returns: whether it is new."""
        if record.input_key in self.done:
            return False
        progress(f"{record.item.experiment}/{record.name}")
        # A process that was killed left these: under the lock nobody else is writing them.
        for run in self.lane_runs.pop(record.input_key, []):
            self.client.delete_run(run.info.run_id)
        logged = self.lane(record, parent)
        if logged:
            self.done.add(record.input_key)
        return logged

    def lane(self, record: Record, parent: str) -> bool:
        """Logs a lane. Returns: whether it could be read to the end; a stage that starts anew deletes its files."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        name, file = record.data
        # This stands in for mlflow.data's own classes, which want the examples and hash them.
        data = Dataset(name, str(record.about["data_digest"])[:36], "local", json.dumps({"uri": file.as_posix()}))
        try:
            with self._run(record.name, record.tags | {PARENT: parent}, record.seconds) as run_id:
                self._log(run_id, record.points, record.params)
                self.client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
                with tempfile.TemporaryDirectory() as folder:
                    for artifact, stored in record.files.items():
                        Path(folder, artifact).symlink_to(stored.resolve(strict=True))
                    self.client.log_artifacts(run_id, folder)
        except (FileNotFoundError, MissingError):
            return False
        return True

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
                self._replace(run, id)
        gone = {run.info.run_id for run in known}
        others = [run for run in self.parents.get(records[0].recipe_key, []) if run.info.run_id not in gone]
        self.parents[records[0].recipe_key] = [*others, self.client.get_run(id)]
        return id

    def _examined(self, records: list[Record]) -> dict[tuple[str, int], float]:
        """What was measured in masks and weights, unless the experiment's table has lanes that are not among these."""
        lanes = reported(self.experiment)
        return examination.points(self.experiment) if lanes and lanes <= {record.identity for record in records} else {}

    def _known_parents(self, recipe_key: str, pruning: str) -> list["Run"]:
        """Finds the parents of a pruning setting; else one that has only dense lanes, which belong to all settings."""
        known = self.parents.get(recipe_key, [])
        return (
            [run for run in known if run.data.tags.get(PRUNING) == pruning]
            or [run for run in known if run.data.tags.get(PRUNING) == ""]
            or ([] if pruning else known[:1])
        )

    def reports(self) -> None:
        """Puts the experiment's tables, figures and verdicts on claims on the parent of most of its lanes.

        Tables of other lanes are left out: after a change the old ones stay until `aggregate` and `plot` have run again.
        """
        digest, files = report(self.experiment)
        if not files or not self.sizes or not self.identities.issuperset(reported(self.experiment)):
            return
        [(id, _)] = self.sizes.most_common(1)
        parent = self.client.get_run(id).data
        new = {key: value for key, value in claims(self.experiment).items() if parent.metrics.get(key) != value}
        self._log(id, [Point(key, 0, value) for key, value in new.items()], {})  # of two at a step MLflow shows the later one
        if parent.tags.get("report_digest") != digest:
            for file in files:
                folder = Path("report", file.parent).as_posix()
                self.client.log_artifact(id, str(places.report(self.experiment) / file), folder)
            self.client.set_tag(id, "report_digest", digest)

    @contextmanager
    def _run(self, name: str, tags: dict[str, str], seconds: float) -> Iterator[str]:
        """Yields a run that is FINISHED when the block ends without an error, KILLED otherwise, and never stays RUNNING."""
        started = int((time.time() - seconds) * 1000)  # MLflow's column "Duration" then shows the training time
        try:
            run_id = str(self.client.create_run(self.id, started, tags | self.commit, name).info.run_id)
            yield run_id
            self.client.set_terminated(run_id, FINISHED)
        except BaseException:
            # The run is found by its tags, because a signal may have come after it was made and before its id was known here.
            key = "input_key" if "input_key" in tags else "recipe_key"
            with suppress(Exception):
                for run in search(self.client, self.id, f"tags.{key} = '{tags[key]}' and attributes.status = 'RUNNING'"):
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

    def _replace(self, old: "Run", new: str) -> None:
        for run in search(self.client, self.id, f"tags.`{PARENT}` = '{old.info.run_id}'"):
            self.client.set_tag(run.info.run_id, PARENT, new)
        self.client.delete_run(old.info.run_id)


def search(client: "MlflowClient", experiment_id: str, query: str = "") -> Iterator["Run"]:
    token = None
    while True:
        page = client.search_runs([experiment_id], query, page_token=token, order_by=["attributes.start_time DESC"])
        yield from page
        token = page.token
        if not token:
            return


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
