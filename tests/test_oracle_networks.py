"""The paper's networks written a second time, as plain functions of their weights, and the training of them as a plain loop.

Nothing here but `ours`, `order` and the trainer under test is the pipeline's: not its modules, its normalisation, its
optimizers or its losses.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.domain.networks import Network as Ours
from pipeline.training.examples import Order, Stream, split
from tests import toy

Weights = dict[str, Tensor]
Network = Callable[[Weights, Tensor, bool], Tensor]  # weights and statistics by name, images, whether it trains -> logits
CIFAR = (3, 32, 32)


def ours(name: str, shape: tuple[int, int, int], options: dict[str, Any]) -> Ours:
    return toy.network(name, shape, 10, **options)


def order(seed: int, images: int, validation: int, batch: int) -> Order:
    return Order([Stream(seed)], [split(seed, images, validation)[0]], batch, toy.CPU)


# --- The networks


def lenet(w: Weights, x: Tensor, training: bool) -> Tensor:
    x = x.reshape(len(x), -1)
    x = F.relu(F.linear(x, w["fc1.weight"], w["fc1.bias"]))
    x = F.relu(F.linear(x, w["fc2.weight"], w["fc2.bias"]))
    return F.linear(x, w["output.weight"], w["output.bias"])


def conv(depth: int, dropout: float = 0.0) -> Network:
    """Two convolutions and a pooling, once, twice or three times; two hidden layers, each with dropout behind it."""

    def network(w: Weights, x: Tensor, training: bool) -> Tensor:
        for i in range(1, depth + 1):
            x = F.relu(F.conv2d(zeros_around(x), w[f"conv{i}.weight"], w[f"conv{i}.bias"]))
            if i % 2 == 0:
                x = F.max_pool2d(x, 2)
        x = x.reshape(len(x), -1)
        for i in (1, 2):
            x = F.relu(F.linear(x, w[f"fc{i}.weight"], w[f"fc{i}.bias"]))
            if training and dropout:
                x = F.dropout(x, dropout)
        return F.linear(x, w["output.weight"], w["output.bias"])

    return network


def vgg19(w: Weights, x: Tensor, training: bool) -> Tensor:
    """2, 2, 4, 4 and 4 convolutions, max pooling between them, the average of the image in the end."""
    for i in range(1, 17):
        x = F.conv2d(zeros_around(x), w[f"conv{i}.weight"])
        x = F.relu(norm(w, f"norm{i}", x, training))
        if i in (2, 4, 8, 12):
            x = F.max_pool2d(x, 2)
    return F.linear(x.mean((2, 3)), w["output.weight"], w["output.bias"])


def resnet(depth: int) -> Network:
    """Blocks of two convolutions, each normed before its ReLU, the second after the shortcut is added to it."""

    def network(w: Weights, x: Tensor, training: bool) -> Tensor:
        a_stage = (depth - 2) // 6
        x = F.relu(norm(w, "norm", F.conv2d(zeros_around(x), w["conv.weight"]), training))
        for i in range(1, 3 * a_stage + 1):
            block = f"block{i}"
            stride = 2 if i in (a_stage + 1, 2 * a_stage + 1) else 1
            inner = F.conv2d(zeros_around(x), w[f"{block}.conv1.weight"], stride=stride)
            inner = F.relu(norm(w, f"{block}.norm1", inner, training))
            inner = norm(w, f"{block}.norm2", F.conv2d(zeros_around(inner), w[f"{block}.conv2.weight"]), training)
            if stride == 2:
                x = F.conv2d(x, w[f"{block}.shortcut.downsample.weight"], stride=2)
                x = norm(w, f"{block}.shortcut.norm", x, training)
            x = F.relu(inner + x)
        return F.linear(x.mean((2, 3)), w["output.weight"], w["output.bias"])

    return network


def zeros_around(x: Tensor) -> Tensor:
    """So that a window of 3 gives an image of the same size."""
    framed = x.new_zeros(*x.shape[:2], x.shape[2] + 2, x.shape[3] + 2)
    framed[:, :, 1:-1, 1:-1] = x
    return framed


def norm(w: Weights, name: str, x: Tensor, training: bool) -> Tensor:
    """By the batch's own mean and variance in training, a tenth of which goes into the running ones; else by those."""
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    if training:
        count = x.numel() // x.shape[1]
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        unbiased = variance.detach() * count / (count - 1)
        for statistic, new in (("running_mean", mean.detach()), ("running_var", unbiased)):
            w[f"{name}.{statistic}"] = 0.9 * w[f"{name}.{statistic}"] + 0.1 * new
    mean, variance, weight, bias = (t.view(-1, 1, 1) for t in (mean, variance, w[f"{name}.weight"], w[f"{name}.bias"]))
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


# --- Ours against them


def randomise(module: nn.Module) -> None:
    """Nothing stays as a fresh network has it: norms, biases and running statistics are random too."""
    draw = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.dim() >= 2:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=draw)
        elif name.endswith(("running_var", "weight")):
            tensor.uniform_(0.5, 1.5, generator=draw)
        else:
            tensor.normal_(0, 0.5, generator=draw)


NETWORKS: dict[str, tuple[Network, str, tuple[int, int, int], dict[str, Any]]] = {
    "lenet": (lenet, "lenet", (1, 28, 28), {"hidden": [300, 100]}),
    "conv2": (conv(2), "conv", CIFAR, {"depth": 2}),
    "conv4": (conv(4), "conv", CIFAR, {"depth": 4}),
    "conv6": (conv(6), "conv", CIFAR, {"depth": 6}),
    "conv4_dropout": (conv(4, 0.5), "conv", CIFAR, {"depth": 4, "dropout": 0.5}),
    "vgg19": (vgg19, "vgg19", CIFAR, {}),
    "resnet20": (resnet(20), "resnet", CIFAR, {"depth": 20}),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "vgg19" else n for n in NETWORKS])
@torch.no_grad()
def test_a_network_gives_the_logits_of_the_same_written_plainly(name: str, training: bool) -> None:
    """In float64, so that another order of sums is no excuse; dropout draws the same, being asked in the same order."""
    plain, model, shape, options = NETWORKS[name]
    module = ours(model, shape, options).module.double().train(training)
    randomise(module)
    weights = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.manual_seed(2)
    found = module(x)
    torch.manual_seed(2)
    torch.testing.assert_close(found, plain(weights, x, training), rtol=1e-9, atol=1e-9)
    assert found.std(0).min() > 0.01  # which says something only where the images are told apart
    after = module.state_dict()
    statistics = [key for key in weights if "running" in key]
    torch.testing.assert_close([after[key] for key in statistics], [weights[key] for key in statistics])


# --- The trainer against a plain loop

SHAPE, IMAGES, VALIDATION, BATCH, SEED = (2, 8, 8), 130, 30, 20, 5
MEAN, STD = 0.3, 0.2  # of every channel of the toy data
DATA = toy.bundle(IMAGES, 70, 10, SHAPE)


def pixels(images: np.ndarray) -> Tensor:
    return (torch.tensor(images.tolist()) / 255 - MEAN) / STD


def sgd(weight: Tensor, gradient: Tensor, kept: dict[str, Any]) -> Tensor:
    """Of `toy.SGD`: rate 0.05, momentum 0.9, decay 0.1."""
    kept["m"] = 0.9 * kept.get("m", 0.0) + gradient + 0.1 * weight
    return weight - 0.05 * kept["m"]


def adam(weight: Tensor, gradient: Tensor, kept: dict[str, Any]) -> Tensor:
    """Of `toy.ADAM`: rate 0.01, decay 0.1, the usual betas and epsilon."""
    gradient = gradient + 0.1 * weight
    kept["t"] = kept.get("t", 0) + 1
    kept["m"] = 0.9 * kept.get("m", 0.0) + 0.1 * gradient
    kept["v"] = 0.999 * kept.get("v", 0.0) + 0.001 * gradient**2
    mean, square = kept["m"] / (1 - 0.9 ** kept["t"]), kept["v"] / (1 - 0.999 ** kept["t"])
    return weight - 0.01 * mean / (square.sqrt() + 1e-8)


def plainly(
    network: Network, start: toy.Ticket, trained: list[str], update: Callable[..., Tensor]
) -> Iterator[tuple[float, float, float]]:
    """Of each iteration: the loss before it, and the validation and test loss after it."""
    batches = order(SEED, IMAGES, VALIDATION, BATCH)
    seen = {int(i) for iteration in range(batches.per_epoch) for i in batches.batch(iteration)[0][0]}
    held_out = [i for i in range(IMAGES) if i not in seen]  # an epoch of 5 times 20 shows all of the other 100
    assert len(held_out) == VALIDATION
    images, labels = pixels(DATA.train_inputs), torch.tensor(DATA.train_targets.tolist())
    tested, of_tested = pixels(DATA.test_inputs), torch.tensor(DATA.test_targets.tolist())
    weights = {name: torch.tensor(array) for name, array in start.weights.items()}
    kept: dict[str, dict[str, Any]] = {name: {} for name in trained}
    iteration = 0
    while True:
        index = batches.batch(iteration)[0][0]
        leaves = {name: weights[name].clone().requires_grad_() for name in trained}
        used = weights | leaves
        loss = F.cross_entropy(network(used, images[index], True), labels[index])
        gradients = torch.autograd.grad(loss, [*leaves.values()])
        weights = {name: tensor.detach() for name, tensor in used.items()}  # with the new running statistics
        for name, gradient in zip(trained, gradients, strict=True):
            weights[name] = update(weights[name], gradient, kept[name])
            if name in start.mask:
                weights[name] = weights[name] * torch.tensor(start.mask[name])
        losses = [
            float(F.cross_entropy(network(weights, x, False), y))
            for x, y in ((images[held_out], labels[held_out]), (tested, of_tested))
        ]
        iteration += 1
        yield float(loss.detach()), losses[0], losses[1]


@pytest.mark.parametrize(
    ("network", "name", "options", "optimizer", "update"),
    [
        (lenet, "lenet", {"hidden": [300, 100]}, toy.ADAM, adam),
        (conv(4), "conv", {"depth": 4}, toy.ADAM, adam),
        (resnet(8), "resnet", {"depth": 8}, toy.SGD, sgd),
    ],
    ids=["lenet", "conv4", "resnet"],
)
def test_every_loss_of_a_training_is_that_of_a_plain_loop(
    network: Network, name: str, options: dict[str, Any], optimizer: Any, update: Callable[..., Tensor]
) -> None:
    """Over the end of the first epoch, with a fifth of the weights pruned."""
    iterations, mine = 7, ours(name, SHAPE, options)
    start = toy.tickets(mine, 1, 0.8)[0]
    trainer = toy.trainer(mine, [start], optimizer, data=DATA, iterations=iterations, every=1, seeds=[SEED])
    rows = toy.finish(trainer).history[0][1:]
    loop = plainly(network, start, [n for n, _ in mine.module.named_parameters()], update)
    expected = [next(loop) for _ in range(iterations)]
    found = [(row.train_loss, row.validation_loss, row.test_loss) for row in rows]
    assert np.ptp(expected, axis=0).min() > 0.05  # else it would say little
    np.testing.assert_allclose(found, expected, rtol=1e-4)
