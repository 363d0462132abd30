"""A network in MLflow's registry, as ONNX: it has no code of this repository that a later change could break."""

import os
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.domain.bundle import Array
from pipeline.tracking import connection, mirror
from pipeline.tracking.others import FINISHED, search
from pipeline.tracking.record import Record, find

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SERVED_BY = ("onnx", "onnxruntime", "numpy")  # all that a server of the model has to install beside mlflow


@dataclass(frozen=True)
class Version:
    name: str
    number: str
    is_new: bool


def name_of(record: Record) -> str:
    """The name of the registered model: the experiment's and the arm's, such as `lenet-ticket`."""
    return f"{record.item.experiment}-{record.item.arm}"


def register(record: Record, file: Path, inputs: Array, outputs: Array) -> Version:
    """Adds the network of a lane, unless a version of the model has it already.

    file: the network as ONNX. inputs: a few real ones, which become the model's input example. outputs: those for these inputs.
    Raises: UserError when MLflow cannot be used.
    """
    with connection.explained(), connection.locked(connection.lock_path()):
        client, name = connection.connect(), name_of(record)
        for known in client.search_model_versions(f"name = '{name}'"):
            if known.tags.get("input_key") == record.input_key:
                return Version(name, str(known.version), is_new=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*type hint is inferred as AnyType")  # MLflow's, about its own code
            return Version(name, _add(client, name, record, file, inputs, outputs), is_new=True)


def _add(client: "MlflowClient", name: str, record: Record, file: Path, inputs: Array, outputs: Array) -> str:
    """Returns: the number of the new version, whose source is the lane's run."""
    import mlflow
    import mlflow.onnx
    import onnx
    from mlflow.models import Model, infer_signature

    network = onnx.load(file)
    run, own = _run_of(client, record), os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(connection.uri())  # it sets the variable too, by which `connection` knows a store of the user's own
    try:
        mlflow.set_experiment(experiment_id=run.info.experiment_id)
        info = Model.log(
            artifact_path=None,
            name=name,
            flavor=mlflow.onnx,
            run_id=run.info.run_id,
            registered_model_name=name,
            onnx_model=network,
            save_as_external_data=False,
            onnx_execution_providers=["CPUExecutionProvider"],
            signature=infer_signature(inputs, {"outputs": outputs}),
            input_example=inputs,
            pip_requirements=[f"{package}=={version(package)}" for package in SERVED_BY],
            tags={key: value for key, value in record.tags.items() if key in ("input_key", "round", "arm", "seed", "draw")},
        )
    finally:
        mlflow.set_tracking_uri(own)  # type: ignore[arg-type]  # None makes MLflow forget it
    return str(info.registered_model_version)


def _run_of(client: "MlflowClient", record: Record) -> "Run":
    """The lane's run, which is logged first if MLflow does not have it."""
    records, _ = find(record.item.experiment)
    mirror.fill(records, lambda name: None, record.item.name)
    query = f"tags.input_key = '{record.input_key}' and attributes.status = '{FINISHED}'"
    return next(search(client, connection.experiment_id(client, record.item.experiment), query))
