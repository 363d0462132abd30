"""MNIST's file format, which Fashion-MNIST shares: four files of arrays."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data import _files
from pipeline.domain.bundle import Bundle, of_images

# Training images and labels, then test images and labels. All sums are of the uncompressed content, in this order.
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def obtain(name: str, md5: Mapping[str, str], sources: Mapping[str, Callable[[Path], _files.Contents]], folder: Path) -> Bundle:
    """The data set from files with the known sums.

    Shapes: images (N, 1, 28, 28).
    Raises: UserError when a file put in place by hand is not the known one, or when every source fails.
    """
    contents = _files.obtain(name, "md5", md5, sources, folder)
    train_images, train_labels, test_images, test_labels = (decode(contents[file]) for file in FILES)
    return of_images(
        train_images=train_images[:, None],
        train_labels=train_labels,
        test_images=test_images[:, None],
        test_labels=test_labels,
        mean=np.zeros(1, np.float32),
        std=np.ones(1, np.float32),
    )


def encode(array: NDArray[np.uint8]) -> bytes:
    """The bytes of an array's IDX file: the type 8 (uint8), the number of dimensions, the sizes and the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def decode(content: bytes) -> NDArray[np.uint8]:
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()
