"""What a lane's training left behind, and the early-stop iteration found in it (section 2)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One evaluation. train_loss: mean over the batches since the one before; None at the first. Accuracies: fractions."""

    iteration: int
    train_loss: float | None
    validation_loss: float
    validation_accuracy: float
    test_loss: float
    test_accuracy: float


COLUMNS = tuple(Row.__annotations__)


def table(history: Sequence[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in history]


def summary(history: Sequence[Row]) -> dict[str, float | int]:
    """The early stop is the first iteration of minimum validation loss; the accuracy there is of the test images."""
    best = min(history, key=lambda row: row.validation_loss)
    return {
        "early_stop_iteration": best.iteration,
        "accuracy_at_early_stop": best.test_accuracy,
        "validation_loss_at_early_stop": best.validation_loss,
        "final_accuracy": history[-1].test_accuracy,
        "final_iteration": history[-1].iteration,
    }
