"""CIFAR-100: 50,000 + 10,000 photographs of 100 classes, 32x32 in color. It is not in the paper."""

from io import BytesIO
from pathlib import Path

import numpy as np

from pipeline.data import _files, _pickles, _sources
from pipeline.data._sides import SHAPE, check, shrunk
from pipeline.domain.bundle import Bundle, Form, of_images

# The files of the data set's Python version, as torchvision lists them; it also checks the archive that contains them.
MD5 = {
    "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
# Statistics of the training images / 255 by channel, to four digits, as constants like those of CIFAR-10.
MEAN = (0.5071, 0.4865, 0.4409)
STD = (0.2673, 0.2564, 0.2762)


def FORM(side: int = 32) -> Form:  # noqa: N802
    """The form of what `cifar100` returns."""
    return Form(train=50_000, test=10_000, shape=(3, side, side), classes=100)


def cifar100(folder: Path, side: int = 32) -> Bundle:
    """The images with their fine labels, normalised by the mean and standard deviation of the training images.

    side: 32, or 16 or 8 for smaller images, whose pixels are means of 2x2 or 4x4.
    Raises: UserError when no source gives the files with the known checksums; ValueError for another side.
    """
    check(side)
    contents = _files.obtain("cifar100", "md5", MD5, {"torchvision": _torchvision}, folder)
    train, test = (_pickles.load(BytesIO(contents[file])) for file in MD5)
    return of_images(
        train_images=shrunk(train["data"].reshape(-1, *SHAPE), side),
        train_labels=np.array(train["fine_labels"], np.uint8),
        test_images=shrunk(test["data"].reshape(-1, *SHAPE), side),
        test_labels=np.array(test["fine_labels"], np.uint8),
        mean=np.array(MEAN, np.float32),
        std=np.array(STD, np.float32),
    )


def _torchvision(folder: Path) -> _files.Contents:
    _sources.torchvision("CIFAR100", folder)
    return _files.read(folder, MD5)
