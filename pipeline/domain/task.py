"""What a network is trained for: the loss, and the measure of quality with its name and direction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.domain.bundle import Bundle
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """name: what columns and metrics are called, such as `accuracy`. unit: `fraction`, shown in percent, or the actual unit.

    Raises: UserError for another name or direction.
    """

    name: str
    better: Better
    unit: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise UserError(f"the metric's name is {self.name!r}, but should be like a variable's, such as accuracy")
        if self.better not in get_args(Better):
            raise UserError(f"the metric's `better` is {self.better!r}, but should be one of {', '.join(get_args(Better))}")
        if not isinstance(self.unit, str):
            raise UserError(f"the metric's unit is {self.unit!r}, but should be text, such as fraction")


@dataclass(frozen=True)
class Task:
    """check: raises ValueError when a data set's targets are not what the task needs.
    outputs: returns the shape of the output for one example of a data set; a model is given its last number as `outputs`.
    loss: takes outputs (B, ...) and targets (B, ...); returns the mean over the examples, with a graph for autograd.
    sums: takes outputs (L, N, ...) and targets (L, N, ...) of L lanes side by side; returns what is to be added up over
    tiles of examples, float64 (L, k).
    value: takes the sums over all tiles (L, k) and the number of examples; returns the losses (L,) and the metric (L,). These
    losses, which decide about the early stop, may be others than `loss`, such as those without label smoothing.
    gradient: takes outputs, targets and the dimension of the outputs' last number; returns each lane's loss (L,) and the
    gradient of the mean loss with respect to the outputs. It is written by hand for the fast path of plain fully connected
    networks; with None they go through autograd.
    """

    metric: Metric
    check: Callable[[Bundle], None]
    outputs: Callable[[Bundle], tuple[int, ...]]
    loss: Callable[["Tensor", "Tensor"], "Tensor"]
    sums: Callable[["Tensor", "Tensor"], "Tensor"]
    value: Callable[["Tensor", int], tuple["Tensor", "Tensor"]]
    gradient: Callable[["Tensor", "Tensor", int], tuple["Tensor", "Tensor"]] | None = None
