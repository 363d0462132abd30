"""One class for each example: the loss is cross-entropy, the metric the fraction classified correctly (section 2)."""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.domain.bundle import Bundle
from pipeline.domain.task import Metric, Task
from pipeline.values.errors import UserError


def classification(label_smoothing: float = 0.0) -> Task:
    """Targets: whole numbers from 0 on, each of which occurs in the training part. Outputs: one logit for each class.

    label_smoothing: the share of each target that is spread evenly over all classes, as in torch's cross_entropy. It changes
    the training loss alone: the losses of validation and test examples, and with them the early stop, are without it.
    """
    if type(label_smoothing) not in (int, float) or not 0 <= label_smoothing < 1:
        raise UserError(f"task.label_smoothing is {label_smoothing!r}, but should be a number from 0 on and below 1, such as 0.1")
    return Task(
        metric=Metric("accuracy", better="higher", unit="fraction"),
        check=_check,
        outputs=_outputs,
        loss=partial(nn.functional.cross_entropy, label_smoothing=float(label_smoothing)),
        sums=_sums,
        value=_value,
        gradient=partial(_gradient, smoothing=label_smoothing),
    )


def _outputs(bundle: Bundle) -> tuple[int, ...]:
    return (int(bundle.train_targets.max()) + 1,)


def _check(bundle: Bundle) -> None:
    parts = ("train", "test", *(["validation"] if bundle.validation_targets is not None else []))
    targets = {f"{part}_targets": getattr(bundle, f"{part}_targets") for part in parts}
    for name, array in targets.items():
        if array.dtype.kind not in "ui" or array.ndim != 1:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, but should be whole numbers (N,), a class for each example")
    lowest = int(targets["train_targets"].min())
    if lowest < 0:
        raise ValueError(f"train_targets has the class {lowest}, but should have classes from 0 on")
    # A class that is never trained would still get weights, which pruning would then count.
    there, (classes,) = np.unique(targets["train_targets"]), _outputs(bundle)
    if not np.array_equal(there, np.arange(classes)):
        raise ValueError(f"train_targets has the classes {there.tolist()}, but should have all of 0..{classes - 1}")
    for name, array in targets.items():
        unknown = np.setdiff1d(array, there)
        if unknown.size:
            raise ValueError(f"{name} has the class {unknown[0]}, which train_targets has not")


def _sums(logits: Tensor, target: Tensor) -> Tensor:
    target = target.unsqueeze(2)
    loss = -logits.log_softmax(2).gather(2, target).sum((1, 2), dtype=torch.float64)
    correct = (logits.argmax(2, keepdim=True) == target).sum((1, 2)).double()
    return torch.stack([loss, correct], 1)


def _value(sums: Tensor, examples: int) -> tuple[Tensor, Tensor]:
    return sums[:, 0] / examples, sums[:, 1] / examples


def _gradient(logits: Tensor, target: Tensor, dim: int, smoothing: float) -> tuple[Tensor, Tensor]:
    """Shapes: logits (L, B, C) with dim 2 or (L, C, B) with dim 1; target (L, B)."""
    examples, log_p = target.shape[1], logits.log_softmax(dim)
    target = target.unsqueeze(dim)
    loss = -log_p.gather(dim, target).mean((1, 2))
    classes = torch.arange(logits.shape[dim], device=logits.device)
    # A comparison is used rather than a scatter, because it is deterministic on CUDA too and can be recorded.
    hit = (target == (classes if dim == 2 else classes.unsqueeze(1))).to(log_p.dtype)
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * log_p.mean((1, 2))
        hit = hit.mul_(1 - smoothing).add_(smoothing / len(classes))
    return loss, log_p.exp_().sub_(hit).mul_(1 / examples)
