"""Plug-ins that are unusual and right: categories, frozen minus infinity, layers left out, defaults, other encodings."""

import json
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.domain import arms, networks
from pipeline.domain.arms import Arm
from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.masks import Mask
from pipeline.domain.task import Task
from pipeline.domain.tickets import ticket
from pipeline.run import code, setup
from pipeline.run.bound import Bound
from pipeline.run.setup import Setup
from pipeline.scoring.probe import Probe
from pipeline.tasks.classification import classification
from pipeline.training import sparse
from pipeline.training.sparse import SparseMlp
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from tests import lottery, toy

HERE = "tests.test_unusual_plugins"


def built(data: Bundle | None = None, **changes: Any) -> Setup:
    chosen = data or toy.bundle()
    experiment = Experiment.model_validate_json(json.dumps(lottery.experiment(**changes)))
    return setup.build(Bound.of("toy", experiment), chosen, Form.of(chosen))


# --- Networks


class Categorical(nn.Module):
    """Its first column is one of three categories; noise has others there, because the second column is larger."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.categories, self.output = nn.Embedding(3, 4), nn.Linear(5, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.output(torch.cat([self.categories(x[:, 0]), x[:, 1:].float()], 1))
        return found


def test_a_network_is_tried_on_the_data_when_there_are_any() -> None:
    columns = np.stack([np.arange(120) % 3, np.arange(120) % 100], 1)
    data = Bundle(columns, columns[:, 0].copy(), columns[:60], columns[:60, 0].copy())
    model = {"name": f"{HERE}:Categorical"}
    assert set(built(data, model=model).network.layers) == {"categories.weight", "output.weight"}
    with pytest.raises(UserError, match="index out of range"):
        built(Form.of(data).noise(60, 60), model=model)


def test_one_example_is_enough_to_try_a_network_on() -> None:
    inputs, targets = np.ones((1, 4), np.float32), np.zeros(1, np.uint8)
    assert built(Bundle(inputs, targets, inputs, targets)).network.layers


class Frozen(nn.Module):
    """What is minus infinity is not attended to; `seen` is a buffer that no state_dict contains."""

    seen: Tensor

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.inner = nn.Linear(int(np.prod(shape)), outputs)
        self.masked = nn.Parameter(torch.tensor([0.0, -torch.inf]), requires_grad=False)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += 1
        found: Tensor = self.inner(x.flatten(1)) * self.masked.softmax(0)[0]
        return found


def test_a_frozen_parameter_may_be_minus_infinity() -> None:
    found = built(model={"name": f"{HERE}:Frozen"})
    fresh = networks.fresh(found.network, found.bound.init, 1)
    offered = {"mask": lambda: toy.full(found.network), "rewound": lambda: fresh}
    trained = toy.finish(toy.trainer(found.network, [setup.ticket_of(found, "ticket", offered)])).stack.weights(0)
    assert trained["masked"].tolist() == [0.0, -np.inf]
    fresh["inner.bias"][0] = np.inf
    with pytest.raises(UserError, match=r"arms.ticket gives inner.bias values that are not finite"):
        setup.ticket_of(found, "ticket", offered)


def test_a_criterions_network_has_the_trained_values_of_every_buffer() -> None:
    found = built(model={"name": f"{HERE}:Frozen"})
    weights = networks.fresh(found.network, found.bound.init, 1) | {"seen": np.array(7, np.float32)}
    assert "seen" not in found.network.module.state_dict()
    module = Probe(found).module_with(weights, 1)
    assert module.get_buffer("seen") == 7
    assert module.get_parameter("inner.weight").detach().numpy().tobytes() == weights["inner.weight"].tobytes()
    assert module.get_parameter("inner.weight").requires_grad


def test_a_gradient_at_weights_in_float64_is_that_of_the_same_in_float32() -> None:
    found = built()
    weights = networks.fresh(found.network, found.bound.init, 1)
    gradient = Probe(found).gradient_of(1, weights)
    expected = gradient(weights)
    for name, array in gradient({n: w.astype(np.float64) for n, w in weights.items()}).items():
        assert array.tobytes() == expected[name].tobytes(), name


def refusing(shape: tuple[int, ...], outputs: int) -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), outputs))
    module.prunable = lambda: {}["nothing"]  # type: ignore[assignment]
    return module


def test_an_exception_of_prunable_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"^prunable\(\) of the network failed: KeyError: 'nothing' \(test_unusual_plugins"):
        built(model={"name": f"{HERE}:refusing"})


def left_out(shape: tuple[int, ...], outputs: int) -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 8), nn.ReLU(), nn.Linear(8, outputs))
    module.prunable = lambda: {"1.weight": "fc"}  # type: ignore[assignment]
    return module


def test_a_layer_that_prunable_leaves_out_is_trained_whole_beside_a_sparse_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "SPARSE_FROM", 1)
    network = toy.network(f"{HERE}:left_out")
    start = ticket(toy.mask(network, 0.15), toy.fresh(network))
    assert isinstance(toy.trainer(network, [start]).compute, SparseMlp)
    toy.trains_as_usual(network, start, toy.bundle())


# --- Tasks and data


def counting() -> Task:
    return replace(classification(), outputs=lambda bundle: (bundle.train_targets.max() + np.int64(1),))


def test_the_outputs_of_a_task_may_be_numpys_whole_numbers() -> None:
    found = built(task=f"{HERE}:counting")
    assert found.network.layers["output.weight"].shape == (3, 6)


def test_noise_of_many_classes_of_large_images_takes_little_memory() -> None:
    tracemalloc.start()
    try:
        noise = Form(train=1000, test=10, shape=(3, 224, 224), classes=1000).noise(2, 2)
        assert tracemalloc.get_traced_memory()[1] < 20e6  # each image has 150,528 bytes
    finally:
        tracemalloc.stop()
    assert noise.train_inputs.shape == (1000, 3, 224, 224)
    assert len(np.unique(noise.train_inputs[:3].reshape(3, -1), axis=0)) == 3


# --- Arms and masks


def scaled(factor: float, rewound: arms.Weights) -> arms.Weights:
    return {name: factor * weight for name, weight in rewound.items()}


def test_parameters_with_defaults_and_partial_functions_are_an_arms_own() -> None:
    def shifted(rewound: arms.Weights, by: float = 1.0, trained: float = 2.0) -> arms.Weights:
        return {name: weight + by + trained for name, weight in rewound.items()}

    weights = {"a": np.ones(2)}
    for function, expected in ((partial(scaled, 3.0), 3.0), (partial(scaled, factor=4.0), 4.0), (shifted, 4.0)):
        arm = Arm(masks_of="ticket", weights=function)
        assert arm.asks == {"rewound"}
        assert arm.begins_at_rewind
        assert not arm.is_drawn
        assert arms.call(arm.weights, {"rewound": lambda: weights})["a"].tolist() == [expected] * 2
    with pytest.raises(UserError, match="it asks for factor"):
        Arm(masks_of="ticket", weights=scaled)


@pytest.mark.parametrize(
    ("array", "kind"), [(np.array([np.nan, 1.0]), "float64"), (np.array(["no", "yes"]), "<U3"), (np.array([0, 1]), "int64")]
)
def test_a_mask_is_made_of_true_and_false_only(array: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"^the mask of a is {kind}, but should be True or False for each weight"):
        Mask({"b": np.ones(2, bool), "a": array})


# --- Code


@pytest.mark.parametrize(
    "source", ["\ufeffimport helper_of_these\n".encode(), "# coding: latin-1\n# é\nimport helper_of_these\n".encode("latin-1")]
)
def test_a_file_in_any_encoding_that_python_reads_is_followed(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("encoded.py").write_bytes(source)
    Path("helper_of_these.py").write_text("X = 1\n")
    assert code.closure([Path("encoded.py")]) == ["encoded.py", "helper_of_these.py"]
