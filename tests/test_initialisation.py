"""Fresh weights: Gaussian Glorot, by their spread and by the shape of their distribution."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from tests import toy

CIFAR = (3, 32, 32)
RESNET = ("resnet", CIFAR, {"depth": 20})
LEAST = 1e-4  # probability below which a sample is said not to be of a distribution


def fresh(name: str, shape: tuple[int, int, int], options: dict[str, Any], seed: int = 1) -> dict[str, np.ndarray]:
    return toy.fresh(toy.network(name, shape, 10, **options), seed)


def probability_if_normal(sample: np.ndarray, deviation: float) -> float:
    """Of a distance this large (Kolmogorov and Smirnov) of the sample from the normal distribution of this deviation."""
    return float(stats.kstest(sample.ravel() / deviation, "norm").pvalue)


def glorot(inputs: int, outputs: int) -> float:
    return (2 / (inputs + outputs)) ** 0.5


# Network, weight, its size, and the numbers of a unit's inputs and of an input's outputs, a convolution's window counted in both.
WEIGHTS = [
    (("lenet", (1, 28, 28), {"hidden": [300, 100]}), "fc1.weight", (300, 784), 784, 300),
    (("lenet", (1, 28, 28), {"hidden": [300, 100]}), "fc2.weight", (100, 300), 300, 100),
    (("conv", CIFAR, {"depth": 4}), "conv1.weight", (64, 3, 3, 3), 27, 576),
    (("conv", CIFAR, {"depth": 4}), "conv3.weight", (128, 64, 3, 3), 576, 1152),
    (("conv", CIFAR, {"depth": 4}), "output.weight", (10, 256), 256, 10),
    (RESNET, "block7.shortcut.downsample.weight", (64, 32, 1, 1), 32, 64),
]


@pytest.mark.parametrize(("network", "weight", "size", "inputs", "outputs"), WEIGHTS, ids=[w[1] for w in WEIGHTS])
def test_a_weight_is_normal_with_glorots_deviation(
    network: tuple[Any, ...], weight: str, size: tuple[int, ...], inputs: int, outputs: int
) -> None:
    found, deviation = fresh(*network)[weight], glorot(inputs, outputs)
    assert found.shape == size
    chance = found.size**-0.5  # of the mean, in deviations; that of the deviation itself is 0.7 of it
    assert found.mean() / deviation == pytest.approx(0, abs=4 * chance)
    assert found.std() / deviation == pytest.approx(1, abs=3 * chance)
    assert probability_if_normal(found, deviation) > LEAST


def test_the_tails_of_a_weight_are_a_normal_distributions() -> None:
    """A uniform one has a kurtosis of 1.8, one that is cut at two deviations of 2.4; by chance this one is within 0.04 of 3."""
    found = fresh("lenet", (1, 28, 28), {})["fc1.weight"]
    assert stats.kurtosis(found.ravel(), fisher=False) == pytest.approx(3, abs=0.06)


def test_a_uniform_weight_of_the_same_deviation_would_be_told_from_it() -> None:
    for *_, size, inputs, outputs in WEIGHTS:
        deviation = glorot(inputs, outputs)
        uniform = np.random.default_rng(0).uniform(-(3**0.5) * deviation, 3**0.5 * deviation, size)
        assert uniform.std() == pytest.approx(deviation, rel=0.03)
        assert probability_if_normal(uniform, deviation) < LEAST


@pytest.mark.parametrize("name", ["conv", "lenet", "resnet", "vgg19"])
def test_biases_are_zero(name: str) -> None:
    biases = [array for key, array in fresh(name, CIFAR, {}).items() if key.endswith("bias")]
    assert biases
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize("name", ["resnet", "vgg19"])
def test_norms_begin_at_one_and_their_statistics_at_those_of_the_standard_normal(name: str) -> None:
    found = fresh(name, CIFAR, {})
    norms = [key.removesuffix("running_mean") for key in found if key.endswith("running_mean")]
    assert len(norms) == {"resnet": 21, "vgg19": 16}[name]
    for norm in norms:
        assert {*found[f"{norm}weight"].tolist(), *found[f"{norm}running_var"].tolist()} == {1.0}
        assert {*found[f"{norm}bias"].tolist(), *found[f"{norm}running_mean"].tolist()} == {0.0}


def test_the_same_seed_draws_the_same_bytes_whatever_torch_drew_before() -> None:
    first = fresh(*RESNET, seed=3)
    torch.rand(7)
    again = fresh(*RESNET, seed=3)
    assert {name: array.tobytes() for name, array in first.items()} == {name: array.tobytes() for name, array in again.items()}


def test_another_seed_draws_other_weights() -> None:
    first, other = fresh(*RESNET, seed=3), fresh(*RESNET, seed=4)
    drawn = [name for name, array in first.items() if array.ndim > 1]
    assert len(drawn) == 22
    assert all((first[name] != other[name]).all() for name in drawn)


def test_two_layers_of_one_size_do_not_have_the_same_weights() -> None:
    found = fresh(*RESNET)
    assert (found["block1.conv1.weight"] != found["block1.conv2.weight"]).all()
