"""Tries the functions of a task on the network's outputs for one batch, and compares their results with one another."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipeline.run.setup import Setup
from pipeline.training.examples import Examples
from pipeline.values.errors import UserError, blaming, type_of


def try_task(small: Setup) -> None:
    """small: an experiment on a few examples. Raises: UserError that names the function at fault."""
    task, examples = small.task, Examples(small.bundle, torch.device("cpu"))
    batch = small.bound.experiment.training.batch_size
    inputs, targets = (part[0] for part in examples.batch(torch.arange(batch).unsqueeze(0)))
    with torch.enable_grad():
        with blaming(f"{small.bound.model} fails in training on {batch} inputs"):
            outputs = small.network.make().train()(inputs)
        should = (batch, *task.outputs(small.bundle))
        if not isinstance(outputs, Tensor) or outputs.dim() != len(should) or len(outputs) != batch:
            raise UserError(f"{small.bound.model} gives {_described(outputs)} in training, but should give one tensor {should}")
        outputs = outputs.float()
        if not outputs.requires_grad:
            raise UserError(f"the network of {small.bound.model} gives outputs without a gradient; they may be detached")
        with blaming(f"the loss of {small.bound.task} failed"):
            loss = task.loss(outputs, targets)
        _require_tensor(f"the loss of {small.bound.task}", loss, ())
        if not loss.requires_grad:
            raise UserError(f"the loss of {small.bound.task} has no gradient, because it does not depend on the outputs")
        with blaming(f"the gradient of the loss of {small.bound.task} fails"):
            (expected,) = torch.autograd.grad(loss, outputs, allow_unused=True)
        if expected is None:
            raise UserError(f"the loss of {small.bound.task} has a gradient, but does not depend on the outputs")
    outputs = outputs.detach()
    # The second lane has the same examples in another order, so that mixed-up lanes or examples give other sums.
    lanes = torch.stack([outputs, outputs.roll(1, 0)])
    if task.gradient is not None and outputs.dim() == 2:
        lanes = lanes.mT.contiguous().mT  # as `SparseMlp` gives them, of which no view can be taken
        for dim in (1, 2):
            _try_gradient(task.gradient, str(small.bound.task), outputs, targets, expected, dim)
    _try_measures(small, lanes, targets.expand(2, *targets.shape))


def _try_measures(small: Setup, outputs: Tensor, targets: Tensor) -> None:
    """Shapes: outputs (2, B, ...), targets (2, B, ...), of two lanes."""
    with blaming(f"`sums` of {small.bound.task} failed"):
        sums = small.task.sums(outputs, targets)
    if not isinstance(sums, Tensor) or sums.dim() != 2 or len(sums) != 2:
        raise UserError(f"`sums` of {small.bound.task} gives {_described(sums)}, but should give numbers (L, k), here (2, k)")
    _try_sums(small, outputs, targets, sums)
    with blaming(f"`value` of {small.bound.task} failed"):
        value = small.task.value(sums, outputs.shape[1])
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UserError(f"`value` of {small.bound.task} gives {_described(value)}, but should give the losses and the metrics")
    for what, found in zip(("losses", "metrics"), value, strict=True):
        counted = what == "metrics" and isinstance(found, Tensor)  # a metric may be a whole number
        _require_tensor(
            f"`value` of {small.bound.task}, for the {what} of two lanes,", found.double() if counted else found, (2,)
        )


def _try_sums(small: Setup, outputs: Tensor, targets: Tensor, sums: Tensor) -> None:
    """Each lane's sums are its own, and those of several examples are the sum of each one's, because they are added up."""
    with blaming(f"`sums` of {small.bound.task} failed"):
        lanes = [small.task.sums(outputs[i : i + 1], targets[i : i + 1]) for i in range(2)]
        examples = [small.task.sums(outputs[:, i : i + 1], targets[:, i : i + 1]) for i in range(outputs.shape[1])]
    for found, what in ((lanes, "one lane"), (examples, "one example")):
        shape = (1, *sums.shape[1:]) if what == "one lane" else tuple(sums.shape)
        wrong = next((part for part in found if not isinstance(part, Tensor) or tuple(part.shape) != shape), found[0])
        if not isinstance(wrong, Tensor) or tuple(wrong.shape) != shape:
            raise UserError(f"`sums` of {small.bound.task} gives {_described(wrong)} for {what}, but should give numbers {shape}")
    together = {"of two lanes mixes them": torch.cat(lanes), "is not the sum over examples": torch.stack(examples).sum(0)}
    for what, expected in together.items():
        if not torch.allclose(sums.double(), expected.double(), rtol=1e-3, atol=1e-5, equal_nan=True):
            raise UserError(
                f"`sums` of {small.bound.task} {what}; it should be what can be added up over parts of the examples, by lane"
            )


def _try_gradient(
    by_hand: Callable[[Tensor, Tensor, int], Any], name: str, outputs: Tensor, targets: Tensor, expected: Tensor, dim: int
) -> None:
    """Holds a gradient written by hand against autograd's. Shapes: outputs and expected (B, C), targets (B, ...)."""
    lanes = outputs.unsqueeze(0) if dim == 2 else outputs.t().unsqueeze(0)
    with blaming(f"`gradient` of {name} failed"):
        losses, gradient = by_hand(lanes.clone(), targets.unsqueeze(0), dim)
    _require_tensor(f"`gradient` of {name}, for the losses of one lane,", losses, (1,))
    _require_tensor(f"`gradient` of {name}", gradient, tuple(lanes.shape))
    found = gradient[0] if dim == 2 else gradient[0].t()
    if not torch.allclose(found.float(), expected, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise UserError(f"`gradient` of {name} is not the gradient of its loss")


def _require_tensor(what: str, found: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor) or not found.is_floating_point() or tuple(found.shape) != shape:
        should = "one number" if shape == () else f"floating-point numbers {shape}"
        raise UserError(f"{what} gives {_described(found)}, but should give {should}")


def _described(found: Any) -> str:
    return f"{found.dtype} {tuple(found.shape)}".removeprefix("torch.") if isinstance(found, Tensor) else type_of(found)
