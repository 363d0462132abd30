"""Whatever the code of a plug-in gives that cannot be used is found by `--show` and before the dense network is trained."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.domain.arms import Arm, rewound
from pipeline.domain.masks import Mask
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.tasks.classification import classification
from pipeline.values import plugins
from stages import train_dense
from tests import lottery
from tests.named import refusal, sentence, with_plugin

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
        ("inits", "infinite", ["leaves fc1.weight with values that are not finite"]),
        ("criteria", "undrawn_scores", ["gives other scores when asked again; it should draw from `rng`"]),
        ("criteria", "missing", [f"criterion '{HERE}:missing': fc1.weight has a score that is not a number"]),
        ("criteria", "partial", [f"criterion '{HERE}:partial': fc2.weight should have one score for each weight"]),
        ("criteria", "words", [f"criterion '{HERE}:words' gives fc1.weight, fc2.weight, output.weight scores of type"]),
        ("criteria", "of_every_input", ["fc1.weight should have one score for each weight"]),
        ("criteria", "leaving_criterion", ["failed: SystemExit: 0"]),
        ("arms", "arm_without_weights", ["arms.own gives None, but should give a mapping"]),
        ("arms", "arm_of_no_numbers", ["arms.own gives fc1.weight", "values that are not finite"]),
        ("arms", "arm_of_lists", ["arms.own gives no weights for fc1.weight", "another shape or type"]),
        ("arms", "arm_without_mask", ["arms.own makes a dict, but should make a Mask"]),
        ("arms", "arm_of_half_a_mask", ["arms.own makes a mask of other weights"]),
        ("arms", "leaving_arm", ["arms.own failed: SystemExit: 0", "test_rehearsal.py, line "]),
    ],
)
def test_it_is_one_sentence_before_anything_is_trained(kind: plugins.Kind, name: str, facts: list[str], tmp_path: Path) -> None:
    message = refusal(kind, f"{HERE}:{name}", tmp_path)
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
