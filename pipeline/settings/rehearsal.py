"""Rehearses an experiment once, in memory and on a few examples of noise, so that errors of plug-ins are found in a second and
not after hours of training.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.domain import networks
from pipeline.domain.arms import Weights
from pipeline.domain.masks import Mask
from pipeline.domain.task import Task
from pipeline.domain.tickets import Ticket, ticket
from pipeline.run.setup import Setup, ticket_of
from pipeline.scoring import scores
from pipeline.scoring.probe import Probe
from pipeline.training.examples import Examples, Stream
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values.errors import UserError, blaming, type_of
from pipeline.values.lanes import DENSE

BATCH = 2  # the number of examples in a batch and in each part of the data
SEED = 1
SMALL_STEP = 1e-3  # an upper limit of the learning rate, because the experiment's may be too large for noise


def rehearse(setup: Setup) -> None:
    """Tries the task, trains the dense network for one iteration, and makes one ticket of each arm.

    Raises: UserError that names the plug-in at fault. An infinite loss is no error here, because it may be due to the noise.
    """
    with torch.random.fork_rng(devices=[]):
        small = _small(setup)
        _try_task(small)
        mask = Mask.full({name: layer.shape for name, layer in small.network.layers.items()})
        initial = networks.fresh(small.network, small.bound.init, SEED)
        _try_arms(small, ticket(mask, initial), _trained(small, ticket(mask, initial)))


def _small(setup: Setup) -> Setup:
    """The same experiment on a few examples of noise."""
    experiment, noise = setup.bound.experiment, setup.form.noise(2 * BATCH, BATCH)
    changed = {
        "data": experiment.data.model_copy(update={"validation": 0 if setup.form.own_validation else BATCH}),
        "training": experiment.training.model_copy(update={"batch_size": BATCH, "iterations": 1, "evaluate_every": 1}),
    }
    lottery = replace(setup.bound.lottery, experiment=experiment.model_copy(update=changed))
    return replace(setup, bundle=noise, bound=replace(setup.bound, lottery=lottery))


def _try_task(small: Setup) -> None:
    """Checks what the functions of a task return for the network's outputs on one batch."""
    task, examples = small.task, Examples(small.bundle, torch.device("cpu"))
    inputs, targets = (part[0] for part in examples.batch(torch.arange(BATCH).unsqueeze(0)))
    with torch.enable_grad():
        outputs = small.network.make().train()(inputs).float()
        if not outputs.requires_grad:
            raise UserError(f"the network of {small.bound.model} gives outputs without a gradient; they may be detached")
        with blaming(f"the loss of {small.bound.task} failed"):
            loss = task.loss(outputs, targets)
        _require_tensor(f"the loss of {small.bound.task}", loss, ())
        if not loss.requires_grad:
            raise UserError(f"the loss of {small.bound.task} has no gradient, because it does not depend on the outputs")
        (expected,) = torch.autograd.grad(loss, outputs)
    outputs = outputs.detach()
    _try_measures(small, outputs.expand(2, *outputs.shape), targets.expand(2, *targets.shape))
    if task.gradient is not None and outputs.dim() == 2:
        for dim in (1, 2):
            _try_gradient(task, str(small.bound.task), outputs, targets, expected, dim)


def _try_measures(small: Setup, outputs: Tensor, targets: Tensor) -> None:
    """Shapes: outputs (2, B, ...), targets (2, B, ...), of two lanes."""
    with blaming(f"`sums` of {small.bound.task} failed"):
        sums = small.task.sums(outputs, targets)
    if not isinstance(sums, Tensor) or sums.dim() != 2 or len(sums) != 2:
        raise UserError(f"`sums` of {small.bound.task} gives {_described(sums)}, but should give numbers (L, k), here (2, k)")
    with blaming(f"`value` of {small.bound.task} failed"):
        value = small.task.value(sums, BATCH)
    if not isinstance(value, tuple) or len(value) != 2:
        raise UserError(f"`value` of {small.bound.task} gives {_described(value)}, but should give the losses and the metrics")
    for what, found in zip(("losses", "metrics"), value, strict=True):
        _require_tensor(f"`value` of {small.bound.task}, for the {what} of two lanes,", found, (2,))


def _try_gradient(task: Task, name: str, outputs: Tensor, targets: Tensor, expected: Tensor, dim: int) -> None:
    """Compares a hand-written gradient with autograd's. Shapes: outputs and expected (B, C), targets (B, ...)."""
    if task.gradient is None:
        return
    lanes = outputs.unsqueeze(0) if dim == 2 else outputs.t().unsqueeze(0)
    with blaming(f"`gradient` of {name} failed"):
        losses, gradient = task.gradient(lanes.clone(), targets.unsqueeze(0), dim)
    _require_tensor(f"`gradient` of {name}, for the losses of one lane,", losses, (1,))
    _require_tensor(f"`gradient` of {name}", gradient, tuple(lanes.shape))
    found = gradient[0] if dim == 2 else gradient[0].t()
    if not torch.allclose(found.float(), expected, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise UserError(f"`gradient` of {name} is not the gradient of its loss")


def _trained(small: Setup, start: Ticket) -> dict[str, Any]:
    """The weights after one iteration and one evaluation, which use every option of data and training."""
    experiment = small.bound.experiment
    examples = Examples(small.bundle, torch.device("cpu"), experiment.data.augment)
    recipe = Recipe(experiment.optimizer, experiment.training, experiment.data.validation)
    with blaming(f"{small.bound.model} cannot be trained with {small.bound.task}"), torch.no_grad():
        trainer = Trainer(small.network, small.task, examples, [start], [Stream(SEED)], [""], recipe)
        trainer.iterate(trainer.order.batch(0), min(experiment.optimizer.lr, SMALL_STEP))
        trainer.measure(*trainer.validation)
    return trainer.stack.weights(0)


def _try_arms(small: Setup, dense: Ticket, trained: Weights) -> None:
    """Prunes for every arm and makes its first ticket, from the values that the pipeline offers to it."""
    lottery, criteria = small.bound.lottery, small.bound.criteria
    masks = {DENSE: dense.mask}
    for name, arm in lottery.arms.items():
        mask = masks[arm.masks_of or DENSE]
        if arm.prunes:
            mask = scores.prune(criteria[name], _for_criterion(small, dense, trained, mask), mask, small.groups, rounds=1)
        masks[name] = ticket_of(small, name, _for_arm(small, dense, trained, mask)).mask


def _for_arm(small: Setup, dense: Ticket, trained: Weights, mask: Mask) -> Mapping[str, Callable[[], Any]]:
    """What an arm may request."""
    return {
        "mask": lambda: mask,
        "initial": lambda: dict(dense.weights),
        "rewound": lambda: dict(dense.weights),
        "trained": lambda: dict(trained),
        "fresh": lambda: networks.fresh(small.network, small.bound.init, SEED + 1),
        "rng": lambda: np.random.default_rng(SEED),
    }


def _for_criterion(small: Setup, dense: Ticket, trained: Weights, mask: Mask) -> Mapping[str, Callable[[], Any]]:
    """What a criterion may request."""
    probe = Probe(small)

    def masked(weights: Weights) -> Weights:
        return {name: weights[name] for name in mask}

    return {
        "trained": lambda: masked(trained),
        "initial": lambda: masked(dense.weights),
        "rewound": lambda: masked(dense.weights),
        "mask": lambda: mask,
        "rng": lambda: np.random.default_rng(SEED),
        "module": lambda: probe.module_with(trained),
        "batch": lambda: probe.batches(SEED, 1)[0],
        "gradient": lambda: probe.gradient_of(SEED, trained),
    }


def _require_tensor(what: str, found: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor) or not found.is_floating_point() or tuple(found.shape) != shape:
        should = "one number" if shape == () else f"floating-point numbers of shape {shape}"
        raise UserError(f"{what} gives {_described(found)}, but should give {should}")


def _described(found: Any) -> str:
    return f"{found.dtype} {tuple(found.shape)}".removeprefix("torch.") if isinstance(found, Tensor) else type_of(found)
