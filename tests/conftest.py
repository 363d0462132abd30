"""What every test has: one thread, no mirror into MLflow."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: lanes are forked, and threads don't survive that
os.environ["LOTTERY_TRACKING"] = "off"
os.environ.pop("DVC_ROOT", None)
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The executor sets a handler for SIGTERM."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that looks like the repository's root, with its code but without params.yaml or results."""
    for name in ("pipeline", "stages", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["mlp", "own", "sparse", "sampled"])
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """What makes a network, once for each way to train one; the sparse ways are for one lane, as they are in real size."""
    from pipeline.training import sparse
    from tests import toy

    if request.param in ("sparse", "sampled"):
        monkeypatch.setattr(sparse, "SPARSE_FROM", 1)
        monkeypatch.setattr(sparse, "SPARSE_BELOW", 1.1)
        monkeypatch.setattr(sparse, "SAMPLED_BELOW", 1.1 if request.param == "sampled" else 0.0)
    return toy.own if request.param == "own" else toy.mlp
