"""With a real MLflow server: it listens on this machine only, and no password of its address is stored or shown."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest

from pipeline.export.__main__ import main as export
from pipeline.tracking.__main__ import main
from tests import lottery, mirrored
from tests.torture.tracked import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning"),  # MLflow's connections to its server
]
root = mirrored.root


@pytest.fixture
def ui(root: Path) -> Iterator[tuple[int, int]]:
    """The process and the port of `python -m pipeline.tracking ui`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipeline.tracking", "ui", "--port", str(port)]
    with Path("log").open("wb") as log, subprocess.Popen(command, env=mirrored.environment(), stdout=log, stderr=log) as process:
        try:
            started = time.monotonic()
            while b"startup complete" not in Path("log").read_bytes():
                assert process.poll() is None and time.monotonic() - started < 300, Path("log").read_text()
                time.sleep(0.2)
            yield process.pid, port
        finally:
            process.terminate()


def test_mlflow_listens_on_this_machine_only(ui: tuple[int, int]) -> None:
    process, port = psutil.Process(ui[0]), ui[1]
    sockets = [s for p in (process, *process.children(recursive=True)) for s in p.net_connections() if s.status == "LISTEN"]
    assert port in {found.laddr.port for found in sockets}
    assert {found.laddr.ip for found in sockets} == {"127.0.0.1"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search", headers={"Host": "evil.example"}
    )
    with pytest.raises(HTTPError) as refused:  # a page of another site cannot read the runs through the user's browser
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 403


def test_no_password_is_stored_or_shown(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    server = Server(root.parent / "server")
    with lottery.repository(root, lottery.params(toy=lottery.experiment(arms={}, seeds=[1]))), server.running():
        monkeypatch.setenv("LOTTERY_TRACKING", "off")
        lottery.run("toy", "r00", "r01")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address.replace("//", "//me:s3cret@"))
        assert main(["sync"]) == 0
        assert export(["toy", "r01", "--seed", "1", "--register", "--to", "out"]) == 0
        assert main(["ui"]) == 0
        said = capfd.readouterr()
        assert "2 lanes, 2 of them new" in said.out and "version 1 of toy-ticket" in said.out
        assert "s3cret" not in said.out + said.err
        stored = [path for folder in (root, server.folder) for path in folder.rglob("*") if path.is_file()]
        assert server.database in stored and any(path.name == "MLmodel" for path in stored)
        assert not [path for path in stored if b"s3cret" in path.read_bytes()]
