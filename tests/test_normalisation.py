"""What CIFAR-10's pixels become on their way into a network, against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data import cifar10
from pipeline.domain.bundle import Bundle
from pipeline.training.examples import Examples

# Mean and standard deviation of the 50,000 training images' red, green and blue, divided by 255.
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
# (0 - mean) / std, (128 / 255 - mean) / std and (1 - mean) / std of the three.
BLACK = [-1.98947, -1.98029, -1.70680]
GREY = [0.04276, 0.08115, 0.21201]
WHITE = [2.05911, 2.12649, 2.11583]
PICTURES = {(0, 0, 0): BLACK, (128, 128, 128): GREY, (255, 255, 255): WHITE, (255, 0, 128): [WHITE[0], BLACK[1], GREY[2]]}


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bundle:
    """CIFAR-10 as it is read, of a picture a file: each all of one colour, the test image black."""
    colours = [*PICTURES, (0, 0, 0), (0, 0, 0)]
    contents = {
        file: bytearray([0, *np.repeat(np.array(colour, np.uint8), 32 * 32).tolist()])
        for file, colour in zip(cifar10.SHA1, colours, strict=True)
    }
    monkeypatch.setattr(cifar10._files, "obtain", lambda *_: contents)
    return cifar10.cifar10(tmp_path)


def test_cifar10_is_normalised_by_the_mean_and_deviation_of_its_training_images(bundle: Bundle) -> None:
    assert bundle.scale is not None
    assert bundle.shift is not None
    assert bundle.scale.shape == bundle.shift.shape == (3, 1, 1)
    assert (1 / (255 * bundle.scale)).ravel().tolist() == pytest.approx(STD, rel=1e-6)
    assert (-bundle.shift / (255 * bundle.scale)).ravel().tolist() == pytest.approx(MEAN, rel=1e-6)


@pytest.mark.parametrize("which", range(len(PICTURES)), ids=["black", "grey", "white", "mixed"])
def test_a_picture_of_one_colour_becomes_what_is_worked_out_by_hand(bundle: Bundle, which: int) -> None:
    images, _ = Examples(bundle, torch.device("cpu")).batch(torch.tensor([[which]]))
    assert images.shape == (1, 1, 3, 32, 32)
    expected = torch.tensor([*PICTURES.values()][which]).view(3, 1, 1).expand(3, 32, 32)
    torch.testing.assert_close(images[0, 0], expected, rtol=0, atol=1e-5)
