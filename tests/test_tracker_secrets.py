"""Passwords in the address of the MLflow store, and who may reach the server."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.tracking import connection
from pipeline.tracking.__main__ import main
from pipeline.values.errors import UserError
from tests import mirrored
from tests.mirrored import dense, write

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root


SECRETS = [
    ("http://me:s3cret@host:5000", "http://host:5000"),
    ("https://s3cret@host/mlflow", "https://host/mlflow"),
    ("http://me:p@s3cret@host", "http://host"),
    ("http://me:a/s3cret@host", "http://host"),
    ("http://me:%73%33cret@host", "http://host"),
    ("postgresql://me:s3cret@host/runs?password=s3cret", "postgresql://host/runs"),
    ("http://[me:s3cret@host", "http://host"),
]


@pytest.mark.parametrize(("uri", "shown"), SECRETS)
def test_the_address_that_is_shown_has_no_password(
    uri: str, shown: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert connection.address() == shown
    with pytest.raises(UserError) as told, connection.explained():
        raise OSError(f"cannot reach {uri} as me with s3cret or t0ken")
    if uri.startswith("http"):
        assert main(["ui"]) == 0
    said = f"{told.value} {capsys.readouterr()}"
    assert "s3cret" not in said and "t0ken" not in said and "%73" not in said
    assert shown in said


def test_the_path_of_a_database_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///a@b/mlflow.db")
    assert connection.address() == "sqlite:///a@b/mlflow.db"
    assert connection.without_secrets("no such file: a@b") == "no such file: a@b"


def test_the_server_listens_here_only_and_its_command_line_has_no_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(os, "execv", lambda program, command: ran.extend(command))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:s3cret@127.0.0.1:9/runs")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "")  # restored afterwards
    assert main(["ui", "--port", "5987"]) == 0
    assert ran[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert ran[ran.index("--host") + 1] == "127.0.0.1"
    assert not [word for word in ran if "s3cret" in word]
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:s3cret@127.0.0.1:9/runs"


def test_a_driver_that_is_missing_is_told_without_the_password(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(dense())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql+nodriver://me:s3cret@127.0.0.1:9/runs")
    assert main(["sync"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("the MLflow store mysql+nodriver://127.0.0.1:9/runs cannot be used: ")
    assert said.count("\n") == 1 and "s3cret" not in said
