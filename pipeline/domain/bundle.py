"""A data set as arrays: what every data plug-in returns and every training stage starts from (section 2: MNIST)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)  # arrays have no single truth value, so the generated == would raise
class Bundle:
    """Images, labels, and what images / 255 are normalised with.

    Shapes: images (N, C, H, W), the same C, H, W in both parts; labels (N,); mean and std (C,).
    Units: images 0..255; labels 0..classes - 1, each of them in the training part; mean and std of images / 255.
    Raises: ValueError that names the array and says what it should be.
    Differs: MNIST, Fashion-MNIST and digits have mean 0 and std 1, so they are only scaled to [0, 1]; the paper does not
    state its normalisation.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            _require(images.dtype == np.uint8 and images.ndim == 4, f"{part}_images", images, "uint8 (N, C, H, W)")
            _require(images.size > 0, f"{part}_images", images, "not empty")
            _require(labels.dtype == np.uint8, f"{part}_labels", labels, "uint8")
            _require(labels.shape == images.shape[:1], f"{part}_labels", labels, f"one for each of {len(images)} images")
        size, channels = self.train_images.shape[1:], self.train_images.shape[1:2]
        _require(self.test_images.shape[1:] == size, "test_images", self.test_images, f"(N, *{size}) as train_images are")
        for name, array in (("mean", self.mean), ("std", self.std)):
            _require(array.dtype == np.float32 and array.shape == channels, name, array, f"float32 {channels}")
            _require(bool(np.isfinite(array).all()), name, array, "finite")
        _require(bool((self.std > 0).all()), "std", self.std, "positive")
        # A class that is never trained would still get weights, which pruning then counts.
        there = np.unique(self.train_labels)
        if not np.array_equal(there, np.arange(self.classes)):
            raise ValueError(f"train_labels has the classes {there.tolist()}, should have all of 0..{self.classes - 1}")
        if self.test_labels.max() >= self.classes:
            raise ValueError(f"test_labels has the class {self.test_labels.max()}, which train_labels has not")

    @property
    def classes(self) -> int:
        return int(self.train_labels.max()) + 1


def _require(holds: bool, name: str, array: NDArray[np.generic], should: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, should be {should}")
