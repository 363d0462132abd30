"""What a training stage needs, which is read and checked before any training, and the tickets that it trains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pipeline.domain import arms, networks, seeds
from pipeline.domain.arms import Arm, Weights
from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.lottery import Lottery
from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.task import Task
from pipeline.domain.tickets import Ticket, ticket
from pipeline.files import datasets, masks
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.training.examples import Examples
from pipeline.values import paths
from pipeline.values.clock import Moment
from pipeline.values.errors import UserError, reason
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item, Lane


@dataclass(frozen=True)
class Setup:
    """network has meaningless weights; origin is the iteration to which tickets are rewound."""

    bound: Bound
    bundle: Bundle
    task: Task
    network: Network
    origin: int

    @property
    def name(self) -> str:
        return self.bound.name

    @property
    def lottery(self) -> Lottery:
        return self.bound.lottery

    @property
    def experiment(self) -> Experiment:
        return self.bound.experiment


def begin(bound: Bound) -> Setup:
    """Reads and checks it all. Raises: UserError when anything in the settings or the data would fail later."""
    from pipeline.settings import check  # it only rejects input: no output depends on it

    torch.set_num_threads(1)  # before anything computes: threads would not survive the fork of the lanes' processes
    bundle = datasets.read_bundle(paths.data(bound.experiment.data.slug))
    form = Form.of(bundle)
    check.fits(bound, bundle, form)
    task, network = build(bound, bundle, form)
    return Setup(bound, bundle, task, network, origin(bound.experiment, form))


def build(bound: Bound, bundle: Bundle, form: Form) -> tuple[Task, Network]:
    """The task and the network for a data set. bundle: the data, or noise of the same form. form: the form of the data.

    Raises: UserError when they do not fit each other.
    """
    task = bound.task()
    if not isinstance(task, Task):
        raise UserError(f"{bound.task} gives a {type(task).__name__}, should give a Task (pipeline.domain.task)")
    try:
        task.check(bundle)
    except ValueError as error:
        raise UserError(f"{bound.task} cannot be trained on {bound.data}: {error}") from error
    noise = form.noise(2, 2)
    example = Examples(noise, torch.device("cpu")).normalise(torch.from_numpy(noise.train_inputs[:2]))
    return task, networks.build(bound.model, example, task.outputs(bundle))


def origin(experiment: Experiment, form: Form) -> int:
    """The iteration to which tickets are rewound."""
    per_epoch = (form.train - experiment.data.validation) // experiment.training.batch_size
    return Moment.parse(experiment.rewind).iterations(per_epoch)


def dense_tickets(setup: Setup) -> dict[Lane, Ticket]:
    """The tickets of round 0: full masks and fresh weights (section 2, step 1)."""
    mask = Mask.full({name: layer.shape for name, layer in setup.network.layers.items()})
    init = setup.bound.init
    return {
        lane: ticket(mask, networks.fresh(setup.network, init, seeds.derive(lane.seed, "init")))
        for lane in setup.lottery.lanes(setup.lottery.dense)
    }


def tickets(setup: Setup, item: Item) -> dict[Lane, Ticket]:
    """The tickets of an item's lanes, as its arm defines them (section 2, step 4)."""
    return {lane: _ticket(setup, lane) for lane in setup.lottery.lanes(item)}


def _ticket(setup: Setup, lane: Lane) -> Ticket:
    name = lane.item.arm
    arm, offered = setup.lottery.arms[name], _offered(setup, lane)
    try:
        mask = arms.call(arm.mask, offered) if arm.mask else offered["mask"]()
        # When the lane has a mask of its own, the weights are chosen for that mask.
        weights = arms.call(arm.weights, {**offered, "mask": lambda: mask})
    except UserError:
        raise
    except Exception as error:  # the user's arm may raise anything
        raise UserError(f"arms.{name} failed: {reason(error)}") from error
    module = setup.network.module
    shapes = {name: tuple(t.shape) for name, t in (*module.named_parameters(), *module.named_buffers())}
    wrong = [tensor for tensor, shape in shapes.items() if tensor not in weights or np.shape(weights[tensor]) != shape]
    if wrong:
        raise UserError(f"arms.{name} gives no weights for {', '.join(wrong)}, or some of another shape")
    return ticket(mask, weights, _origin(arm, setup.origin))


def _origin(arm: Arm, rewind: int) -> int:
    return rewind if arm.begins_at_rewind else 0


def _offered(setup: Setup, lane: Lane) -> Mapping[str, Callable[[], Any]]:
    """What an arm may ask for; each is read or drawn only when it is asked for."""
    lottery, seed = setup.lottery, lane.seed
    drawn = seeds.derive(seed, "control", lane.item.name, lane.draw or 0)

    def of(item: Item, which: str) -> Weights:
        return LaneFiles.of(Lane(item, seed)).weights(which)

    return {
        "mask": lambda: masks.read(lottery.masks_of(lane.item), seed),
        "initial": lambda: of(lottery.dense, "start"),
        "rewound": lambda: of(lottery.dense, "rewind"),
        "trained": lambda: of(lottery.trained_before(lane.item), "trained"),
        "fresh": lambda: networks.fresh(setup.network, setup.bound.init, drawn),
        "rng": lambda: np.random.default_rng(drawn),
    }
