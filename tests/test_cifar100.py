"""CIFAR-100: torchvision's own reader of the same archive is the oracle."""

import hashlib
import pickle
import sys
import tarfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import _sources, cifar100
from pipeline.domain.bundle import Form
from pipeline.values.errors import UserError
from tests.test_cifar10 import Old, answer
from tests.test_data import Malicious

FOLDER = "cifar-100-python"


def content(labels: list[int], images: np.ndarray) -> bytes:
    """One file of the archive. It was written by Python 2, where bytes were strings and NumPy's flags integers."""
    uint8 = Old(np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0))
    state = (1, images.shape, uint8, False, images.tobytes().decode("latin1"))
    data = Old(np.zeros(0).__reduce__()[0], (np.ndarray, (0,), "b"), state)
    coarse = [label // 5 for label in labels]
    return pickle.dumps({"data": data, "fine_labels": labels, "coarse_labels": coarse, "filenames": ["a.png"]}, protocol=2)


def archive(folder: Path) -> Path:
    """CIFAR-100 in small: an image of each class for training, and four test images."""
    draw = np.random.default_rng(0)
    parts = {"train": [*range(99, -1, -1)], "test": [3, 99, 42, 3]}
    (folder / FOLDER).mkdir(parents=True)
    for name, labels in parts.items():
        (folder / FOLDER / name).write_bytes(content(labels, draw.integers(0, 256, (len(labels), 3072), np.uint8)))
    (folder / FOLDER / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"class {i}" for i in range(100)]}, protocol=2))
    with tarfile.open(folder / f"{FOLDER}.tar.gz", "w:gz") as packed:
        packed.add(folder / FOLDER, FOLDER)
    return folder / f"{FOLDER}.tar.gz"


@cache
def reader() -> Any:
    """torchvision's, which expects the checksums of the small archive."""
    from torchvision import datasets

    class Small(datasets.CIFAR100):
        pass

    return Small


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the small archive, whose checksums are the expected ones; no source answers."""
    made = archive(tmp_path / "made")
    sums = {name: md5(made.parent / FOLDER / name) for name in ("train", "test", "meta")}
    monkeypatch.setattr(cifar100, "MD5", {f"{FOLDER}/{name}": sums[name] for name in ("train", "test")})
    monkeypatch.setattr(reader(), "tgz_md5", md5(made))
    monkeypatch.setattr(reader(), "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(reader(), "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(reader(), "meta", reader().meta | {"md5": sums["meta"]})
    monkeypatch.chdir(tmp_path)
    answer(monkeypatch)
    return made.parent


def unpack(small: Path) -> Any:
    def give(folder: Path) -> None:
        with tarfile.open(small / f"{FOLDER}.tar.gz") as packed:
            packed.extractall(folder, filter="data")

    return give


def test_the_arrays_are_those_that_torchvision_reads(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, sys.executable, unpack(small))
    bundle = cifar100.cifar100(tmp_path)
    for train, inputs, targets in (
        (True, bundle.train_inputs, bundle.train_targets),
        (False, bundle.test_inputs, bundle.test_targets),
    ):
        oracle = reader()(small, train=train, download=True)  # the archive is there, so that torchvision checks and unpacks it
        np.testing.assert_array_equal(inputs, oracle.data.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(targets, oracle.targets)
    assert Form.of(bundle) == replace(cifar100.FORM(), train=100, test=4)


def test_smaller_images_are_means_of_blocks(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, sys.executable, unpack(small))
    whole, half = cifar100.cifar100(tmp_path), cifar100.cifar100(tmp_path, side=16)
    assert Form.of(half) == replace(cifar100.FORM(side=16), train=100, test=4)
    block = whole.test_inputs[2, 1, 6:8, 10:12].astype(float)
    assert half.test_inputs[2, 1, 3, 5] == np.rint(block.mean())
    with pytest.raises(ValueError, match="side is 20, but should be 32, 16 or 8"):
        cifar100.cifar100(tmp_path, side=20)


def test_the_checksums_are_those_of_torchvision() -> None:
    from torchvision import datasets

    known = {f"{FOLDER}/{name}": md5 for name, md5 in datasets.CIFAR100.train_list + datasets.CIFAR100.test_list}
    assert known == cifar100.MD5


def test_the_unpacked_archive_can_be_put_by_hand(small: Path, tmp_path: Path) -> None:
    by_hand = _sources.by_hand("cifar100")
    by_hand.mkdir(parents=True)
    unpack(small)(by_hand)
    assert Form.of(cifar100.cifar100(tmp_path)) == replace(cifar100.FORM(), train=100, test=4)
    (by_hand / FOLDER / "test").write_bytes(b"other")
    with pytest.raises(UserError, match=f"by_hand/cifar100: {FOLDER}/test has md5 .*, expected .*; replace"):
        cifar100.cifar100(tmp_path)


def test_without_a_source_the_message_says_where_the_files_belong(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError) as raised:
        cifar100.cifar100(tmp_path)
    assert "data set 'cifar100' could not be had from any source" in str(raised.value)
    assert f"put these files into .lottery/by_hand/cifar100/ by hand, gzipped (.gz) or not: {FOLDER}/train, {FOLDER}/test" in str(
        raised.value
    )


def test_another_or_a_malicious_file_is_refused(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (small / FOLDER / "train").write_bytes(pickle.dumps({"data": Malicious()}))
    with tarfile.open(small / f"{FOLDER}.tar.gz", "w:gz") as packed:
        packed.add(small / FOLDER, FOLDER)
    answer(monkeypatch, sys.executable, unpack(small))
    with pytest.raises(UserError, match=f"torchvision: {FOLDER}/train has md5 "):
        cifar100.cifar100(tmp_path)
    monkeypatch.setitem(cifar100.MD5, f"{FOLDER}/train", md5(small / FOLDER / "train"))
    with pytest.raises(pickle.UnpicklingError, match=r"the pickle asks for .*system, only arrays are admitted"):
        cifar100.cifar100(tmp_path)
    assert not Path("harmed").exists()


@pytest.mark.network
def test_the_images_have_the_mean_and_deviation_given_or_torchvision_fails_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline it has to fail: 20 seconds to import torch, 20 to be answered."""
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    try:
        bundle = cifar100.cifar100(tmp_path)
    except UserError:
        assert time.monotonic() - started < 45
        return
    assert np.bincount(bundle.train_targets).tolist() == [500] * 100
    for channel, (mean, std) in enumerate(zip(cifar100.MEAN, cifar100.STD, strict=True)):
        values = bundle.train_inputs[:, channel].astype(np.float64) / 255
        assert round(values.mean(), 4) == mean
        assert round(values.std(), 4) == std
