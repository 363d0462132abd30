"""A data set as arrays: what every data plug-in returns and every training stage starts from."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value, so the generated == would raise
class Bundle:
    """Inputs and targets of any type and shape, and the normalisation of inputs: input * scale + shift, in float32.

    Shapes: inputs (N, *shape), the same shape in all parts; targets (N, ...); scale and shift broadcast to one input.
    Without a validation part, each replicate holds out another sample of the training part. Without a scale, inputs are
    used as they are, such as tokens. The task checks what the targets must be.
    Raises: ValueError that names the array and says what it should be.
    """

    train_inputs: Array
    train_targets: Array
    test_inputs: Array
    test_targets: Array
    validation_inputs: Array | None = None
    validation_targets: Array | None = None
    scale: NDArray[np.float32] | None = None
    shift: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.train_inputs)[1:], np.asarray(self.train_inputs).dtype
        for part in ("train", "test", "validation"):
            inputs, targets = getattr(self, f"{part}_inputs"), getattr(self, f"{part}_targets")
            if part == "validation" and inputs is None and targets is None:
                continue
            for name, array in ((f"{part}_inputs", inputs), (f"{part}_targets", targets)):
                _require(isinstance(array, np.ndarray) and array.dtype.kind in "uif", name, array, "an array of numbers")
                _require(array.ndim > 0 and array.size > 0, name, array, "not empty")
                _require(array.dtype.kind != "f" or bool(np.isfinite(array).all()), name, array, "finite")
            _require(inputs.ndim > 1, f"{part}_inputs", inputs, "(N, *shape), with at least two dimensions")
            _require(inputs.shape[1:] == shape, f"{part}_inputs", inputs, f"(N, *{shape}) as train_inputs are")
            _require(inputs.dtype == dtype, f"{part}_inputs", inputs, f"{dtype} as train_inputs are")
            _require(len(targets) == len(inputs), f"{part}_targets", targets, f"one for each of {len(inputs)} inputs")
        for name, array in (("scale", self.scale), ("shift", self.shift)):
            if array is not None:
                _require(isinstance(array, np.ndarray) and array.dtype == np.float32, name, array, "float32")
                _require(_broadcasts(array.shape, shape), name, array, f"an array that broadcasts to one input, {shape}")
                _require(bool(np.isfinite(array).all()), name, array, "finite")
        if self.shift is not None and self.scale is None:
            raise ValueError("shift is there without scale; should be both, or scale alone")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.train_inputs.shape[1:])


def of_images(
    train_images: Array, train_labels: Array, test_images: Array, test_labels: Array, mean: Array, std: Array
) -> Bundle:
    """A bundle of images with one class each, normalised to (image / 255 - mean) / std.

    Shapes: images uint8 (N, C, H, W); labels uint8 (N,); mean and std float32 (C,), of images / 255.
    Raises: ValueError when an array has another type or shape, or std is not positive.
    Differs: MNIST, Fashion-MNIST and digits have mean 0 and std 1, so they are only scaled to [0, 1]; the paper does not
    state its normalisation.
    """
    for name, images in (("train_images", train_images), ("test_images", test_images)):
        _require(images.dtype == np.uint8 and images.ndim == 4, name, images, "uint8 (N, C, H, W)")
    channels = train_images.shape[1:2]
    for name, array in (("mean", mean), ("std", std)):
        _require(array.dtype == np.float32 and array.shape == channels, name, array, f"float32 {channels}")
    _require(bool((std > 0).all()), "std", std, "positive")
    scale = (1 / (255 * std.astype(np.float64))).astype(np.float32).reshape(-1, 1, 1)
    shift = (-mean.astype(np.float64) / std.astype(np.float64)).astype(np.float32).reshape(-1, 1, 1)
    return Bundle(train_images, train_labels, test_images, test_labels, scale=scale, shift=shift if bool(shift.any()) else None)


@dataclass(frozen=True)
class Form:
    """The form of a data set, which may be known before the data are there: a data plug-in's file may declare it as FORM.

    train, test: the numbers of examples. shape, dtype: those of one input. classes: the number of classes when targets are
    whole numbers; without it, targets are float32 of shape `target`. scaled: whether inputs are normalised, to float32.
    words: the bound of whole-number inputs that are not normalised, which are from 0 to below it.
    """

    train: int
    test: int
    shape: tuple[int, ...]
    dtype: str = "uint8"
    classes: int | None = None
    target: tuple[int, ...] = ()
    scaled: bool = True
    words: int = 2
    own_validation: bool = False

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        whole = bundle.train_targets.dtype.kind in "ui"
        tokens = bundle.scale is None and bundle.train_inputs.dtype.kind in "ui"
        return cls(
            train=len(bundle.train_inputs),
            test=len(bundle.test_inputs),
            shape=bundle.shape,
            dtype=bundle.train_inputs.dtype.name,
            classes=int(bundle.train_targets.max()) + 1 if whole else None,
            target=tuple(bundle.train_targets.shape[1:]),
            scaled=bundle.scale is not None,
            words=int(bundle.train_inputs.max()) + 1 if tokens else 2,
            own_validation=bundle.validation_inputs is not None,
        )

    def noise(self, train: int, test: int) -> Bundle:
        """A bundle of this form with so many meaningless examples of all classes, which serves for trials and timing.

        There are at least as many examples as classes, so each input begins one number after the one before: a thousand large
        images together take hardly more memory than one.
        """
        draw = np.random.default_rng(0)
        train = max(train, self.classes or 1)
        inputs = [self._inputs(draw, count) for count in (train, test)]
        targets = [self._targets(draw, count) for count in (train, test)]
        held_out = (self._inputs(draw, test), self._targets(draw, test)) if self.own_validation else (None, None)
        ones = np.ones((1,) * len(self.shape), np.float32)
        scale = None if not self.scaled else ones if np.dtype(self.dtype).kind == "f" else ones / np.float32(255)
        return Bundle(inputs[0], targets[0], inputs[1], targets[1], held_out[0], held_out[1], scale)

    def _inputs(self, draw: np.random.Generator, count: int) -> Array:
        kind, size = np.dtype(self.dtype), int(np.prod(self.shape))
        numbers, most = size + count - 1, 256 if self.scaled else self.words
        drawn: Array = draw.standard_normal(numbers) if kind.kind == "f" else draw.integers(most, size=numbers)
        # It is writeable because torch warns of arrays that are not; nothing writes to the examples of a data set.
        return sliding_window_view(drawn.astype(kind), size, writeable=True).reshape(count, *self.shape)

    def _targets(self, draw: np.random.Generator, count: int) -> Array:
        if self.classes is None:
            return draw.standard_normal((count, *self.target)).astype(np.float32)
        size = count * int(np.prod(self.target, dtype=int))
        return (np.arange(size) % self.classes).astype(np.uint8 if self.classes <= 256 else np.int64).reshape(count, *self.target)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _require(holds: bool, name: str, array: Any, should: str) -> None:
    if not holds:
        is_array = isinstance(array, np.ndarray)
        found = f"{array.dtype} {array.shape}" if is_array else type(array).__name__
        raise ValueError(f"{name} is {found}, but should be {should}")
