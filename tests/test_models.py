"""The paper's convolutional networks: their weights, what of them is pruned, and batch norm and dropout under training."""

from collections import Counter
from itertools import chain, islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.domain import pruning
from pipeline.domain.tickets import ticket
from pipeline.models import resnet
from pipeline.training.autograd import Autograd, why_not_batched
from pipeline.values import plugins
from pipeline.values.errors import UserError
from tests import toy

CIFAR = (3, 32, 32)
SMALL = (3, 8, 8)
TIGHT = {"rtol": 1e-4, "atol": 1e-5}
OF_TEXTS = ("gpt", "lstm")  # tests/test_language.py has them
SMALLEST = {"conv": (1, 2, 2), "lenet": (1, 1, 1), "resnet": (1, 1, 1), "vgg19": (1, 16, 16)}  # images that a network takes
HALF = {"conv": 0.1, "fc": 0.2, "output": 0.1}
CONV6 = {"conv": 0.15, "fc": 0.2, "output": 0.1}
ALL = {"conv": 0.2}


def sizes(name: str, options: dict[str, Any]) -> dict[str, int]:
    """Weights by kind of layer."""
    counts: Counter[str] = Counter()
    for layer in toy.network(name, CIFAR, 10, **options).layers.values():
        counts[layer.kind] += layer.size
    return dict(counts)


@pytest.mark.parametrize(
    ("name", "options", "total", "expected"),
    [
        ("conv", {}, 4_300_992, {"conv": 38_592, "fc": 4_259_840, "output": 2_560}),
        ("conv", {"depth": 4}, 2_425_024, {"conv": 259_776, "fc": 2_162_688, "output": 2_560}),
        ("conv", {"depth": 6}, 2_261_184, {"conv": 1_144_512, "fc": 1_114_112, "output": 2_560}),  # 1.7M in print
        ("resnet", {}, 270_896, {"conv": 267_696, "downsample": 2_560, "output": 640}),
        ("vgg19", {}, 20_024_000, {"conv": 20_018_880, "output": 5_120}),
    ],
    ids=["conv2", "conv4", "conv6", "resnet", "vgg19"],
)
def test_the_networks_have_the_papers_weights(name: str, options: dict[str, Any], total: int, expected: dict[str, int]) -> None:
    found = sizes(name, options)
    assert found == expected
    assert sum(found.values()) == total


@pytest.mark.parametrize(
    ("name", "options", "rates", "scope", "printed"),
    [
        ("conv", {"depth": 2}, HALF, "layer", {11: 8.81, 14: 4.57}),
        ("conv", {"depth": 4}, HALF, "layer", {11: 11.06, 12: 9.18}),
        ("conv", {"depth": 6}, CONV6, "layer", {7: 26.61, 10: 15.29}),  # 26.4 and 15.1 in print: of another count of weights
        ("resnet", {}, ALL, "global", {4: 41.66, 6: 27.09, 7: 21.91, 10: 11.79}),
        ("vgg19", {}, ALL, "global", {12: 6.90, 15: 3.54, 19: 1.47}),
        ("vgg19", {}, ALL, "layer", {12: 6.90}),
    ],
    ids=["conv2", "conv4", "conv6", "resnet", "vgg19", "vgg19 by layer"],
)
def test_densities_are_those_the_paper_prints(
    name: str, options: dict[str, Any], rates: dict[str, float], scope: str, printed: dict[int, float]
) -> None:
    layers = toy.network(name, CIFAR, 10, **options).layers
    groups = pruning.groups(layers, rates, scope)
    assert {n: round(100 * pruning.density(layers, groups, n), 2) for n in printed} == printed


def test_what_follows_what() -> None:
    def types(name: str, **options: Any) -> list[str]:
        return [type(layer).__name__ for layer in toy.network(name, CIFAR, 10, **options).module.children()]

    pair, hidden, normed = ["Conv2d", "ReLU"] * 2 + ["MaxPool2d"], ["Linear", "ReLU"], ["Conv2d", "BatchNorm2d", "ReLU"]
    assert types("conv") == [*pair, "Flatten", *hidden * 2, "Linear"]
    assert types("conv", depth=6, dropout=0.5) == [*pair * 3, "Flatten", *[*hidden, "Dropout"] * 2, "Linear"]
    groups = [[*normed * n, "MaxPool2d"] for n in (2, 2, 4, 4)]
    end = ["AdaptiveAvgPool2d", "Flatten", "Linear"]
    assert types("vgg19") == [*chain.from_iterable(groups), *normed * 4, *end]
    assert types("resnet", depth=14) == [*normed, *["Block"] * 6, *end]


@torch.no_grad()
def test_a_residual_block_adds_to_what_it_was_given() -> None:
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    for filters, size in ((16, 8), (32, 4)):
        block = resnet.Block(16, filters).eval()
        assert block(x).shape == (2, filters, size, size)
        assert block(x).min() == 0
        block.conv2.weight.zero_()
        torch.testing.assert_close(block(x), block.shortcut(x).relu())
        assert (filters == 16) == torch.equal(block.shortcut(x), x)


@pytest.mark.parametrize("depth", [8, 20, 32])
def test_resnets_have_as_many_layers_as_they_say(depth: int) -> None:
    layers = toy.network("resnet", CIFAR, 10, depth=depth).layers
    kinds = Counter(layer.kind for layer in layers.values())
    assert kinds == {"conv": depth - 1, "output": 1, "downsample": 2}
    blocks = (depth - 2) // 6
    assert {name: layer.shape for name, layer in layers.items() if layer.kind == "downsample"} == {
        f"block{blocks + 1}.shortcut.downsample.weight": (32, 16, 1, 1),
        f"block{2 * blocks + 1}.shortcut.downsample.weight": (64, 32, 1, 1),
    }


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("conv", {"depth": 2}, (1, 3, 2)),
        ("conv", {"depth": 6, "dropout": 0.5}, (1, 9, 15)),
        ("resnet", {"depth": 8}, (1, 7, 5)),
        ("vgg19", {}, (1, 16, 31)),
        ("vgg19", {}, CIFAR),
    ],
)
def test_a_logit_a_class_for_images_of_any_size(name: str, options: dict[str, Any], shape: tuple[int, int, int]) -> None:
    network = toy.network(name, shape, 7, **options)
    # Not torch's own weights: drawn anew each time, VGG's biases then hide all but 1e-9 of the images.
    module = toy.load(network.module, toy.fresh(network))
    with torch.no_grad():
        logits = module.eval()(torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 7)
    assert not torch.allclose(logits[0], logits[1], rtol=0.01, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "shape", "words"),
    [
        ("conv", {"depth": 3}, CIFAR, "depth is 3, but should be 2, 4 or 6"),
        ("conv", {"depth": 4.0}, CIFAR, "depth is 4.0, but should be 2, 4 or 6"),
        ("conv", {"depth": [2]}, CIFAR, r"depth is \[2\], but should be 2, 4 or 6"),
        ("conv", {"dropout": 1.0}, CIFAR, "dropout is 1.0, but should be a number from 0 on and below 1, such as 0.5"),
        ("conv", {"dropout": -0.1}, CIFAR, "dropout is -0.1, but should"),
        ("conv", {"dropout": "half"}, CIFAR, "dropout is 'half', but should"),
        ("conv", {"dropout": float("nan")}, CIFAR, "dropout is nan, but should"),
        ("conv", {"depth": 6}, (3, 9, 7), r"the images are 9x7, but should be 8x8 or more for depth 6"),
        ("conv", {"width": 1}, CIFAR, "its options are depth, dropout"),
        ("resnet", {"depth": 18}, CIFAR, "depth is 18, but should be 6n.2 with n from 1 on, such as 20"),
        ("resnet", {"depth": 2}, CIFAR, "depth is 2, but should"),
        ("resnet", {"depth": "20"}, CIFAR, "depth is '20', but should"),
        ("vgg19", {}, (3, 15, 32), "the images are 15x32, but should be 16x16 or more"),
        ("vgg19", {"depth": 19}, CIFAR, "its options are none"),
    ],
)
def test_what_a_network_cannot_take_is_refused(
    name: str, options: dict[str, Any], shape: tuple[int, int, int], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        toy.network(name, shape, 10, **options)


@pytest.mark.parametrize("name", [name for name in plugins.names("models") if name not in OF_TEXTS])
def test_lanes_of_every_network_can_be_batched(name: str) -> None:
    shape = SMALLEST.get(name, CIFAR)
    batch = torch.zeros(2, *shape), torch.tensor([0, 2])
    assert why_not_batched(toy.network(name, shape), toy.CLASSIFICATION.loss, batch) is None


@pytest.mark.parametrize(("name", "options"), [("resnet", {"depth": 8}), ("conv", {"depth": 6})], ids=["resnet", "conv6"])
def test_batched_lanes_train_as_each_does_alone_and_as_torch_does(name: str, options: dict[str, Any]) -> None:
    """Three steps, running statistics among what is compared: further on, sums in another order drift apart."""
    network, data = toy.network(name, SMALL, **options), toy.bundle(shape=SMALL)
    chosen, steps = toy.tickets(network, 2), 3
    both = toy.finish(toy.trainer(network, chosen, toy.SGD, data=data, iterations=steps, every=steps))
    for lane, start in enumerate(chosen):
        seed = lane + 1
        alone = toy.trainer(network, [start], toy.SGD, data=data, iterations=steps, every=steps, seeds=[seed])
        found, expected = both.stack.weights(lane), toy.finish(alone).stack.weights(0)
        loop = toy.plainly(network, start, toy.SGD, data, seed)
        *_, (_, oracle) = islice(loop, steps)
        plain = {n: t.numpy() for n, t in oracle.state_dict().items()}
        assert set(found) == set(expected) == set(plain)
        for weight in found:
            np.testing.assert_allclose(found[weight], expected[weight], **TIGHT, err_msg=weight)
            np.testing.assert_allclose(found[weight], plain[weight], **TIGHT, err_msg=weight)
            assert weight in start.mask or not np.array_equal(found[weight], start.weights[weight]), weight
        counted = [w for n, w in found.items() if n.endswith("num_batches_tracked")]
        assert len(counted) == (9 if name == "resnet" else 0)
        assert all(count == steps for count in counted)


def test_fresh_weights_of_a_network_with_batch_norm() -> None:
    network = toy.network("resnet", SMALL, depth=8)
    module, fresh = network.module, toy.fresh(network)
    assert set(fresh) == set(module.state_dict())
    norms = [name for name, layer in module.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 9
    for norm in norms:
        values = {n.removeprefix(f"{norm}."): set(w.ravel().tolist()) for n, w in fresh.items() if n.startswith(f"{norm}.")}
        assert values == {"weight": {1}, "bias": {0}, "running_mean": {0}, "running_var": {1}, "num_batches_tracked": {0}}
    assert not any(isinstance(layer, nn.Conv2d) and layer.bias is not None for layer in module.modules())


def test_running_statistics_are_rewound() -> None:
    """To what they were at the rewind point, whatever the network's own buffers hold meanwhile."""
    network, data = toy.network("resnet", SMALL, depth=8), toy.bundle(shape=SMALL)
    full, fresh = toy.full(network), toy.fresh(network)
    dense = toy.finish(toy.trainer(network, [ticket(full, fresh)], data=data, iterations=4, every=2, keep=2))
    kept = dense.kept[0]
    buffers = [name for name, _ in network.module.named_buffers()]
    trained = dense.stack.weights(0)
    for name in buffers:
        assert not np.array_equal(kept[name], fresh[name]), name
        assert not np.array_equal(kept[name], trained[name]), name
        network.module.get_buffer(name).fill_(7)
    for weights, origin in ((fresh, 0), (kept, 2)):
        rewound = toy.trainer(network, [ticket(full, weights, origin)], data=data, iterations=4, every=2)
        start = rewound.stack.weights(0)
        assert all(np.array_equal(start[name], weights[name]) for name in start)
        next(rewound.run())  # evaluates before the first step
        before = dense.history[0][origin // 2]
        assert rewound.history[0][0].validation_loss == before.validation_loss
        assert rewound.history[0][0].test_metric == before.test_metric


def test_dropout_is_random_in_training_and_not_in_evaluation() -> None:
    network = toy.network("conv", SMALL, dropout=0.5)
    assert [name for name, layer in network.module.named_modules() if isinstance(layer, nn.Dropout)] == ["dropout1", "dropout2"]
    start = toy.tickets(network, 1, 1.0)
    kernel = Autograd(network.module, toy.CLASSIFICATION.loss, start, toy.CPU)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(1, 20, *SMALL, generator=generator), torch.randint(0, 3, (1, 20), generator=generator)
    with torch.no_grad():
        torch.manual_seed(1)
        first = kernel.gradients(x, y)
        second = kernel.gradients(x, y)
        torch.manual_seed(1)
        again = kernel.gradients(x, y)
        assert not torch.equal(first, second)
        assert torch.equal(first, again)
        logits = kernel.outputs(x)
        assert torch.equal(logits, kernel.outputs(x))
        without = Autograd(toy.network("conv", SMALL).module, toy.CLASSIFICATION.loss, start, toy.CPU)
        assert torch.equal(logits, without.outputs(x))
