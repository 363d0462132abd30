"""Weights that no layer of torch tells of: a model's own, shared and frozen ones; and how an init leaves them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from pipeline.domain.networks import Network
from pipeline.files import store
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.training.autograd import Autograd
from pipeline.values import paths
from pipeline.values.errors import UserError
from tests import lottery, toy

Shape = tuple[int, ...]


def own(name: str, shape: Shape = toy.SHAPE, outputs: int = 3, example: Tensor | None = None) -> Network:
    return toy.network(f"tests.test_own_weights:{name}", shape, outputs, example=example)


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
    assert (toy.kinds(found), found.left_out) == ({"head.weight": "output"}, ["token", "mix"])
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
    assert (toy.kinds(found), found.left_out) == ({"mix": "mixer"}, ["token", "head.weight"])
    with lottery.repository(tmp_path, lottery.params(toy=bare("Told", {"mixer": 0.5}))):
        lottery.run("toy", "r00", "r01")
        assert lottery.mask("toy", "r01", 1).kept == {"mix": 48}
        trained = lottery.arrays("toy", "r01", "seed1", "trained")
        assert (trained["mix"] == 0).sum() == 48
        assert trained["head.weight"].all()


def bare(name: str, rates: dict[str, float]) -> dict[str, object]:
    changed = lottery.experiment(model={"name": f"tests.test_own_weights:{name}"}, arms={}, seeds=[1])
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
    assert toy.kinds(network) == {"second.weight": "fc", "head.weight": "output"}
    assert network.left_out == [f"first.parametrizations.weight.original{i}" for i in (0, 1)]
    start = toy.tickets(network, 1)[0]
    trained = toy.trains_as_usual(network, start, toy.bundle())
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
    network = own("Tied", (6,), 5, toy.WORDS)
    assert toy.kinds(network) == {"embedding.weight": "embedding", "inner.weight": "output"}
    start = toy.tickets(network, 1)[0]
    assert "decoder.weight" not in start.weights
    trained = toy.trains_as_usual(network, start, toy.tokens())
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
