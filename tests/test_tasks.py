"""Regression, and a data set with a validation part of its own: losses and metrics against NumPy, and through the stages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.diabetes import FORM, diabetes
from pipeline.domain.bundle import Bundle, Form
from pipeline.files import datasets
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.tasks.regression import regression
from pipeline.training.autograd import Autograd
from pipeline.training.history import outcome, table
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import download, train_dense
from tests import lottery, toy

REGRESSION = regression()
NUMBERS = lottery.experiment(
    task="regression",
    data={"name": "diabetes", "validation": 60},
    rewind="5it",
    training={"iterations": 40, "batch_size": 40, "evaluate_every": 20},
    arms={"one_shot": {"rounds": [2]}, "reinit": {"rounds": [2], "draws": 1}},
)
NUMBERS["pruning"] |= {"rounds": 2}
PARAMS = lottery.params(toy=NUMBERS)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


# --- The measures


@pytest.mark.parametrize("numbers", [(1,), (3,), (2, 2)])
def test_the_loss_is_the_mean_squared_error_and_the_metric_its_root(numbers: tuple[int, ...]) -> None:
    """Of two lanes, in tiles of 4 and 3 examples."""
    outputs, targets = draw(2, 7, *numbers), draw(2, 7, *numbers).flip(1)
    tiles = [REGRESSION.sums(outputs[:, part], targets[:, part]) for part in (slice(0, 4), slice(4, 7))]
    losses, roots = REGRESSION.value(torch.stack(tiles).sum(0), 7)
    errors = outputs.double().numpy() - targets.double().numpy()
    for lane in range(2):
        expected = np.mean(errors[lane] ** 2)
        assert float(losses[lane]) == pytest.approx(expected, rel=1e-6)
        assert float(roots[lane]) == pytest.approx(expected**0.5, rel=1e-6)
        assert float(REGRESSION.loss(outputs[lane], targets[lane])) == pytest.approx(expected, rel=1e-5)


def test_classifications_measures_are_cross_entropy_and_the_fraction_that_is_right() -> None:
    logits, targets = draw(2, 9, 4), torch.arange(18).view(2, 9) % 4
    losses, accuracies = toy.CLASSIFICATION.value(toy.CLASSIFICATION.sums(logits, targets), 9)
    for lane in range(2):
        scores, truth = logits[lane].double().numpy(), targets[lane].numpy()
        chosen = scores[np.arange(9), truth]
        assert float(losses[lane]) == pytest.approx(np.mean(np.log(np.exp(scores).sum(1)) - chosen), rel=1e-5)
        assert float(accuracies[lane]) == np.mean(scores.argmax(1) == truth)


@pytest.mark.parametrize(("dim", "shape"), [(2, (2, 6, 4)), (1, (2, 4, 6))])
def test_the_gradient_by_hand_is_autograds(dim: int, shape: tuple[int, ...]) -> None:
    """Of each lane's mean loss; with the classes in the last or in the middle place."""
    assert toy.CLASSIFICATION.gradient
    logits, targets = draw(*shape), torch.arange(12).view(2, 6) % 4
    losses, gradient = toy.CLASSIFICATION.gradient(logits, targets, dim)
    for lane in range(2):
        leaf = logits[lane].clone().requires_grad_()
        loss = nn.functional.cross_entropy(leaf if dim == 2 else leaf.t(), targets[lane])
        loss.backward()
        assert float(losses[lane]) == pytest.approx(float(loss.detach()), rel=1e-5)
        torch.testing.assert_close(gradient[lane], leaf.grad)


def test_a_metric_gives_its_name_to_columns_and_outcomes() -> None:
    network = toy.network("lenet", (10,), 1, hidden=[4])
    assert REGRESSION.metric.better == "lower"
    trainer = toy.trainer(network, toy.tickets(network, 1), data=diabetes(), task=REGRESSION)
    assert isinstance(trainer.compute, Autograd)  # it has no gradient by hand
    rows = toy.finish(trainer).history[0]
    assert list(table(rows, REGRESSION.metric)[0]) == [
        "iteration", "train_loss", "validation_loss", "validation_rmse", "test_loss", "test_rmse"
    ]  # fmt: skip
    found = outcome(rows, REGRESSION.metric)
    best = min(rows, key=lambda row: row.validation_loss)
    assert (found["rmse_at_early_stop"], found["final_rmse"]) == (best.test_metric, rows[-1].test_metric)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_targets": np.zeros(342, np.float32)}, r"train_targets is float32 \(342,\), but should be float"),
        ({"test_targets": np.zeros((100, 1), np.int64)}, "test_targets is int64"),
        ({"test_targets": np.zeros((100, 2), np.float32)}, r"test_targets is float32 \(100, 2\), .*\(N, 1\)"),
        (
            {"validation_inputs": np.zeros((5, 10), np.float32), "validation_targets": np.zeros((5, 3), np.float32)},
            r"validation_targets is float32 \(5, 3\), .*\(N, 1\)",
        ),
    ],
)
def test_regression_says_what_targets_it_needs(change: dict[str, Any], words: str) -> None:
    REGRESSION.check(diabetes())
    with pytest.raises(ValueError, match=words):
        REGRESSION.check(replace(diabetes(), **change))


# --- The data set


def test_diabetes_is_normalised_by_its_training_part() -> None:
    bundle = diabetes()
    assert Form.of(bundle) == FORM
    assert bundle.scale is not None
    assert bundle.shift is not None
    seen = bundle.train_inputs * bundle.scale + bundle.shift
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-4)
    assert abs(bundle.train_targets.mean()) < 1e-6
    assert bundle.train_targets.std() == pytest.approx(1, abs=1e-6)


# --- Through the stages


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("tasks"), PARAMS) as root:
        download.main("diabetes")
        lottery.run("toy")
        yield root


def test_a_regression_learns_and_writes_its_own_metric(done: Path) -> None:
    about = lottery.about("toy", "r00", "seed1")
    assert about["metric"] == {"name": "rmse", "better": "lower", "unit": ""}
    assert about["config"]["task"] == {"name": "regression"}
    rows = lottery.history("toy", "r00", "seed1")
    assert list(rows[0]) == ["iteration", "train_loss", "validation_loss", "validation_rmse", "test_loss", "test_rmse"]
    best = min(rows, key=lambda row: float(row["validation_loss"]))
    assert about["rmse_at_early_stop"] == float(best["test_rmse"])
    assert about["final_rmse"] == float(rows[-1]["test_rmse"]) < 0.95 < float(rows[0]["test_rmse"])  # 1 is to answer the mean
    for row in rows:
        assert float(row["test_rmse"]) == pytest.approx(float(row["test_loss"]) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("item", ["r00", "r02", "one_shot_r02"])
def test_the_last_row_is_what_numpy_makes_of_the_trained_weights(done: Path, item: str) -> None:
    bundle, weights = datasets.read_bundle(paths.data("diabetes")), lottery.arrays("toy", item, "seed2", "trained")
    assert bundle.scale is not None
    assert bundle.shift is not None
    x = bundle.test_inputs.astype(np.float64) * bundle.scale + bundle.shift
    for layer in ("fc1", "fc2"):
        x = np.maximum(x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"], 0)
    x = x @ weights["output.weight"].T + weights["output.bias"]
    found = float(lottery.history("toy", item, "seed2")[-1]["test_rmse"])
    assert found == pytest.approx(float(np.sqrt(np.mean((x - bundle.test_targets) ** 2))), rel=1e-4)


def test_a_regressions_tickets_are_tickets(done: Path) -> None:
    chosen = lottery.mask("toy", "r02", 1)
    assert chosen.kept["fc1.weight"] == round(80 * 0.6**2)
    lottery.is_mask_times(lottery.arrays("toy", "r02", "seed1", "start"), chosen, lottery.arrays("toy", "r00", "seed1", "rewind"))


def test_show_tells_the_cost_of_a_regression_before_its_data_is_there(done: Path, tmp_path: Path) -> None:
    with lottery.repository(tmp_path, PARAMS):
        paths.data("diabetes").unlink()
        assert "5 items, 10 lanes" in show("toy", config.load().experiment("toy"))


def test_a_task_that_does_not_fit_the_data_is_one_sentence(tmp_path: Path) -> None:
    wrong = lottery.experiment(task="regression", arms={})
    with lottery.repository(tmp_path, lottery.params(toy=wrong)):
        with pytest.raises(UserError, match=r"task 'regression' cannot be trained on data set 'digits': train_targets is uint8"):
            train_dense.main("toy")
        assert not paths.lanes("toy", "r00").exists()


# --- A validation part of the data set's own


def with_validation() -> Bundle:
    bundle = toy.bundle()
    return replace(bundle, validation_inputs=bundle.test_inputs[:20, :, ::-1].copy(), validation_targets=bundle.test_targets[:20])


def test_a_validation_part_of_the_data_sets_own_is_evaluated_and_the_whole_training_part_is_trained_on(tmp_path: Path) -> None:
    own = lottery.experiment(data={"name": "tests.test_tasks:with_validation", "validation": 0}, arms={})
    own["training"] |= {"batch_size": 13}  # ten batches show all of the 130 examples
    with lottery.repository(tmp_path, lottery.params(toy=own), with_validation()):
        lottery.run("toy", "r00")
        rows = {seed: lottery.history("toy", "r00", f"seed{seed}") for seed in (1, 2)}
        start = lottery.arrays("toy", "r00", "seed1", "start")
        network, data = toy.mlp(), with_validation()
        whole = toy.trainer(network, [toy.ticket(toy.full(network), start)], data=data, validation=0)
    module = toy.load(network.make(), start).eval()
    assert data.validation_inputs is not None
    assert data.validation_targets is not None
    pixels = (torch.from_numpy(data.validation_inputs).double() / 255 - 0.3) / 0.2
    with torch.no_grad():
        loss = nn.functional.cross_entropy(module(pixels.float()).double(), torch.from_numpy(data.validation_targets).long())
    assert float(rows[1][0]["validation_loss"]) == pytest.approx(float(loss), rel=1e-5)
    shown = torch.cat([whole.order.batch(i)[0][0] for i in range(6)])
    assert len(set(shown.tolist())) == 6 * 20
    assert whole.order.per_epoch == 130 // 20


@pytest.mark.parametrize(("data", "validation", "words"), [
    (with_validation, 30, "data.validation is 30, but should be 0"),
    (toy.bundle, 0, "data.validation is 0, but should be at least 1"),
])  # fmt: skip
def test_a_sample_of_the_training_part_is_kept_where_there_is_no_validation_part_and_only_there(
    data: Any, validation: int, words: str, tmp_path: Path
) -> None:
    wrong = lottery.experiment(data={"name": "digits", "validation": validation}, arms={})
    with lottery.repository(tmp_path, lottery.params(toy=wrong), data()):
        with pytest.raises(UserError, match=words):
            train_dense.main("toy")
        assert not paths.lanes("toy", "r00").exists()
