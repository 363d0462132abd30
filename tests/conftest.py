"""What every test has: one thread, no mirror into MLflow."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: lanes are forked, and threads don't survive that
os.environ["LOTTERY_TRACKING"] = "off"
os.environ.pop("DVC_ROOT", None)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of tests start a stage, which would compile all of our code anew
sys.dont_write_bytecode = False


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The executor sets a handler for SIGTERM, mlflow names its store in the environment, and training flushes denormals to zero,
    where later tests would find it.
    """
    handler, store = signal.getsignal(signal.SIGTERM), os.environ.get("MLFLOW_TRACKING_URI")
    yield
    signal.signal(signal.SIGTERM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0)  # of a stage that looks whether its DVC is gone
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if store is not None:
        os.environ["MLFLOW_TRACKING_URI"] = store


@pytest.fixture(autouse=True)
def _without_gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that are not about GPUs expect lanes to be trained on the CPU, one at a time, on machines with a GPU too. torch has
    counted the GPUs when test_cuda.py was collected, so the variable hides them from other processes only.
    """
    if request.node.get_closest_marker("cuda"):
        return
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    if "torch" in sys.modules:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 0)


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the charts' JavaScript, which takes two seconds to bundle; test_browser.py has pages with it."""
    monkeypatch.setattr("pipeline.page.html._library", lambda: "/* the library */")


@pytest.fixture(params=["mlp", "own", "sparse", "sampled"])
def make_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """What makes a network, once for each way to train one; the sparse ways are for one lane, as they are in real size."""
    from pipeline.training import sparse
    from tests import toy

    if request.param in ("sparse", "sampled"):
        monkeypatch.setattr(sparse, "SPARSE_FROM", 1)
        monkeypatch.setattr(sparse, "SPARSE_BELOW", 1.1)
        monkeypatch.setattr(sparse, "SAMPLED_BELOW", 1.1 if request.param == "sampled" else 0.0)
    return toy.own if request.param == "own" else toy.mlp


# Few tests that take minutes: at the end, one process would run them while the other ones have nothing left.
LONG = ("test_repro.py", "test_dependencies.py", "test_architecture.py", "test_refused.py", "test_resume.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_collection_finish() -> None:
    """Objects of libraries, hundreds of thousands, stay to the end: the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    """The trainer silences this for users, but pytest puts its own filters above those. torch says it once a process."""
    config.addinivalue_line("filterwarnings", "ignore:Sparse CSR tensor support is in beta:UserWarning")
