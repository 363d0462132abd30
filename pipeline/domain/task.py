"""What a network is trained for: the loss, and the measure of quality with its name and direction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.domain.bundle import Bundle

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """name: as columns and metrics are called, `accuracy`. unit: `fraction`, which is shown in percent, or what it is in."""

    name: str
    better: Literal["higher", "lower"]
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"the metric's name is {self.name!r}, should be like a variable's, such as accuracy")


@dataclass(frozen=True)
class Task:
    """check: raises ValueError when a data set's targets are not what the task needs.
    outputs: the shape of the output for one example of a data set; its last number is what a model is given as `outputs`.
    loss: of outputs (B, ...) and targets (B, ...), the mean over the examples, with a graph that autograd follows.
    sums: of outputs (L, N, ...) and targets (L, N, ...), L lanes side by side, float64 (L, k): whatever is added up over
    tiles of examples.
    value: of sums over all tiles (L, k) and the number of examples, the losses (L,) and the metric's values (L,).
    gradient: of outputs, targets and the dimension of the outputs' last number, each lane's loss (L,) and the gradient of the
    mean loss by the outputs, by hand, for the fast path of plain fully connected networks. With None they go through autograd.
    """

    metric: Metric
    check: Callable[[Bundle], None]
    outputs: Callable[[Bundle], tuple[int, ...]]
    loss: Callable[["Tensor", "Tensor"], "Tensor"]
    sums: Callable[["Tensor", "Tensor"], "Tensor"]
    value: Callable[["Tensor", int], tuple["Tensor", "Tensor"]]
    gradient: Callable[["Tensor", "Tensor", int], tuple["Tensor", "Tensor"]] | None = None
