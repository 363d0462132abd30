"""Rehearses an experiment once, in memory and on a few examples, which are noise when the data do not exist yet: errors of
plug-ins are found in a second and not after hours of training.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import torch

from pipeline.domain import networks
from pipeline.domain.arms import Weights
from pipeline.domain.bundle import Array, Bundle
from pipeline.domain.masks import Mask
from pipeline.domain.tickets import Ticket, ticket
from pipeline.run.setup import Setup, ticket_of
from pipeline.scoring import scores
from pipeline.scoring.probe import Probe
from pipeline.settings.task_trial import try_task
from pipeline.training.examples import Examples, Stream
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values.errors import UserError, blaming
from pipeline.values.lanes import DENSE

# The largest number of examples in a batch and in each part. It is not two, because `networks.build` tries two examples and the
# trial of a task two lanes, and a plug-in may work for one number only.
BATCH = 3
SEED = 1
MOST_BATCHES = 10_000  # that a criterion may request; they are in memory together
SMALL_STEP = 1e-3  # an upper limit of the learning rate, because the experiment's may be too large for noise


def rehearse(setup: Setup) -> None:
    """Tries the task, trains the dense network for one iteration, and makes one ticket of each arm.

    Raises: UserError that names the plug-in at fault. A loss that is not finite is none, because noise may have such a loss.
    """
    with torch.random.fork_rng(devices=[]):
        small = _small(setup)
        try_task(small)
        mask = Mask.full({name: layer.shape for name, layer in small.network.layers.items()})
        initial = _initial(small)
        _try_arms(small, ticket(mask, initial), _trained(small, ticket(mask, initial)))


def _small(setup: Setup) -> Setup:
    """The experiment on a few examples."""
    experiment = setup.bound.experiment
    batch = min(BATCH, experiment.training.batch_size)
    changed = {
        "data": experiment.data.model_copy(update={"validation": 0 if setup.form.own_validation else batch}),
        "training": experiment.training.model_copy(update={"batch_size": batch, "iterations": 1, "evaluate_every": 1}),
    }
    lottery = replace(setup.bound.lottery, experiment=experiment.model_copy(update=changed))
    return replace(setup, bundle=few(setup.bundle, 2 * batch, batch), bound=replace(setup.bound, lottery=lottery))


def few(bundle: Bundle, train: int, held_out: int) -> Bundle:
    """So many examples of each part, those of the data again and again when there are fewer."""

    def part(array: Array | None, count: int) -> Array | None:
        return None if array is None else array[np.arange(count) % len(array)]

    changed: dict[str, Any] = {f"train_{what}": part(getattr(bundle, f"train_{what}"), train) for what in ("inputs", "targets")}
    for name in ("validation", "test"):
        changed |= {f"{name}_{what}": part(getattr(bundle, f"{name}_{what}"), held_out) for what in ("inputs", "targets")}
    return replace(bundle, **changed)


def _initial(small: Setup) -> dict[str, Array]:
    """Fresh weights, which must be the network's own and determined by the seed."""
    init, network = small.bound.init, small.network
    _require_plain(str(small.bound.model), network.make())
    with blaming(f"{init} leaves weights that cannot be kept"):
        initial, again = (networks.fresh(network, init, SEED) for _ in range(2))
    tensors = dict(network.module.named_parameters()) | dict(network.module.named_buffers())
    wrong = [name for name in {**tensors, **initial} if name not in initial or name not in tensors]
    wrong += [name for name in tensors if name in initial and initial[name].shape != tuple(tensors[name].shape)]
    if wrong:
        raise UserError(
            f"{init} adds, removes or replaces {', '.join(wrong)}; it should only change the values of {small.bound.model}"
        )
    module = network.make()
    init(module=module, generator=torch.Generator().manual_seed(SEED))
    if [*networks.trainable(module)] != [*networks.trainable(network.module)]:
        raise UserError(f"{init} freezes or ties parameters; it should only change values, and {small.bound.model} do the rest")
    drawn = [name for name, _ in network.module.named_parameters() if initial[name].tobytes() != again[name].tobytes()]
    if drawn:
        raise UserError(
            f"{init} and {small.bound.model} give {', '.join(drawn)} other values for the same seed; an init should draw from "
            "`generator`, which it may ask for, a model from torch's own random numbers"
        )
    return initial


def _require_plain(name: str, module: torch.nn.Module) -> None:
    """Refuses parameters and buffers that cannot be written to a file as numbers."""
    for what, found in (("parameter", dict(module.named_parameters())), ("buffer", dict(module.named_buffers()))):
        for tensor, value in found.items():
            if torch.nn.parameter.is_lazy(value):
                raise UserError(
                    f"{name} has the {what} {tensor} without a shape; it should be of an ordinary layer, not a lazy one"
                )
            if value.layout != torch.strided or value.is_quantized or value.is_complex() or value.dtype == torch.bfloat16:
                kind = value.dtype if value.layout == torch.strided else f"{value.layout} {value.dtype}"
                raise UserError(
                    f"{name} has the {what} {tensor} of {kind}, but should be a dense tensor of float32 or whole numbers"
                )


def _trained(small: Setup, start: Ticket) -> dict[str, Any]:
    """The weights after one iteration and one evaluation, which every option of data and training takes part in."""
    experiment = small.bound.experiment
    examples = Examples(small.bundle, torch.device("cpu"), experiment.data.augment)
    recipe = Recipe(experiment.optimizer, experiment.training, experiment.data.validation)
    with blaming(f"{small.bound.model} cannot be trained with {small.bound.task}"), torch.no_grad():
        trainer = Trainer(small.network, small.task, examples, [start], [Stream(SEED)], [""], recipe)
        trainer.iterate(trainer.order.batch(0), min(experiment.optimizer.lr, SMALL_STEP))
        trainer.measure(*trainer.validation)
    # Weights that are no numbers, after a loss that is none on these few examples, would be blamed on criteria and arms.
    return {n: a if np.isfinite(a).all() else start.weights[n] for n, a in trainer.stack.weights(0).items()}


def _try_arms(small: Setup, dense: Ticket, trained: Weights) -> None:
    """Prunes and makes the first ticket of every arm, with what it would be offered."""
    lottery = small.bound.lottery
    masks = {DENSE: dense.mask}
    for name, arm in lottery.arms.items():
        mask = masks[arm.masks_of or DENSE]
        if arm.prunes:
            rounds = 2 if arm.prunes == "own" and len(lottery.experiment.rounds_of(name)) > 1 else 1
            for k in range(1, rounds + 1):
                mask = _pruned(small, name, dense, trained, mask, range(k - 1, k))
        first, second = (ticket_of(small, name, _for_arm(small, dense, trained, mask)) for _ in range(2))
        if first.mask != second.mask or any(first.weights[n].tobytes() != second.weights[n].tobytes() for n in mask):
            raise UserError(f"arms.{name} gives something else when asked again; it should draw from `rng`, which it may ask for")
        masks[name] = first.mask


def _pruned(small: Setup, name: str, dense: Ticket, trained: Weights, mask: Mask, rounds: range) -> Mask:
    """The mask of an arm after another round, which is pruned in two steps at most."""
    lottery, criterion, given = small.bound.lottery, small.bound.criteria[name], list[Any]()

    @wraps(criterion.function)
    def noted(*args: Any, **asked: Any) -> Any:
        torch.manual_seed(SEED)  # a criterion may train the network, with dropout
        given.append(criterion.function(*args, **asked))
        return given[-1]

    def offers(mask: Mask) -> scores.Offers:
        return _for_criterion(small, dense, mask.apply(trained), mask)

    noting, plan = replace(criterion, function=noted), small.plans[name]
    found = scores.prune_in_steps(noting, offers, mask, plan, rounds, min(2, lottery.arms[name].steps))
    offered = offers(mask)
    noting(**{name: offered[name]() for name in criterion.asks})
    first, again = ({name: np.asarray(array).tobytes() for name, array in given[i].items()} for i in (0, -1))
    if first != again:
        raise UserError(f"{criterion} gives other scores when asked again; it should draw from `rng`, which it may ask for")
    return found


def _copied(weights: Weights) -> dict[str, Array]:
    """As if read from a file: a plug-in may change what it gets."""
    return {name: array.copy() for name, array in weights.items()}


def _for_arm(small: Setup, dense: Ticket, trained: Weights, mask: Mask) -> Mapping[str, Callable[[], Any]]:
    """What an arm may request."""
    return {
        "mask": lambda: mask,
        "initial": lambda: _copied(dense.weights),
        "rewound": lambda: _copied(dense.weights),
        "trained": lambda: _copied(trained),
        "fresh": lambda: networks.fresh(small.network, small.bound.init, SEED + 1),
        "rng": lambda: np.random.default_rng(SEED),
    }


def _for_criterion(small: Setup, dense: Ticket, trained: Weights, mask: Mask) -> Mapping[str, Callable[[], Any]]:
    """What a criterion may request."""
    probe = Probe(small)

    def masked(weights: Weights) -> Weights:
        return {name: weights[name].copy() for name in mask}

    def batches(count: int) -> list[Any]:
        return probe.batches(SEED, _not_too_many(count))

    def gradient(weights: Weights, count: int = 1) -> Weights:
        return probe.gradient_of(SEED, trained)(weights, _not_too_many(count))

    return {
        "trained": lambda: masked(trained),
        "initial": lambda: masked(dense.weights),
        "rewound": lambda: masked(dense.weights),
        "mask": lambda: mask,
        "rng": lambda: np.random.default_rng(SEED),
        "module": lambda: probe.module_with(trained, SEED),
        "start_module": lambda: probe.module_with(mask.apply(dense.weights), SEED),
        "loss": lambda: small.task.loss,
        "batch": lambda: probe.batches(SEED, 1)[0],
        "batches": lambda: batches,
        "gradient": lambda: gradient,
    }


def _not_too_many(count: int) -> int:
    if count > MOST_BATCHES:
        raise UserError(f"a criterion requests {count} batches, but should request at most {MOST_BATCHES:,}")
    return count
