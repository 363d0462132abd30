"""The runs above lanes, one for each arm, and what is told of an experiment as a whole."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings import places
from pipeline.tracking import artifacts, changed, describe, examination, others, runs, view
from pipeline.tracking.arms import Arm, Curve, main_of
from pipeline.tracking.others import ARM, FINISHED
from pipeline.tracking.runs import NOTE, Span
from pipeline.tracking.tables import claims, report, reported
from pipeline.tracking.training import Point
from pipeline.values.lanes import TICKET

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from pipeline.values.experiment import Experiment

DIGEST = "digest"  # the tag that tells whether a run has all that it should have


class Above:
    """found: the runs that MLflow has. arms: those of all lanes of the experiment."""

    def __init__(
        self,
        client: "MlflowClient",
        id: str,
        committed: "Experiment | None",
        now: int,
        found: Sequence["Run"],
        arms: Sequence[Arm],
    ) -> None:
        self.client, self.id, self.now, self.arms = client, id, now, arms
        self.changed = {arm.key: changed.differences(committed, arm.first.about["config"], arm.name) for arm in arms}
        self.runs: dict[str, list[Run]] = {}
        for run in found:
            if others.is_arm(run):
                self.runs.setdefault(run.data.tags[ARM], []).append(run)
        self.left: set[str] = set()  # the arms of which another clone has more lanes
        self.identities = {record.identity for arm in arms for record in arm.records}

    def log(self, arm: Arm) -> str:
        """Makes or completes the run above the lanes of an arm, which has their means at each round.

        MLflow can change neither a point nor the beginning of a run. When one of them differs, for example because a lane was
        missing, a new run replaces the old one and takes over its other points and its lanes.
        Returns: the id of the run.
        """
        known = sorted(self.runs.get(arm.key, []), key=others.lanes_of, reverse=True)
        run = next((run for run in known if run.info.status == FINISHED), None)
        if run is not None and others.has_more(run, len(arm.records)):
            self.left.add(arm.key)
        else:
            run = self._made(run, arm)
        for other in known:
            if other.info.run_id != run.info.run_id:
                others.replace(self.client, self.id, other, run.info.run_id)
        self.runs[arm.key] = [run]
        return str(run.info.run_id)

    def _made(self, run: "Run | None", arm: Arm) -> "Run":
        """run: the one that the arm has."""
        want, span = arm.curve | self._examined(arm), Span(*arm.span(self.now))
        tags = self._tags_of(arm, want)
        if run is None or run.data.tags.get(DIGEST) != tags[DIGEST]:
            have = runs.curve(self.client, run) if run else {}
            # They are compared as text, because a NaN is not equal to itself.
            is_other = any(str(have.get(place, value)) != str(value) for place, value in want.items())
            if run is None or is_other or span.began < run.info.start_time - 1000:
                return self._new_arm(arm, have | want, tags, span)
            return self._complete(run, arm, {place: value for place, value in want.items() if place not in have}, tags, span)
        return run

    def _new_arm(self, arm: Arm, curve: Curve, tags: dict[str, str], span: Span) -> "Run":
        name = changed.named(arm.name, self.changed[arm.key])
        taken = {run.info.run_name for key, found in self.runs.items() if key != arm.key for run in found}
        name = f"{name} ({arm.key[:6]})" if name in taken else name  # such as the same settings with other code
        with runs.begun(self.client, self.id, name, tags, span) as run:
            trained = Span(*arm.trained(self.now))
            runs.log(self.client, run.info.run_id, arm.points(curve, self.now), arm.params, trained, {})
            runs.log_data(self.client, run.info.run_id, *arm.first.data, str(arm.first.about["data_digest"]))
        return self.client.get_run(run.info.run_id)

    def _complete(self, run: "Run", arm: Arm, curve: Curve, tags: dict[str, str], span: Span) -> "Run":
        """curve: the points that it lacks."""
        id = run.info.run_id
        params = {key: value for key, value in arm.params.items() if key not in run.data.params}
        runs.log(self.client, id, arm.points(curve, self.now), params, Span(*arm.trained(self.now)), tags | others.marks())
        if any(record.training.is_known for record in arm.records) and span.ended > run.info.end_time:
            self.client.set_terminated(id, FINISHED, span.ended)
        return self.client.get_run(id)

    def _tags_of(self, arm: Arm, curve: Curve) -> dict[str, str]:
        other = self.changed[arm.key]
        tags = arm.tags | runs.told(other, self._note(arm), str(places.chain(arm.experiment)))
        if not other and (colour := describe.colour(arm.name)):
            tags["mlflow.runColor"] = colour  # those of the figures; arms of ablations get colours from MLflow
        times = [record.training.span(self.now) for record in arm.records if record.training.is_known]
        return tags | {DIGEST: _digest(sorted((*place, str(value)) for place, value in curve.items()), tags, arm.params, times)}

    def _examined(self, arm: Arm) -> Curve:
        """What was measured in masks and weights, unless the experiment's table has lanes that are not among those in work/."""
        lanes = reported(arm.experiment) if arm.name == TICKET else set()
        return examination.points(arm.experiment) if lanes and lanes <= self.identities else {}

    def reports(self) -> None:
        """Puts the experiment's tables, figures and verdicts on claims on the run of its main arm, and into descriptions.

        Tables of other lanes are left out: after a change the old ones stay until `aggregate` and `plot` have run again.
        """
        main = main_of(self.arms)
        run = self.runs.get(main.key, [None])[0] if main else None
        if main is None or run is None or main.key in self.left:
            return
        experiment, metric = main.experiment, describe.metric_of(main.first)
        digest, files = report(experiment)
        is_of_these = bool(files) and self.identities.issuperset(reported(experiment))
        verdicts = claims(experiment) if is_of_these else {}
        told = describe.of_report(experiment, metric, verdicts, run.info.run_id) if is_of_these else ("", "")
        self._tell_experiment("\n\n".join(filter(None, (told[0], describe.HOW, told[1]))))
        view.save(self.client, self.id, self.client.get_experiment(self.id).tags, metric, self.now)
        if is_of_these:
            digest = _digest(digest, told, verdicts, run.data.tags.get(DIGEST))
            self._report(run, files, verdicts, digest, f"{told[0]}\n\n{self._note(main)}\n\n{told[1]}", experiment)

    def _report(
        self, run: "Run", files: Sequence[Path], verdicts: Mapping[str, float], digest: str, note: str, experiment: str
    ) -> None:
        id, span = run.info.run_id, Span(self.now, self.now)
        if run.data.tags.get("report_digest") == digest and not artifacts.lacks(run, (Path("report", file) for file in files)):
            return
        new = [Point(key, 0, value) for key, value in verdicts.items() if run.data.metrics.get(key) != value]
        folder = places.report(experiment)
        artifacts.put(self.client, run, {Path("report", file).as_posix(): folder / file for file in files})
        # Of two points at a step MLflow shows the one that was logged later.
        runs.log(self.client, id, new, {}, span, runs.note(note) | {"report_digest": digest})

    def _tell_experiment(self, note: str) -> None:
        if self.client.get_experiment(self.id).tags.get(NOTE) != note:
            self.client.set_experiment_tag(self.id, NOTE, note)

    def _note(self, arm: Arm) -> str:
        return describe.of_arm(arm, self.changed[arm.key])


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
