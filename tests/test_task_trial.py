"""Functions of a task that give what cannot be used, or that contradict each other, are found before anything is trained."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.domain.bundle import Bundle
from pipeline.domain.task import Metric, Task
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.tasks.classification import classification
from pipeline.tasks.regression import regression
from tests import lottery
from tests.named import refusal, with_plugin

HERE = "tests.test_task_trial"
TASK = classification()


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


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("loss_of_its_own", ["loss of task", "does not depend on the outputs"]),
        ("sums_of_each", ["`sums` of task"]),
        ("means", ["`sums` of task", "is not the sum over examples"]),
        ("metric_loss", ["has the name 'loss', which is taken"]),
        ("no_metric", ["metric of task", "is a str, but should be a Metric"]),
        ("no_loss", ["loss of task", "gives None, but should give one number"]),
        ("loss_of_each", ["loss of task", "gives float32 (3,), but should give one number"]),
        ("loss_without_gradient", ["loss of task", "does not depend on the outputs"]),
        ("leaving_loss", ["loss of task", "failed: SystemExit: 0", "test_task_trial.py, line "]),
        ("sums_of_all_lanes", ["`sums` of task", "gives float64 (1, 1), but should give numbers (L, k), here (2, k)"]),
        ("one_value", ["`value` of task", "should give the losses and the metrics"]),
        ("another_gradient", ["`gradient` of task", "is not the gradient of its loss"]),
        ("strange_outputs", ["outputs have the shape 3, but it should be a tuple"]),
        ("upward", ["`better` is 'bigger', but should be one of higher, lower"]),
        ("two_words", ["metric's name is 'top 5'"]),
        ("value_of_all_lanes", ["`value` of task", "losses", "gives float64 (), but should give", "(2,)"]),
    ],
)
def test_it_is_one_sentence_before_anything_is_trained(name: str, facts: list[str], tmp_path: Path) -> None:
    message = refusal("tasks", f"{HERE}:{name}", tmp_path)
    for fact in facts:
        assert fact in message


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
