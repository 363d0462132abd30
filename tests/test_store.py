"""Files are never half written, and what cannot be written or read is one sentence."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.files import store
from pipeline.files.whole import replacing
from pipeline.values.errors import UserError


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond a kilobyte: the system's own refusal, as of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, full_disk: None) -> None:
    path = tmp_path / "weights.safetensors"
    store.write_arrays(path, {"a": np.arange(3.0)})
    with pytest.raises(UserError, match=r"^cannot write .*weights.safetensors: .*what was there before is kept$"):
        store.write_arrays(path, {"a": np.arange(1000.0)})
    assert store.read_arrays(path)["a"].tolist() == [0, 1, 2]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path, full_disk: None) -> None:
    path = tmp_path / "lanes"
    with replacing(path) as folder:
        store.write_json(folder / "lane.json", {"a": 1})
    with pytest.raises(UserError, match="cannot write"), replacing(path) as folder:
        store.write_json(folder / "lane.json", {"a": 2})
        store.write_json(folder / "more.json", {"a": list(range(1000))})
    assert store.read_json(path / "lane.json") == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "lanes"
    for name in ("a", "b"):
        with replacing(path) as folder:
            store.write_json(folder / name, {"a": name})
    assert [p.name for p in path.iterdir()] == ["b"]


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mask.safetensors"
    path.write_bytes(content)
    for read in (store.read_arrays, store.read_mask):
        with pytest.raises(UserError, match=r"mask.safetensors is damaged .*; delete it and run `dvc repro`"):
            read(path)
    with pytest.raises(UserError, match="is missing; `dvc repro` makes it"):
        store.read_mask(tmp_path / "none")
    store.write_arrays(path, {"a": np.zeros(3)})
    with pytest.raises(UserError, match="it holds no masks"):
        store.read_mask(path)


def test_the_same_values_are_the_same_bytes(tmp_path: Path) -> None:
    arrays = {name: np.full((2, 3), i) for i, name in enumerate("cab")}
    found = set()
    for _ in range(20):
        store.write_arrays(tmp_path / "a", arrays, {"more": "about"})
        found.add((tmp_path / "a").read_bytes())
    assert len(found) == 1
    assert store.read_arrays(tmp_path / "a")["b"].tolist() == [[2] * 3] * 2
    store.write_arrays(tmp_path / "a", {"a": np.array(5)})
    assert store.read_arrays(tmp_path / "a")["a"].shape == ()


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    """The process of a folder that is left is dead, or had the number that this process has now."""
    done = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    path, left = tmp_path / "lanes", [done.stdout.strip(), str(os.getpid())]
    for process in left:
        (tmp_path / f".lanes.{process}.tmp" / "seed9").mkdir(parents=True)
    others = [tmp_path / f".lanes.{os.getppid()}.tmp", tmp_path / ".lanes.notes.tmp", tmp_path / ".other.1.tmp"]
    for other in others:
        other.mkdir()
    with replacing(path) as folder:
        store.write_json(folder / "lane.json", {"a": 1})
    assert [p.name for p in path.iterdir()] == ["lane.json"]
    assert {*tmp_path.iterdir()} == {path, *others}


def test_what_a_killed_process_had_moved_away_is_put_back(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    path = tmp_path / "lanes"
    with replacing(path) as folder:
        store.write_json(folder / "lane.json", {"a": 1})
    path.rename(tmp_path / f".lanes.{done.stdout.strip()}.old")
    with pytest.raises(RuntimeError), replacing(path):
        raise RuntimeError
    assert store.read_json(path / "lane.json") == {"a": 1}
    assert [*tmp_path.iterdir()] == [path]
