"""What a training stage needs, which is read and checked before any training, and the tickets that it trains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch

from pipeline.domain import arms, networks, seeds
from pipeline.domain.arms import Weights
from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.structures import Plan
from pipeline.domain.task import Task
from pipeline.domain.tickets import Ticket, ticket
from pipeline.files import datasets, masks
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.training.examples import Examples
from pipeline.values import paths
from pipeline.values.clock import Moment
from pipeline.values.errors import UserError, blaming, type_of
from pipeline.values.lanes import Item, Lane


@dataclass(frozen=True)
class Setup:
    """bundle: the data, or noise of the same form. form: the form of the data. network: it has meaningless weights."""

    bound: Bound
    bundle: Bundle
    form: Form
    task: Task
    network: Network

    @property
    def origin(self) -> int:
        """The iteration to which tickets are rewound."""
        experiment = self.bound.experiment
        per_epoch = (self.form.train - experiment.data.validation) // experiment.training.batch_size
        return Moment.parse(experiment.rewind).iterations(per_epoch)

    @cached_property
    def plans(self) -> Mapping[str, Plan]:
        """How the masks of each arm that prunes are pruned. Raises: UserError when a structure or a rate does not fit."""
        return {arm: self.plan(arm) for arm in self.bound.structures}

    def plan(self, arm: str) -> Plan:
        """How the masks of an arm are pruned. Raises: UserError when its structure does not fit the network or the rates."""
        return self.bound.plan(arm, self.network.layers, module=self.network.module, example=_example(self.bundle))


def begin(bound: Bound) -> Setup:
    """Reads and checks it all. Raises: UserError when anything in the settings or the data would fail later."""
    from pipeline.settings import check  # it only rejects input: no output depends on it

    torch.set_num_threads(1)  # before anything computes: threads would not survive the fork of the lanes' processes
    bundle = datasets.read_bundle(paths.data(bound.experiment.data.slug))
    with check.under(bound.name, bound.experiment):
        setup = build(bound, bundle, Form.of(bundle))
        check.fits(setup)
    return setup


def build(bound: Bound, bundle: Bundle, form: Form) -> Setup:
    """Makes the task and the network for a data set. bundle: the data, or noise of the same form.

    Raises: UserError when they do not fit each other.
    """
    task = bound.task()
    if not isinstance(task, Task):
        raise UserError(f"{bound.task} gives {type_of(task)}, but should give a Task (pipeline.domain.task)")
    with blaming(f"{bound.task} fails on {bound.data}"):
        try:
            task.check(bundle)
        except ValueError as error:
            raise UserError(f"{bound.task} cannot be trained on {bound.data}: {error}") from error
        outputs = task.outputs(bundle)
    if not isinstance(outputs, tuple) or not outputs or not all(isinstance(size, Integral) and int(size) > 0 for size in outputs):
        raise UserError(
            f"{bound.task} says that outputs have the shape {outputs!r}, but it should be a tuple of sizes, such as (10,)"
        )
    network = networks.build(bound.model, _example(bundle), tuple(map(int, outputs)))
    return Setup(bound, bundle, form, task, network)


def _example(bundle: Bundle) -> torch.Tensor:
    """Two inputs to try the network on. Shapes: (2, *shape), normalised."""
    return Examples(bundle, torch.device("cpu")).normalise(torch.from_numpy(bundle.train_inputs[[0, -1]]))


def dense_tickets(setup: Setup) -> dict[Lane, Ticket]:
    """The tickets of round 0: full masks and fresh weights (section 2, step 1)."""
    mask = Mask.full({name: layer.shape for name, layer in setup.network.layers.items()})
    init, lottery = setup.bound.init, setup.bound.lottery
    return {
        lane: ticket(mask, networks.fresh(setup.network, init, seeds.derive(lane.seed, "init")))
        for lane in lottery.lanes(lottery.dense)
    }


def tickets(setup: Setup, item: Item) -> dict[Lane, Ticket]:
    """The tickets of an item's lanes, as its arm defines them (section 2, step 4)."""
    return {lane: ticket_of(setup, item.arm, _offered(setup, lane)) for lane in setup.bound.lottery.lanes(item)}


def ticket_of(setup: Setup, name: str, offered: Mapping[str, Callable[[], Any]]) -> Ticket:
    """The ticket that an arm makes. offered: what it may ask for.

    Raises: UserError when the arm fails, or gives a mask or weights that the network cannot have.
    """
    arm, given = setup.bound.lottery.arms[name], offered["mask"]()
    with blaming(f"arms.{name} failed"):
        mask = arms.call(arm.mask, {**offered, "mask": lambda: given}) if arm.mask else given
        # When the lane has a mask of its own, the weights are chosen for that mask.
        weights = arms.call(arm.weights, {**offered, "mask": lambda: mask})
    if not isinstance(mask, Mask) or {n: a.shape for n, a in mask.items()} != {n: a.shape for n, a in given.items()}:
        what = "a mask of other weights" if isinstance(mask, Mask) else type_of(mask)
        raise UserError(f"arms.{name} makes {what}, but should make a Mask (pipeline.domain.masks) of {', '.join(given)}")
    if not isinstance(weights, Mapping):
        raise UserError(f"arms.{name} gives {type_of(weights)}, but should give a mapping of parameters' names to arrays")
    module, parameters = setup.network.module, dict(setup.network.module.named_parameters())
    wrong = [n for n, tensor in (parameters | dict(module.named_buffers())).items() if not _fits(weights.get(n), tensor)]
    if wrong:
        raise UserError(f"arms.{name} gives no weights for {', '.join(wrong)}, or some of another shape or type")
    junk = [n for n in networks.trainable(module) if not np.isfinite(weights[n]).all()]
    if junk:
        raise UserError(f"arms.{name} gives {', '.join(junk)} values that are not finite")
    return ticket(mask, weights, setup.origin if arm.begins_at_rewind else 0)


def _fits(array: Any, tensor: torch.Tensor) -> bool:
    return isinstance(array, np.ndarray) and array.shape == tuple(tensor.shape) and array.dtype.kind in "biuf"


def _offered(setup: Setup, lane: Lane) -> Mapping[str, Callable[[], Any]]:
    """What an arm may ask for; each is read or drawn only when it is asked for."""
    bound, lottery, seed, layers = setup.bound, setup.bound.lottery, lane.seed, setup.network.layers
    drawn = seeds.derive(seed, "control", lane.item.name, lane.draw or 0)

    def of(item: Item, which: str) -> Weights:
        return LaneFiles.of(Lane(item, seed)).weights(which, layers, bound.target(item))

    def mask_of(item: Item) -> Mask:
        return masks.read(item, seed, layers, bound.target(item))

    return {
        "mask": lambda: mask_of(lottery.masks_of(lane.item)),
        "initial": lambda: of(lottery.dense, "start"),
        "rewound": lambda: of(lottery.dense, "rewind"),
        "trained": lambda: of(lottery.trained_before(lane.item), "trained"),
        "fresh": lambda: networks.fresh(setup.network, bound.init, drawn),
        "rng": lambda: np.random.default_rng(drawn),
    }
