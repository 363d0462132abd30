"""Real Ray clusters, whose nodes are processes of this machine, and a repository with a network of the user's own.

Ray leaves threads and open files behind, so nothing here imports it into the process of the tests.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.executors import scratch
from tests import lottery

HOST = """
import json, sys
from ray.cluster_utils import Cluster
cluster = Cluster()
for line in sys.stdin:
    what, arguments = json.loads(line)
    if what == "add":
        cluster.add_node(**arguments)
    else:
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    print(cluster.address, flush=True)
cluster.shutdown()
"""
NET = """
from torch import nn

def net(shape, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 8), nn.Tanh(), nn.Linear(8, outputs))
"""


class Cluster:
    """ray.cluster_utils.Cluster in a process of its own. The first node added is the head, where the stages run."""

    def __init__(self, folder: Path, **environment: str) -> None:
        (folder / "ray").mkdir()
        self.environment = os.environ | environment | {
            "RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # otherwise Ray writes one into the home folder
        }  # fmt: skip
        pipe, errors = subprocess.PIPE, (folder / "errors").open("w")
        command = [sys.executable, "-c", HOST]
        self.host = subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        self.errors = folder / "errors"
        errors.close()

    def add(self, **arguments: Any) -> None:
        self._ask("add", {"include_dashboard": False, **arguments})

    def remove(self) -> None:
        """Kills all processes of a node that is not the head."""
        self._ask("remove", {})

    def _ask(self, what: str, arguments: dict[str, Any]) -> None:
        assert self.host.stdin and self.host.stdout
        self.host.stdin.write(json.dumps([what, arguments]) + "\n")
        self.host.stdin.flush()
        self.environment["RAY_ADDRESS"] = self.host.stdout.readline().strip()
        assert self.environment["RAY_ADDRESS"], self.errors.read_text()


@contextmanager
def cluster(*nodes: dict[str, Any], **environment: str) -> Iterator[Cluster]:
    folder = scratch.make()
    started = Cluster(folder, **environment)
    try:
        for node in nodes:
            started.add(**node)
        yield started
    finally:
        started.host.communicate(timeout=120)
        scratch.remove(folder)


@contextmanager
def repository(folder: Path, params: dict[str, Any], net: str = NET) -> Iterator[Path]:
    """With a module `own`, in which the network is."""
    (folder / "own.py").write_text(net)
    sys.path.insert(0, str(folder))
    sys.modules.pop("own", None)
    try:
        with lottery.repository(folder, params):
            yield folder
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("own", None)


def started(code: str, folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A process in a repository, in which Ray trains the lanes unless the environment says otherwise."""
    env = lottery.environment() | {"LOTTERY_EXECUTOR": "ray", "PYTHONPATH": ""} | environment
    command = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def workers() -> list[str]:
    """The processes that train lanes on this machine, by what they call themselves."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            name = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if name.startswith("ray::Worker"):
                found.append(name)
    return found
