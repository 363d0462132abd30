"""Numbers for each example: the loss is the mean squared error, the metric its root, in the unit of the targets."""

import torch
from torch import Tensor, nn

from pipeline.domain.bundle import Bundle
from pipeline.domain.task import Metric, Task


def regression() -> Task:
    """Targets: float32, one or several numbers for each example. Outputs: as many numbers."""
    return Task(
        metric=Metric("rmse", better="lower"),
        check=_check,
        outputs=_outputs,
        loss=nn.functional.mse_loss,
        sums=_sums,
        value=_value,
    )


def _outputs(bundle: Bundle) -> tuple[int, ...]:
    return tuple(bundle.train_targets.shape[1:])


def _check(bundle: Bundle) -> None:
    numbers = bundle.train_targets.shape[1:]
    for part in ("train", "test", *(["validation"] if bundle.validation_targets is not None else [])):
        targets = getattr(bundle, f"{part}_targets")
        if targets.dtype.kind != "f" or targets.ndim < 2 or targets.shape[1:] != numbers:
            should = f"(N, {', '.join(map(str, numbers))})" if numbers else "(N, numbers of an example)"
            raise ValueError(f"{part}_targets is {targets.dtype} {targets.shape}, but should be float {should}")


def _sums(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).double().square().flatten(2).mean(2).sum(1, keepdim=True)


def _value(sums: Tensor, examples: int) -> tuple[Tensor, Tensor]:
    loss = sums[:, 0] / examples
    return loss, torch.sqrt(loss)
