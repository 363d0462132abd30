"""Compacted networks give the outputs of the masked ones, and they are smaller."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.compact import cost, removal
from pipeline.domain import networks
from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.structures import plan_of
from pipeline.values import plugins
from pipeline.values.errors import UserError
from tests import toy


class Transformer(nn.Module):
    """Two of torch's own layers, on the rows of an image."""

    def __init__(self, shape: tuple[int, int, int], outputs: int, norm_first: bool = False) -> None:
        super().__init__()
        self.embed = nn.Linear(shape[2], 8)
        layer = nn.TransformerEncoderLayer(8, 4, 12, 0.0, batch_first=True, norm_first=norm_first)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.output(self.layers(self.embed(x[:, 0])).mean(1))
        return found


def transformer(shape: tuple[int, int, int], outputs: int) -> nn.Module:
    return Transformer(shape, outputs)


IMAGE = (3, 16, 16)
MODELS = {
    "lenet": ("lenet", (1, 4, 4), {"hidden": [12, 8]}),
    "conv2": ("conv", (3, 8, 8), {"depth": 2}),
    "conv4": ("conv", (3, 8, 8), {"depth": 4}),
    "conv6": ("conv", (3, 8, 8), {"depth": 6}),
    "resnet": ("resnet", (3, 8, 8), {"depth": 8}),
    "vgg19": ("vgg19", IMAGE, {}),
    "transformer": ("tests.test_compact:transformer", (1, 4, 4), {}),
}
CASES = [
    ("lenet", "unit"), ("conv2", "filter"), ("conv2", "unit"), ("conv4", "filter"), ("conv6", "filter"), ("resnet", "filter"),
    pytest.param("vgg19", "filter", marks=pytest.mark.slow), ("transformer", "head"), ("transformer", "unit"),
]  # fmt: skip


def built(name: str) -> tuple[Network, Tensor, dict[str, np.ndarray]]:
    """A network with noise in all parameters and buffers, so that no bias or statistic is zero or one."""
    model, shape, options = MODELS[name]
    example = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    network = networks.build(plugins.bind("models", model, options), example[:2], (5,))
    draw = np.random.default_rng(0)
    weights = {}
    for key, tensor in (*network.module.named_parameters(), *network.module.named_buffers()):
        scale = 1.0 if tensor.dim() < 2 else (2.0 / tensor[0].numel()) ** 0.5
        noise = (scale * draw.standard_normal(tensor.shape)).astype(np.float32)
        weights[key] = np.abs(noise) + 0.5 if "running_var" in key else noise if tensor.is_floating_point() else tensor.numpy()
    return network, example, weights


def pruned(network: Network, example: Tensor, structure: str, weights: Mapping[str, np.ndarray], rounds: int = 1) -> Mask:
    kinds = {layer.kind for layer in network.layers.values()}
    plan = plan_of(
        plugins.bind("structures", structure, {}),
        layers=network.layers, rates=dict.fromkeys(kinds, 0.5), scope="layer", module=network.module, example=example,
    )  # fmt: skip
    mask = plan.prune({name: np.abs(weights[name]) for name in network.layers}, toy.full(network), rounds)
    assert mask.density == pytest.approx(plan.density(rounds), abs=1e-12)
    return mask


@torch.no_grad()
def outputs(module: nn.Module, example: Tensor) -> Tensor:
    found: Tensor = module.eval()(example)
    return found


@pytest.mark.parametrize(("name", "structure"), CASES)
def test_a_compacted_network_is_smaller_and_gives_the_same_outputs(name: str, structure: str) -> None:
    network, example, weights = built(name)
    mask = pruned(network, example, structure, weights)
    smaller = removal.compact(network.module, mask, weights, example)
    masked = toy.load(network.make(), mask.apply(weights))
    more = torch.cat([example, 3 * example.flip(0)])
    expected = outputs(masked, more)
    torch.testing.assert_close(outputs(smaller, more), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    left = sum(p.numel() for n, p in smaller.named_parameters() if p.dim() > 1)
    assert left == sum(mask.kept.values()), "all that the structure removes is gone"
    surviving = cost.surviving_operations(masked, mask, example)
    # A removed head also takes its products of queries, keys and values with it, which are of no weight.
    assert cost.operations(smaller, example) == pytest.approx(surviving, rel=0.1 if structure == "head" else 0.02)
    assert cost.size_of(smaller) < cost.size_of(masked)


def test_a_unit_with_a_constant_value_is_kept_as_long_as_it_is_read() -> None:
    """The first unit of the first layer gets nothing but its bias, and the second is read by nothing."""
    network, example, weights = built("lenet")
    arrays = {name: np.ones(a.shape, bool) for name, a in toy.full(network).items()}
    arrays["fc1.weight"][0] = arrays["fc2.weight"][:, 1] = False
    weights["fc1.bias"][:2] = 5.0
    mask = Mask(arrays)
    smaller = removal.compact(network.module, mask, weights, example)
    masked = toy.load(network.make(), mask.apply(weights))
    torch.testing.assert_close(outputs(smaller, example), outputs(masked, example), rtol=1e-4, atol=1e-4)
    assert smaller.get_submodule("fc1").weight.shape == (11, 16)  # type: ignore[union-attr]


def test_what_feeds_only_dead_units_is_dead() -> None:
    network, example, weights = built("lenet")
    arrays = {name: np.ones(a.shape, bool) for name, a in toy.full(network).items()}
    arrays["output.weight"][:, :3] = False  # three units of fc2 are dead
    arrays["fc2.weight"][3:, 0] = False  # the first unit of fc1 feeds these only
    smaller = removal.compact(network.module, Mask(arrays), weights, example)
    assert [smaller.get_submodule(n).weight.shape[0] for n in ("fc1", "fc2", "output")] == [11, 5, 5]  # type: ignore[union-attr]


class Counting(nn.Module):
    """Uses the mean over its hidden units, which is no layer that a graph of layers shows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.output = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.inner(x))
        found: Tensor = self.output(hidden - hidden.mean(1, keepdim=True))
        return found


def test_a_network_that_mixes_its_units_unseen_is_refused() -> None:
    torch.manual_seed(0)
    module = Counting()
    weights = {name: p.detach().numpy().copy() + 0.5 for name, p in module.named_parameters()}
    kept = np.ones((2, 6), bool)
    kept[:, :3] = False
    with pytest.raises(UserError, match="uses some of its units in a way that is not known"):
        removal.compact(module, Mask({"inner.weight": np.ones((6, 4), bool), "output.weight": kept}), weights, torch.rand(3, 4))


def test_operations_and_bytes_of_a_small_network() -> None:
    """By hand: 16 inputs, 12 and 8 units, 5 outputs."""
    network, example, _ = built("lenet")
    dense = 16 * 12 + 12 * 8 + 8 * 5
    assert cost.operations(network.module, example) == 2 * dense
    arrays = {name: np.zeros(a.shape, bool) for name, a in toy.full(network).items()}
    arrays["fc2.weight"][0, :3] = True
    mask, biases = Mask(arrays), 4 * (12 + 8 + 5)
    assert cost.surviving_operations(network.module, mask, example) == 6
    assert cost.size_of(network.module) == 4 * dense + biases
    with pytest.raises(UserError, match="operations of lost cannot be counted"):
        cost.surviving_operations(network.module, Mask({"lost": np.ones((2, 2), bool)}), example)


class Ahead(nn.Module):
    """Layers that get places before examples, and one attention that is used twice."""

    def __init__(self, keys: int) -> None:
        super().__init__()
        self.linear, self.attention, self.keys = nn.Linear(4, 4), nn.MultiheadAttention(4, 2), keys

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x.transpose(0, 1))
        for _ in range(2):
            x, _weights = self.attention(x, x[: self.keys], x[: self.keys], need_weights=False)
        return x.transpose(0, 1)


def test_weights_are_counted_as_often_as_they_are_used() -> None:
    """Without weights, the products of attention itself are left: 2 uses of 2 products of 5 places with 5, of width 4."""
    module, example = Ahead(5), torch.rand(3, 5, 4)
    mask = Mask({n: np.zeros(p.shape, bool) for n, p in module.named_parameters() if p.dim() > 1})
    assert cost.surviving_operations(module, mask, example) == 2 * 2 * (2 * 5 * 5 * 4)
    with pytest.raises(UserError, match=r"of attention\.in_proj_weight, attention\.out_proj\.weight cannot be counted"):
        cost.surviving_operations(Ahead(3), mask, example)


def test_a_transposed_convolution_is_refused() -> None:
    mask = Mask({"weight": np.zeros((2, 3, 3, 3), bool)})
    with pytest.raises(UserError, match="operations of weight cannot be counted"):
        cost.surviving_operations(nn.ConvTranspose2d(2, 3, 3, stride=2), mask, torch.rand(2, 2, 4, 4))


def test_the_operations_of_a_convolution_count_every_pixel() -> None:
    network, example, _ = built("conv2")
    halves = Mask({name: np.arange(a.size).reshape(a.shape) % 2 == 0 for name, a in toy.full(network).items()})
    whole = cost.operations(network.module, example)
    assert cost.surviving_operations(network.module, halves, example) == whole / 2
    assert whole == 2 * (64 * 27 * 64 + 64 * 576 * 64 + 1024 * 256 + 256 * 256 + 256 * 5)
