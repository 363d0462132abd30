"""MNIST's file format, which Fashion-MNIST shares: four files, verified before anything is made of them."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data._sources import SourceError, by_hand, first_of
from pipeline.domain.bundle import Bundle
from pipeline.values.errors import UserError

# Training images and labels, test images and labels. All sums are of the uncompressed content, in this order.
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

Contents = Mapping[str, bytes]


def obtain(name: str, md5: Mapping[str, str], sources: Mapping[str, Callable[[Path], Contents]], folder: Path) -> Bundle:
    """The data set from the files put in place by hand, or else from the first source whose files have the known sums.

    Shapes: images (N, 1, 28, 28).
    Raises: UserError when a file put in place by hand is not the known one, or when every source fails.
    """
    if any(_find(by_hand(name), file) for file in md5):
        try:
            return _bundle(_verified(md5, read, by_hand(name)))
        except (SourceError, OSError) as error:
            raise UserError(
                f"{by_hand(name)}: {error}; replace the file by a good copy, or delete the folder to download the data set"
            ) from error
    verified = {label: partial(_verified, md5, fetch) for label, fetch in sources.items()}
    return _bundle(first_of(name, verified, folder, FILES))


def read(folder: Path) -> dict[str, bytes]:
    """The four files from anywhere below a folder, gzipped or not.

    Raises: SourceError when one is not there or cannot be unpacked.
    """
    contents = {}
    for file in FILES:
        path = _find(folder, file)
        if path is None:
            raise SourceError(f"{file} is missing")
        try:
            contents[file] = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SourceError(f"{path.name} is not a whole gzip file ({error})") from error
    return contents


def encode(array: NDArray[np.uint8]) -> bytes:
    """An array as the IDX file it came from: type 8 (uint8), number of dimensions, sizes, values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def decode(content: bytes) -> NDArray[np.uint8]:
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def _find(folder: Path, file: str) -> Path | None:
    return next((path for suffix in ("", ".gz") for path in sorted(folder.rglob(file + suffix)) if path.is_file()), None)


def _verified(md5: Mapping[str, str], fetch: Callable[[Path], Contents], folder: Path) -> Contents:
    contents = fetch(folder)
    for file, expected in md5.items():
        found = hashlib.md5(contents[file], usedforsecurity=False).hexdigest()
        if found != expected:
            raise SourceError(f"{file} has md5 {found}, expected {expected}")
    return contents


def _bundle(contents: Contents) -> Bundle:
    train_images, train_labels, test_images, test_labels = (decode(contents[file]) for file in FILES)
    return Bundle(
        train_images=train_images[:, None],
        train_labels=train_labels,
        test_images=test_images[:, None],
        test_labels=test_labels,
        mean=np.zeros(1, np.float32),
        std=np.ones(1, np.float32),
    )
