"""Whatever the code of a plug-in gives that cannot be used is found by `--show` and before the dense network is trained."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.data import digits
from pipeline.domain.arms import Arm, rewound
from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.masks import Mask
from pipeline.domain.task import Metric, Task
from pipeline.preview.show import show
from pipeline.run.bound import Bound
from pipeline.settings import check, config
from pipeline.tasks.classification import classification
from pipeline.tasks.regression import regression
from pipeline.values import plugins
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from stages import train_dense
from tests import lottery
from tests.named import sentence, with_plugin

HERE = "tests.test_rehearsal"
TASK = classification()


# --- Models and inits


def base(shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 8), nn.ReLU(), nn.Linear(8, outputs))


class Detached(nn.Module):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.inner = base(shape, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).detach()  # type: ignore[no-any-return]


def leaving(shape: tuple[int, ...], outputs: int) -> nn.Module:
    sys.exit(0)


def infinite(module: nn.Module) -> None:
    nn.init.constant_(next(module.parameters()), float("inf"))


class Tuple(Detached):
    def forward(self, x: Tensor) -> Any:
        return (self.inner(x),) if self.training else self.inner(x)


class OfTwo(Detached):
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.reshape(2, -1))  # type: ignore[no-any-return]


class Sparse(Detached):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(shape, outputs)
        self.register_buffer("adjacency", torch.eye(3).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)  # type: ignore[no-any-return]


def undrawn(module: nn.Module) -> None:
    nn.init.normal_(next(module.parameters()))


def cutting(module: nn.Module) -> None:
    module[1].bias = None  # type: ignore[index, union-attr]


def freezing(module: nn.Module) -> None:
    next(module.parameters()).requires_grad_(False)


# --- Tasks


def task(**changes: Any) -> Task:
    return replace(TASK, **changes)


def no_loss() -> Task:
    return task(loss=lambda outputs, targets: None)


def loss_of_each() -> Task:
    return task(loss=lambda outputs, targets: nn.functional.cross_entropy(outputs, targets, reduction="none"))


def loss_without_gradient() -> Task:
    return task(loss=lambda outputs, targets: torch.tensor(1.0))


def leaving_loss() -> Task:
    return task(loss=lambda outputs, targets: sys.exit(0))


def sums_of_all_lanes() -> Task:
    return task(sums=lambda outputs, targets: outputs.sum().double().view(1, 1))


def one_value() -> Task:
    return task(value=lambda sums, examples: sums[:, 0] / examples)


def value_of_all_lanes() -> Task:
    return task(value=lambda sums, examples: (sums.sum() / examples, sums[:, 1] / examples))


def another_gradient() -> Task:
    def gradient(outputs: Tensor, targets: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        assert TASK.gradient
        losses, found = TASK.gradient(outputs, targets, dim)
        return losses, -found

    return task(gradient=gradient)


def strange_outputs() -> Task:
    return task(outputs=lambda bundle: 3)


def upward() -> Task:
    return task(metric=Metric("accuracy", better="bigger"))  # type: ignore[arg-type]


def two_words() -> Task:
    return task(metric=Metric("top 5", better="higher"))


def loss_of_its_own() -> Task:
    return task(loss=lambda outputs, targets: torch.zeros((), requires_grad=True) * 2)


def sums_of_each() -> Task:
    def sums(outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.stack([outputs[0].sum(1), outputs[0].sum(1)], 1)[:2]

    return task(sums=sums)


def means() -> Task:
    return task(sums=lambda outputs, targets: TASK.sums(outputs, targets) / outputs.shape[1])


def metric_loss() -> Task:
    return task(metric=Metric("loss", better="lower"))


def no_metric() -> Task:
    return task(metric="accuracy")


# --- Criteria


def missing(trained: Mapping[str, Any]) -> Any:
    return {name: np.full(weight.shape, np.nan) for name, weight in trained.items()}


def partial(trained: Mapping[str, Any]) -> Any:
    return dict(list(trained.items())[:1])


def words(trained: Mapping[str, Any]) -> Any:
    return {name: np.full(weight.shape, "much") for name, weight in trained.items()}


def of_every_input(gradient: Callable[..., Any], trained: Mapping[str, Any]) -> Any:
    return {name: found.sum(0) for name, found in gradient(trained).items()}


def of_full_masks(trained: Mapping[str, Any], mask: Mask) -> Any:
    return {name: np.abs(weight[mask[name]]).reshape(weight.shape) for name, weight in trained.items()}


def undrawn_scores(trained: Mapping[str, Any]) -> Any:
    return {name: np.random.random(weight.shape) for name, weight in trained.items()}


def leaving_criterion(trained: Mapping[str, Any]) -> Any:
    sys.exit(0)


# --- Arms


def nothing(rewound: Any) -> Any:
    return None


def no_numbers(rewound: Any) -> Any:
    return {name: np.full(array.shape, np.nan, array.dtype) for name, array in rewound.items()}


def lists(rewound: Any) -> Any:
    return {name: array.tolist() for name, array in rewound.items()}


def arm_without_weights() -> Arm:
    return Arm(prunes="own", weights=nothing)


def arm_of_no_numbers() -> Arm:
    return Arm(prunes="own", weights=no_numbers)


def arm_of_lists() -> Arm:
    return Arm(prunes="own", weights=lists)


def arm_without_mask() -> Arm:
    return Arm(masks_of="ticket", mask=lambda mask: {}, weights=rewound)  # type: ignore[arg-type, return-value]


def arm_of_half_a_mask() -> Arm:
    return Arm(masks_of="ticket", mask=lambda mask: Mask(dict(list(mask.items())[:1])), weights=rewound)


def arm_of_many_masks() -> Arm:
    return Arm(masks_of=["ticket"], weights=rewound)  # type: ignore[arg-type]


def arm_of_a_number() -> Arm:
    return Arm(prunes="own", weights=rewound, criterion=5)  # type: ignore[arg-type]


def leaving_arm() -> Arm:
    return Arm(prunes="own", weights=lambda rewound: sys.exit(0))


@pytest.mark.parametrize(
    ("kind", "name", "facts"),
    [
        ("models", "Detached", ["gives outputs without a gradient"]),
        ("models", "leaving", ["failed: SystemExit: 0", "test_rehearsal.py, line "]),
        ("models", "Sparse", ["has the buffer adjacency of torch.sparse_coo torch.float32, but should be a dense tensor"]),
        ("inits", "undrawn", ["give fc1.weight other values for the same seed", "should draw from `generator`"]),
        ("inits", "freezing", ["freezes or ties parameters"]),
        ("inits", "cutting", ["adds, removes or replaces fc1.bias"]),
        ("tasks", "loss_of_its_own", ["loss of task", "does not depend on the outputs"]),
        ("tasks", "sums_of_each", ["`sums` of task"]),
        ("tasks", "means", ["`sums` of task", "is not the sum over examples"]),
        ("tasks", "metric_loss", ["has the name 'loss', which is taken"]),
        ("tasks", "no_metric", ["metric of task", "is a str, but should be a Metric"]),
        ("criteria", "undrawn_scores", ["gives other scores when asked again; it should draw from `rng`"]),
        ("inits", "infinite", ["leaves fc1.weight with values that are not finite"]),
        ("tasks", "no_loss", ["loss of task", "gives None, but should give one number"]),
        ("tasks", "loss_of_each", ["loss of task", "gives float32 (3,), but should give one number"]),
        ("tasks", "loss_without_gradient", ["loss of task", "does not depend on the outputs"]),
        ("tasks", "leaving_loss", ["loss of task", "failed: SystemExit: 0", "test_rehearsal.py, line "]),
        ("tasks", "sums_of_all_lanes", ["`sums` of task", "gives float64 (1, 1), but should give numbers (L, k), here (2, k)"]),
        ("tasks", "one_value", ["`value` of task", "should give the losses and the metrics"]),
        (
            "tasks",
            "value_of_all_lanes",
            ["`value` of task", "losses", "gives float64 (), but should give", "(2,)"],
        ),
        ("tasks", "another_gradient", ["`gradient` of task", "is not the gradient of its loss"]),
        ("tasks", "strange_outputs", ["outputs have the shape 3, should be a tuple"]),
        ("tasks", "upward", ["`better` is 'bigger', should be one of higher, lower"]),
        ("tasks", "two_words", ["metric's name is 'top 5'"]),
        ("criteria", "missing", [f"criterion '{HERE}:missing': fc1.weight has a score that is not a number"]),
        ("criteria", "partial", [f"criterion '{HERE}:partial': fc2.weight should have one score for each weight"]),
        ("criteria", "words", [f"criterion '{HERE}:words' gives fc1.weight, fc2.weight, output.weight scores of type"]),
        ("criteria", "of_every_input", ["fc1.weight should have one score for each weight"]),
        ("criteria", "leaving_criterion", ["failed: SystemExit: 0"]),
        ("arms", "arm_without_weights", ["arms.own gives None, should give a mapping"]),
        ("arms", "arm_of_no_numbers", ["arms.own gives fc1.weight", "values that are not finite"]),
        ("arms", "arm_of_lists", ["arms.own gives no weights for fc1.weight", "another shape or type"]),
        ("arms", "arm_without_mask", ["arms.own makes a dict, should make a Mask"]),
        ("arms", "arm_of_half_a_mask", ["arms.own makes a mask of other weights"]),
        ("arms", "leaving_arm", ["arms.own failed: SystemExit: 0", "test_rehearsal.py, line "]),
    ],
)
def test_it_is_one_sentence_before_anything_is_trained(kind: plugins.Kind, name: str, facts: list[str], tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin(kind, f"{HERE}:{name}"))):
        message = sentence(train_dense.main, "toy")
        assert not Path("work/toy").exists()
        with pytest.raises(UserError) as shown:
            show("toy", config.load().experiment("toy"))
    assert message == f"error: {shown.value}"
    assert "experiments.toy: " in message
    for fact in facts:
        assert fact in message


@pytest.mark.parametrize(
    ("kind", "name", "fact"),
    [
        ("models", "Tuple", "gives a tuple in training, but should give one tensor (3, 3)"),
        ("models", "OfTwo", "fails in training on 3 inputs: RuntimeError"),
        ("criteria", "of_full_masks", "failed: ValueError: cannot reshape"),
    ],
)
def test_what_two_inputs_and_full_masks_do_not_show_is_found_too(
    kind: plugins.Kind, name: str, fact: str, tmp_path: Path
) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin(kind, f"{HERE}:{name}"))):
        message = sentence(train_dense.main, "toy")
        assert not Path("work/toy").exists()
    assert fact in message


@pytest.mark.parametrize(("name", "fact"), [("arm_of_many_masks", "masks of ['ticket']"), ("arm_of_a_number", "criterion 5")])
def test_parts_of_an_arm_that_params_yaml_may_give_are_checked(name: str, fact: str) -> None:
    with pytest.raises(UserError, match=r"experiments.toy: arms\.own ") as error:
        check.settings("toy", Experiment.model_validate_json(json.dumps(with_plugin("arms", f"{HERE}:{name}"))))
    assert fact in str(error.value)


@pytest.mark.parametrize(
    "form", [{"dtype": "uint7"}, {"shape": (0,)}, {"shape": 64}, {"classes": 0}, {"train": "many"}, {"test": -5}]
)
def test_a_form_of_no_data_set_is_a_sentence(form: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "FORM", Form(**{"train": 200, "test": 50, "shape": (1, 8, 8), "classes": 3, **form}))
    with (
        lottery.repository(tmp_path, lottery.params(toy=lottery.experiment())),
        pytest.raises(UserError, match="FORM of data set"),
    ):
        show("toy", config.load().experiment("toy"))


def positive() -> Task:
    def checked(bundle: Bundle) -> None:
        if bundle.train_targets.min() < 0:
            raise ValueError("train_targets should be positive")

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        assert targets.min() >= 0
        return nn.functional.poisson_nll_loss(outputs, targets)

    return replace(regression(), check=checked, loss=loss)


def counts() -> Bundle:
    targets = np.random.default_rng(0).poisson(3.0, (200, 2)).astype(np.float32)
    return Bundle(targets[:130], targets[:130], targets[130:], targets[130:])


def test_data_that_are_there_are_tried_instead_of_noise(tmp_path: Path) -> None:
    settings = with_plugin("data", f"{HERE}:counts") | {"task": f"{HERE}:positive"}
    with lottery.repository(tmp_path, lottery.params(toy=settings), counts()):
        show("toy", config.load().experiment("toy"))
        lottery.run("toy", "r00")


class Placeholders(Detached):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(shape, outputs)
        self.scale = nn.Parameter(torch.full((outputs,), float("nan")))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.scale  # type: ignore[no-any-return]


def filling(module: nn.Module, generator: torch.Generator) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, generator=generator)


def test_a_model_that_only_its_own_init_fills_is_timed_with_that(tmp_path: Path) -> None:
    settings = with_plugin("models", f"{HERE}:Placeholders") | {"init": f"{HERE}:filling"}
    with lottery.repository(tmp_path, lottery.params(toy=settings)):
        show("toy", config.load().experiment("toy"))


def test_settings_that_json_has_no_words_for_are_a_sentence(tmp_path: Path) -> None:
    for text in ("report: &a [*a]", "2020-01-01: 3", "report: [" + 6000 * "9" + "]"):
        (tmp_path / "params.yaml").write_text(text)
        with pytest.raises(UserError, match=r"params\.yaml"):
            config.load(tmp_path / "params.yaml")


def unsigned(trained: Mapping[str, Any]) -> Any:
    """Magnitude in 256 steps, as unsigned bytes, whose negatives would be in another order."""
    return {name: (255 * np.abs(array) / np.abs(array).max()).astype(np.uint8) for name, array in trained.items()}


def as_numbers(trained: Mapping[str, Any]) -> Any:
    return {name: array.astype(np.float64) for name, array in unsigned(trained).items()}


def test_scores_of_any_type_of_number_prune_in_the_same_order(tmp_path: Path) -> None:
    masks = []
    for name in ("unsigned", "as_numbers"):
        (tmp_path / name).mkdir()
        with lottery.repository(tmp_path / name, lottery.params(toy=with_plugin("criteria", f"{HERE}:{name}"))):
            lottery.run("toy", "r00", "r01")
            masks.append(lottery.mask("toy", "r01", 1))
    assert masks[0] == masks[1]


# --- Arms that cannot be


WRONG: dict[str, dict[str, Any]] = {
    "its `training` is 'forever', should be one of scheduled, last_rate, all_rounds": {
        "masks_of": "dense",
        "training": "forever",
    },
    "its `order` is 'mine', should be one of replicate, drawn": {"masks_of": "dense", "order": "mine"},
    "its `prunes` is 'all', should be one of own, dense": {"prunes": "all"},
    "it has both of `prunes` and `masks_of`": {"prunes": "own", "masks_of": "dense"},
    "it has neither of `prunes` and `masks_of`": {},
    "its `weights` is None, should be a function": {"masks_of": "dense", "weights": None},
    "its `mask` is an int, should be a function": {"masks_of": "dense", "mask": 3},
}


def wrong_arm(which: str) -> Arm:
    return Arm(**{"weights": rewound, **WRONG[which]})


@pytest.mark.parametrize("which", WRONG)
def test_an_arm_whose_parts_do_not_go_together_is_a_sentence(which: str) -> None:
    settings = with_plugin("arms", f"{HERE}:wrong_arm", which=which)
    with pytest.raises(UserError, match=r"^arms\.own: ") as error:
        Bound.of("toy", Experiment.model_validate_json(json.dumps(settings)))
    assert which in str(error.value)
