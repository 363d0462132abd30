"""What of a network can be pruned, and of which kind it is: the layers that torch has, and what a layer says of itself."""

import numpy as np
import pytest
from torch import Tensor, nn

from pipeline.domain.networks import Network
from pipeline.values.errors import UserError
from tests import toy

Shape = tuple[int, ...]


def own(name: str, shape: Shape = toy.SHAPE, outputs: int = 3, example: Tensor | None = None) -> Network:
    return toy.network(f"tests.test_kinds:{name}", shape, outputs, example=example)


# --- The layers that torch has


class Attention(nn.Module):
    """Rows of an image are what it attends to."""

    def __init__(self, shape: Shape, outputs: int, values: int | None = None) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(shape[-1], 2, batch_first=True, kdim=values, vdim=values)
        self.head = nn.Linear(shape[-1], outputs)
        self.values = values

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1, -2)
        other = x if self.values is None else x[..., : self.values]
        found: Tensor = self.head(self.attention(x, other, other, need_weights=False)[0].mean(1))
        return found


class OtherValues(Attention):
    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__(shape, outputs, values=3)


class Lstm(nn.Module):
    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(shape[-1], 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.lstm(x.flatten(1, -2))[0][:, -1])
        return found


class Words(nn.Module):
    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.head = nn.Linear(shape[0] * 4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.embedding(x).flatten(1))
        return found


def test_the_projections_of_attention_are_of_the_kind_attention() -> None:
    found = own("Attention")
    assert toy.kinds(found) == {
        "attention.in_proj_weight": "attention", "attention.out_proj.weight": "attention", "head.weight": "output"
    }  # fmt: skip
    assert found.layers["attention.in_proj_weight"].shape == (12, 4)
    apart = [f"attention.{which}_proj_weight" for which in "qkv"]
    assert toy.kinds(own("OtherValues")) == {
        **dict.fromkeys(apart, "attention"), "attention.out_proj.weight": "attention", "head.weight": "output"
    }  # fmt: skip


def test_the_weights_of_recurrent_layers_are_of_the_kind_recurrent() -> None:
    names = [f"lstm.weight_{which}_l0{way}" for way in ("", "_reverse") for which in ("ih", "hh")]
    found = own("Lstm")
    assert toy.kinds(found) == {**dict.fromkeys(names, "recurrent"), "head.weight": "output"}
    assert found.layers["lstm.weight_hh_l0"].shape == (20, 5)
    assert found.left_out == []  # its biases have one dimension


def test_the_weights_of_an_embedding_are_of_the_kind_embedding() -> None:
    assert toy.kinds(own("Words", (6,), 5, toy.WORDS)) == {"embedding.weight": "embedding", "head.weight": "output"}


@pytest.mark.parametrize(("name", "kind"), [("Attention", "attention"), ("Lstm", "recurrent")])
def test_pruned_attention_and_recurrent_layers_train_as_in_the_usual_loop(name: str, kind: str) -> None:
    network = own(name)
    start = toy.tickets(network, 1, 0.5)[0]
    toy.trains_as_usual(network, start, toy.bundle())
    assert any(not start.mask[weight].all() for weight, found in toy.kinds(network).items() if found == kind)


def test_glorot_draws_attention_and_recurrent_weights_too() -> None:
    for name, weight, fans in (("Attention", "attention.in_proj_weight", 16), ("Lstm", "lstm.weight_ih_l0", 24)):
        network = own(name)
        found = np.concatenate([toy.fresh(network, seed)[weight].ravel() for seed in range(20)])
        assert found.std() == pytest.approx((2 / fans) ** 0.5, rel=0.1)
        assert abs(found).max() > (6 / fans) ** 0.5  # beyond torch's uniform ones
        biases = [array for key, array in toy.fresh(network).items() if "bias" in key and not key.startswith("head")]
        assert biases
        assert not any(bias.any() for bias in biases)


# --- The output layer, shortcuts, and what a layer says of itself


class Declared(nn.Module):
    """The layer that is used last is declared first, and one that is never used last."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(6, outputs)
        self.proj = nn.Linear(int(np.prod(shape)), 6)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.proj(x.flatten(1)).relu())
        return found


class Residual(nn.Module):
    """As torchvision names it: the shortcut's convolution is `downsample.0`."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(shape[0], 4, 3, padding=1)
        self.downsample = nn.Sequential(nn.Conv2d(shape[0], 4, 1), nn.BatchNorm2d(4))
        self.downsampler = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc(self.downsampler(self.conv(x) + self.downsample(x)).mean((2, 3)))
        return found


def test_the_output_layer_is_the_fully_connected_one_that_is_used_last() -> None:
    assert toy.kinds(own("Declared")) == {"head.weight": "output", "proj.weight": "fc", "unused.weight": "fc"}


def test_a_shortcuts_convolution_is_told_by_a_part_of_its_name() -> None:
    assert toy.kinds(own("Residual")) == {
        "conv.weight": "conv", "downsample.0.weight": "downsample", "downsampler.weight": "conv", "fc.weight": "output"
    }  # fmt: skip


def told(**own_kinds: object) -> nn.Module:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(16, 5), nn.Linear(5, 3))
    for index, kind in own_kinds.items():
        setattr(module[int(index[1:])], "kind", kind)  # noqa: B010 - a name that the type checker does not know
    return module


def test_a_layers_own_kind_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(**own_kinds: object) -> list[str]:
        monkeypatch.setattr("tests.test_kinds.Told", lambda shape, outputs: told(**own_kinds), raising=False)
        return [*toy.kinds(own("Told")).values()]

    assert found() == ["conv", "fc", "output"]
    assert found(_0="downsample") == ["downsample", "fc", "output"]
    assert found(_2="output") == ["conv", "output", "fc"]
    assert found(_3="fc") == ["conv", "output", "fc"]
    assert found(_2="stem") == ["conv", "stem", "output"]  # any name that params.yaml has a rate for
    with pytest.raises(UserError, match="kind of 2 is 7, but should be a name"):
        found(_2=7)
