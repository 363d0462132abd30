"""The history of a lane's training, and the early-stop iteration found in it (section 2)."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from pipeline.domain.task import Metric


@dataclass(frozen=True)
class Row:
    """One evaluation. train_loss: the mean over the batches since the previous one; None at the first. Metrics: the task's."""

    iteration: int
    train_loss: float | None
    validation_loss: float
    validation_metric: float
    test_loss: float
    test_metric: float


def columns(metric: Metric) -> tuple[str, ...]:
    """The names of a row's values, including the metric's own, such as validation_accuracy."""
    return tuple(name.replace("metric", metric.name) for name in Row.__annotations__)


def table(history: Sequence[Row], metric: Metric) -> list[dict[str, Any]]:
    return [dict(zip(columns(metric), astuple(row), strict=True)) for row in history]


def outcome(history: Sequence[Row], metric: Metric) -> dict[str, float | int]:
    """The early stop is the first iteration of minimum validation loss; the metric at it is that of the test examples."""
    best = min(history, key=lambda row: row.validation_loss)
    return {
        "early_stop_iteration": best.iteration,
        f"{metric.name}_at_early_stop": best.test_metric,
        "validation_loss_at_early_stop": best.validation_loss,
        f"final_{metric.name}": history[-1].test_metric,
        "final_iteration": history[-1].iteration,
    }
