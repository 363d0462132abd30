"""MLflow's registry has an exported lane once, with signature and input example, and serves it without our code."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from pipeline.export.__main__ import main
from pipeline.export.network import OnnxNetwork
from pipeline.tracking import connection
from tests import lottery, mirrored, toy

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]
root = mirrored.root


@pytest.fixture
def trained(root: Path) -> Iterator[Path]:
    """A repository with a dense network and a round of tickets, beside an MLflow store without runs."""
    with lottery.repository(root, lottery.params(toy=lottery.experiment(arms={}, seeds=[1]))):
        os.environ["LOTTERY_TRACKING"] = "off"
        lottery.run("toy", "r00", "r01")
        yield root


def register(item: str, to: str) -> None:
    assert main(["toy", item, "--seed", "1", "--register", "--to", to]) == 0


def versions(name: str) -> list[tuple[str, str]]:
    from mlflow import MlflowClient

    found = MlflowClient(connection.uri()).search_model_versions(f"name = '{name}'")
    return [(str(version.version), version.run_id) for version in found]


@contextmanager
def served(model: str) -> Iterator[str]:
    """The address of `mlflow models serve`, in a folder and with a Python path that do not have this repository."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = mirrored.environment() | {"MLFLOW_TRACKING_URI": connection.uri(), "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with Path("serve.log").open("wb") as log, subprocess.Popen(
        command, cwd="/", env=environment, stdout=log, stderr=log, start_new_session=True
    ) as process:  # fmt: skip
        try:
            address, started = f"http://127.0.0.1:{port}", time.monotonic()
            while not _is_up(address):
                assert process.poll() is None and time.monotonic() - started < 180, Path("serve.log").read_text()
                time.sleep(0.2)
            yield address
        finally:
            os.killpg(process.pid, 15)


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def answer(address: str, inputs: np.ndarray) -> np.ndarray:
    body = json.dumps({"inputs": inputs.tolist()}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as found:
        return np.array(json.load(found)["predictions"]["outputs"])


@pytest.mark.slow
def test_a_lane_is_registered_once_and_moves_with_the_repository(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    register("r01", "out")
    assert "version 1 of toy-ticket was added to MLflow's registry" in capfd.readouterr().out
    register("r01", "again")
    assert "version 1 of toy-ticket was already in MLflow's registry" in capfd.readouterr().out
    register("r00", "dense")
    assert [number for number, _ in versions("toy-ticket")] == [number for number, _ in versions("toy-dense")] == ["1"]
    assert connection.is_default()
    [(_, run)] = versions("toy-ticket")
    assert run == mirrored.runs()["r01/seed1"].info.run_id
    assert mirrored.runs()["r01/seed1"].info.status == "FINISHED"

    moved = trained.rename(trained.parent / "moved")
    monkeypatch.chdir(moved)
    with connection.locked(connection.lock_path()):
        connection.connect()
    mlflow.set_tracking_uri(connection.uri())
    model, inputs = mlflow.pyfunc.load_model("models:/toy-ticket/1"), toy.bundle().test_inputs
    assert not trained.exists()
    expected = OnnxNetwork(Path("out/network.onnx"))(inputs)
    assert np.array_equal(model.predict(inputs)["outputs"], expected)
    [(column, kind, shape)] = [(c.name, c.type, c.shape) for c in model.metadata.signature.inputs.inputs]
    assert (column, kind, shape) == (None, np.dtype("uint8"), (-1, *toy.SHAPE))
    assert [(c.name, c.shape) for c in model.metadata.signature.outputs.inputs] == [("outputs", (-1, 3))]
    assert np.array_equal(model.input_example, inputs[:2])
    needs = Path(mlflow.artifacts.download_artifacts("models:/toy-ticket/1"), "requirements.txt").read_text()
    assert {line.split("==")[0] for line in needs.split()} == {"mlflow", "onnx", "onnxruntime", "numpy"}
    moved.rename(trained)  # where pytest goes back to


@pytest.mark.slow
def test_a_registered_model_is_served(trained: Path) -> None:
    register("r01", "out")
    inputs = toy.bundle().test_inputs
    expected = OnnxNetwork(Path("out/network.onnx"))(inputs)
    with served("models:/toy-ticket/1") as address:
        assert np.allclose(answer(address, inputs), expected, atol=1e-5)
        assert np.allclose(answer(address, inputs[:1]), expected[:1], atol=1e-5)
