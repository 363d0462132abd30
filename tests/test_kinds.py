"""What of a network can be pruned, and of which kind it is: torch's layers, a user's own, shared and frozen ones."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from pipeline.domain.bundle import Bundle
from pipeline.domain.networks import Network
from pipeline.files import store
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.training.autograd import Autograd
from pipeline.values import paths
from pipeline.values.errors import UserError
from tests import lottery, toy

Shape = tuple[int, ...]
WORDS = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 1, 2, 2, 3, 3]])


def own(name: str, shape: Shape = toy.SHAPE, outputs: int = 3, example: Tensor | None = None) -> Network:
    return toy.network(f"tests.test_kinds:{name}", shape, outputs, example=example)


def kinds(network: Network) -> dict[str, str]:
    return {name: layer.kind for name, layer in network.layers.items()}


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
    assert kinds(found) == {
        "attention.in_proj_weight": "attention", "attention.out_proj.weight": "attention", "head.weight": "output"
    }  # fmt: skip
    assert found.layers["attention.in_proj_weight"].shape == (12, 4)
    apart = [f"attention.{which}_proj_weight" for which in "qkv"]
    assert kinds(own("OtherValues")) == {
        **dict.fromkeys(apart, "attention"), "attention.out_proj.weight": "attention", "head.weight": "output"
    }  # fmt: skip


def test_the_weights_of_recurrent_layers_are_of_the_kind_recurrent() -> None:
    names = [f"lstm.weight_{which}_l0{way}" for way in ("", "_reverse") for which in ("ih", "hh")]
    found = own("Lstm")
    assert kinds(found) == {**dict.fromkeys(names, "recurrent"), "head.weight": "output"}
    assert found.layers["lstm.weight_hh_l0"].shape == (20, 5)
    assert found.left_out == []  # its biases have one dimension


def test_the_weights_of_an_embedding_are_of_the_kind_embedding() -> None:
    assert kinds(own("Words", (6,), 5, WORDS)) == {"embedding.weight": "embedding", "head.weight": "output"}


@pytest.mark.parametrize(("name", "kind"), [("Attention", "attention"), ("Lstm", "recurrent")])
def test_pruned_attention_and_recurrent_layers_train_as_in_the_usual_loop(name: str, kind: str) -> None:
    network = own(name)
    start = toy.tickets(network, 1, 0.5)[0]
    trains_as_usual(network, start, toy.bundle())
    assert any(not start.mask[weight].all() for weight, found in kinds(network).items() if found == kind)


def trains_as_usual(network: Network, start: toy.Ticket, data: Bundle) -> dict[str, np.ndarray]:
    trainer = toy.finish(toy.trainer(network, [start], toy.SGD, data=data, iterations=5, every=1))
    *_, (_, usual) = islice(toy.plainly(network, start, toy.SGD, data, 1), 5)
    weights = trainer.stack.weights(0)
    expected = {name: t.detach().numpy() for name, t in (*usual.named_parameters(), *usual.named_buffers())}
    assert weights.keys() == expected.keys()
    for weight, array in weights.items():
        np.testing.assert_allclose(array, expected[weight], rtol=1e-4, atol=1e-6, err_msg=weight)
        assert weight not in start.mask or not array[~start.mask[weight]].any()
    return weights


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
    assert kinds(own("Declared")) == {"head.weight": "output", "proj.weight": "fc", "unused.weight": "fc"}


def test_a_shortcuts_convolution_is_told_by_a_part_of_its_name() -> None:
    assert kinds(own("Residual")) == {
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
        return [*kinds(own("Told")).values()]

    assert found() == ["conv", "fc", "output"]
    assert found(_0="downsample") == ["downsample", "fc", "output"]
    assert found(_2="output") == ["conv", "output", "fc"]
    assert found(_3="fc") == ["conv", "output", "fc"]
    assert found(_2="stem") == ["conv", "stem", "output"]  # any name that params.yaml has a rate for
    with pytest.raises(UserError, match="kind of 2 is 7, should be a name"):
        found(_2=7)


# --- What a model says of its weights, and what nobody knows to be one


class Bare(nn.Module):
    """A token that begins at zero, a scale that begins at 0.5, and a matrix that no layer has."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        size = int(np.prod(shape))
        self.token, self.scale = nn.Parameter(torch.zeros(1, size)), nn.Parameter(torch.full((size,), 0.5))
        self.mix = nn.Parameter(torch.randn(size, 6))
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.norm((x.flatten(1) * self.scale + self.token) @ self.mix).relu())
        return found


class Told(Bare):
    def prunable(self) -> dict[str, str]:
        return {"mix": "mixer"}


class Mistold(Bare):
    def prunable(self) -> dict[str, str]:
        return {"mix": "mixer", "mixes": "mixer", "norm": "norm"}


class Listed(Bare):
    def prunable(self) -> list[str]:
        return ["mix"]


def test_bare_matrices_are_named_and_not_counted(tmp_path: Path) -> None:
    found = own("Bare")
    assert (kinds(found), found.left_out) == ({"head.weight": "output"}, ["token", "mix"])
    toy_experiment = bare("Bare", {"output": 0.2})
    with lottery.repository(tmp_path, lottery.params(toy=toy_experiment)):
        lottery.run("toy", "r00", "r01")
        layers = store.read_json(paths.layers("toy"))
        assert layers == {"weights": {"head.weight": {"kind": "output", "shape": [3, 6]}}, "left_out": ["token", "mix"]}
        assert lottery.about("toy", "r01", "seed1")["weights"] == 18
        shown = show("toy", config.load().experiment("toy"))
    assert [line for line in shown.splitlines() if "token, mix" in line and "never pruned" in line]
    assert "60 weights in head (output) 60" in shown  # by the digits' own form, of ten classes


def test_a_model_says_itself_what_can_be_pruned(tmp_path: Path) -> None:
    found = own("Told")
    assert (kinds(found), found.left_out) == ({"mix": "mixer"}, ["token", "head.weight"])
    with lottery.repository(tmp_path, lottery.params(toy=bare("Told", {"mixer": 0.5}))):
        lottery.run("toy", "r00", "r01")
        assert lottery.mask("toy", "r01", 1).kept == {"mix": 48}
        trained = lottery.arrays("toy", "r01", "seed1", "trained")
        assert (trained["mix"] == 0).sum() == 48
        assert trained["head.weight"].all()


def bare(name: str, rates: dict[str, float]) -> dict[str, object]:
    changed = lottery.experiment(model={"name": f"tests.test_kinds:{name}"}, arms={}, seeds=[1])
    return changed | {"pruning": {"criterion": "magnitude", "scope": "layer", "rates": rates, "rounds": 1}}


@pytest.mark.parametrize(("name", "wrong"), [("Mistold", "mixes, norm"), ("Listed", r"\['mix'\]")])
def test_what_a_model_says_wrongly_of_its_weights_is_named(name: str, wrong: str) -> None:
    with pytest.raises(UserError, match=rf"prunable\(\) names {wrong}; should be a mapping of token, scale, mix, .* to kinds"):
        own(name)


class Normed(nn.Module):
    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.first = parametrizations.weight_norm(nn.Linear(int(np.prod(shape)), 6))
        self.second, self.head = nn.Linear(6, 6), nn.Linear(6, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.second(self.first(x.flatten(1)).relu()).relu())
        return found


def test_a_weight_that_is_computed_from_others_is_not_pruned_and_trains() -> None:
    """Weight norm: the layer's weight is no parameter, but a direction times a length."""
    network = own("Normed")
    assert kinds(network) == {"second.weight": "fc", "head.weight": "output"}
    assert network.left_out == [f"first.parametrizations.weight.original{i}" for i in (0, 1)]
    start = toy.tickets(network, 1)[0]
    trained = trains_as_usual(network, start, toy.bundle())
    assert all((trained[name] != start.weights[name]).any() for name in network.left_out)


# --- Shared weights


class Tied(nn.Module):
    """A language model's first and last layer are one matrix."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.embedding, self.inner, self.decoder = nn.Embedding(outputs, 8), nn.Linear(8, 8), nn.Linear(8, outputs)
        self.decoder.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.decoder(self.inner(self.embedding(x)[:, -2:].mean(1)))
        return found


def test_a_shared_weight_is_counted_once_and_trains_as_in_the_usual_loop() -> None:
    network = own("Tied", (6,), 5, WORDS)
    assert kinds(network) == {"embedding.weight": "embedding", "inner.weight": "output"}
    start = toy.tickets(network, 1)[0]
    assert "decoder.weight" not in start.weights
    trained = trains_as_usual(network, start, toy.tokens())
    kept = start.mask["embedding.weight"]
    assert (trained["embedding.weight"] != start.weights["embedding.weight"])[kept].all()


def test_a_shared_weight_is_pruned_and_rewound_once(tmp_path: Path) -> None:
    changed = bare("Tied", {"embedding": 0.5}) | {"rewind": "3it"}
    with lottery.repository(tmp_path, lottery.params(toy=changed), toy.tokens()):
        lottery.run("toy", "r00", "r01")
        assert lottery.about("toy", "r01", "seed1")["weights"] == 5 * 8 + 8 * 8
        mask = lottery.mask("toy", "r01", 1)
        assert mask.kept == {"embedding.weight": 20, "inner.weight": 64}
        rewound, start, trained = (
            lottery.arrays("toy", item, "seed1", which)
            for item, which in [("r00", "rewind"), ("r01", "start"), ("r01", "trained")]
        )
        lottery.is_mask_times(start, mask, rewound)
        assert not trained["embedding.weight"][~mask["embedding.weight"]].any()


# --- Frozen parameters


class Frozen(nn.Module):
    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        self.features = nn.Linear(int(np.prod(shape)), 6)
        self.middle, self.head = nn.Linear(6, 6), nn.Linear(6, outputs)
        self.features.requires_grad_(False)
        self.middle.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.middle(self.features(x.flatten(1)).relu()).relu())
        return found


class FrozenChain(nn.Sequential):
    """What would go by hand, were it all trained."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(int(np.prod(shape)), 6), nn.ReLU(), nn.Linear(6, outputs))
        self[1].weight.requires_grad_(False)


FROZEN = {"Frozen": ["features.weight", "features.bias", "middle.bias"], "FrozenChain": ["1.weight"]}


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("lanes", [1, 2])
def test_frozen_parameters_are_not_counted_get_no_gradient_and_keep_their_bits(name: str, lanes: int) -> None:
    """Weight decay and momentum would move them too."""
    network, frozen = own(name), FROZEN[name]
    assert not {*network.layers, *network.left_out} & {*frozen}
    starts = toy.tickets(network, lanes)
    trainer = toy.finish(toy.trainer(network, starts, toy.SGD))
    assert isinstance(trainer.compute, Autograd)
    assert not {*trainer.stack.gradients} & {*frozen}
    for i, start in enumerate(starts):
        trained = trainer.stack.weights(i)
        assert {name for name in trained if trained[name].tobytes() == start.weights[name].tobytes()} == {*frozen}
        assert all(start.weights[weight].any() for weight in frozen)


def test_frozen_parameters_go_through_the_stages_with_the_models_own_weights(tmp_path: Path) -> None:
    changed = bare("Frozen", {"fc": 0.5}) | {"rewind": "3it", "arms": {"reinit": {"rounds": 1, "draws": 1}}}
    with lottery.repository(tmp_path, lottery.params(toy=changed)):
        lottery.run("toy")
        assert lottery.about("toy", "r00", "seed1")["weights"] == 36 + 18
        first = lottery.arrays("toy", "r00", "seed1", "start")
        for item, lane in (("r00", "seed1"), ("r01", "seed1"), ("reinit_r01", "seed1_draw1")):
            start, trained = (lottery.arrays("toy", item, lane, which) for which in ("start", "trained"))
            assert all(start[name].tobytes() == trained[name].tobytes() for name in FROZEN["Frozen"])
            if lane == "seed1":
                assert start["features.weight"].tobytes() == first["features.weight"].tobytes()


# --- Inits


def test_an_init_leaves_what_it_does_not_draw_as_the_model_made_it() -> None:
    found = toy.fresh(own("Bare"))
    assert not found["token"].any()
    assert set(found["scale"].tolist()) == {0.5}
    assert set(found["norm.weight"].tolist()) == {1.0}
    assert found["mix"].std() == pytest.approx(1, abs=0.3)  # the model's own, not Glorot's 0.3
    assert not found["head.bias"].any()
    again, other = toy.fresh(own("Bare")), toy.fresh(own("Bare"), seed=2)
    assert found["mix"].tobytes() == again["mix"].tobytes() != other["mix"].tobytes()


def test_glorot_draws_attention_and_recurrent_weights_too() -> None:
    for name, weight, fans in (("Attention", "attention.in_proj_weight", 16), ("Lstm", "lstm.weight_ih_l0", 24)):
        network = own(name)
        found = np.concatenate([toy.fresh(network, seed)[weight].ravel() for seed in range(20)])
        assert found.std() == pytest.approx((2 / fans) ** 0.5, rel=0.1)
        assert abs(found).max() > (6 / fans) ** 0.5  # beyond torch's uniform ones
        biases = [array for key, array in toy.fresh(network).items() if "bias" in key and not key.startswith("head")]
        assert biases
        assert not any(bias.any() for bias in biases)


def test_the_init_called_model_leaves_everything_as_the_model_made_it() -> None:
    network = own("Bare")
    found, again, other = (toy.fresh(network, seed, init="model") for seed in (1, 1, 2))
    assert found["head.bias"].any()  # torch's own, which Glorot would set to zero
    assert all(found[name].tobytes() == again[name].tobytes() for name in found)
    drawn = {name for name in found if found[name].tobytes() != other[name].tobytes()}
    assert drawn == {"mix", "head.weight", "head.bias"}


def test_an_experiment_trains_from_the_models_own_weights_when_its_init_says_so(tmp_path: Path) -> None:
    changed = bare("Bare", {"output": 0.2}) | {"init": "model"}
    with lottery.repository(tmp_path, lottery.params(toy=changed)):
        lottery.run("toy", "r00")
        start = lottery.arrays("toy", "r00", "seed1", "start")
    expected = toy.fresh(own("Bare"), 1, init="model")
    assert {name: a.tobytes() for name, a in start.items()} == {name: a.tobytes() for name, a in expected.items()}
