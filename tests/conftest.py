"""What every test has: one thread, no mirror into MLflow."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: lanes are forked, and threads don't survive that
os.environ["LOTTERY_TRACKING"] = "off"
os.environ.pop("DVC_ROOT", None)
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The executor sets a handler for SIGTERM and data order is nobody's business but its own."""
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
