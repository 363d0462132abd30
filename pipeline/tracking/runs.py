"""Runs of MLflow: how one is begun, filled and ended, so that none is left without an end."""

import getpass
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.tracking import others
from pipeline.tracking.others import ARM, FINISHED
from pipeline.tracking.training import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE = "mlflow.note.content"  # what MLflow shows as the description, as Markdown
LONGEST_NOTE = 7900  # MLflow cuts a tag of more than 8000 characters
SOURCE, SOURCE_TYPE, USER = "mlflow.source.name", "mlflow.source.type", "mlflow.user"


class Span(NamedTuple):
    """Milliseconds since 1970."""

    began: int
    ended: int

    def at(self, share: float) -> int:
        return self.began + round(share * (self.ended - self.began))


def origin(target: str) -> dict[str, str]:
    """The tags that MLflow shows as source and user of a run. target: what `dvc repro` takes to make what is logged."""
    with suppress(Exception):  # a user who has no name, as in some containers, raises errors of several kinds
        return {SOURCE: f"dvc repro {target}", SOURCE_TYPE: "LOCAL", USER: getpass.getuser()}
    return {SOURCE: f"dvc repro {target}", SOURCE_TYPE: "LOCAL"}


@contextmanager
def begun(client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str], span: Span) -> Iterator["Run"]:
    """Yields a run that is FINISHED when the block ends without an error, KILLED otherwise, and never stays RUNNING."""
    key = "input_key" if "input_key" in tags else ARM
    try:
        run = client.create_run(experiment, span.began, {**tags, **others.marks()}, name)
        yield run
        client.set_terminated(run.info.run_id, FINISHED, span.ended)
    except BaseException:
        # The run is found by its tags, because a signal may have come after it was made and before its id was known here.
        with suppress(Exception):
            for run in others.search(client, experiment, f"tags.{key} = '{tags[key]}' and attributes.status = 'RUNNING'"):
                if others.is_own(run):
                    client.set_terminated(run.info.run_id, "KILLED")
        raise


def log(
    client: "MlflowClient", run_id: str, points: Iterable[Point], params: Mapping[str, str], span: Span, tags: Mapping[str, str]
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    metrics = [Metric(point.key, point.value, span.at(point.share), point.step) for point in points]
    if metrics or params or tags:
        client.log_batch(
            run_id,
            metrics,
            [Param(key, value) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )


def log_data(client: "MlflowClient", run_id: str, name: str, file: Path, digest: str) -> None:
    """Names the data set. This stands in for mlflow.data's own classes, which want the examples and hash them."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = Dataset(name, digest[:36], "local", json.dumps({"uri": file.as_posix()}))
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def curve(client: "MlflowClient", run: "Run") -> dict[tuple[str, int], float]:
    histories = [client.get_metric_history(run.info.run_id, key) for key in run.data.metrics]
    return {(metric.key, metric.step): metric.value for history in histories for metric in history}


def note(text: str) -> dict[str, str]:
    return {NOTE: text if len(text) <= LONGEST_NOTE else f"{text[: LONGEST_NOTE - 1]}…"}


def told(other: Mapping[str, str], text: str, target: str) -> dict[str, str]:
    """The tags that tell people what a run is. other: its settings that are not the committed ones. target: as of `origin`."""
    differs = {"differs": "; ".join(f"{key}={value}" for key, value in other.items())[:LONGEST_NOTE]} if other else {}
    return origin(target) | note(text) | differs
