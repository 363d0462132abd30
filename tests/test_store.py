"""Files are never half written, and what cannot be written or read is one sentence."""

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.files import store
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
    with store.replacing(path) as folder:
        store.write_json(folder / "lane.json", 1)
    with pytest.raises(UserError, match="cannot write"), store.replacing(path) as folder:
        store.write_json(folder / "lane.json", 2)
        store.write_json(folder / "more.json", list(range(1000)))
    assert store.read_json(path / "lane.json") == 1
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "lanes"
    for name in ("a", "b"):
        with store.replacing(path) as folder:
            store.write_json(folder / name, name)
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
    with pytest.raises(UserError, match="holds no masks"):
        store.read_mask(path)


def test_the_same_values_are_the_same_bytes(tmp_path: Path) -> None:
    arrays = {name: np.full((2, 3), i) for i, name in enumerate("cab")}
    found = set()
    for _ in range(20):
        store.write_arrays(tmp_path / "a", arrays, "about")
        found.add((tmp_path / "a").read_bytes())
    assert len(found) == 1
    assert store.read_arrays(tmp_path / "a")["b"].tolist() == [[2] * 3] * 2
    store.write_arrays(tmp_path / "a", {"a": np.array(5)})
    assert store.read_arrays(tmp_path / "a")["a"].shape == ()
