"""The table that `python -m stages.repeat_rounds --show` prints."""

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from pipeline.domain import pruning
from pipeline.domain.lottery import Lottery
from pipeline.preview.estimate import Estimate
from pipeline.run.setup import Setup
from pipeline.settings import bounds, check, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item


def show(name: str, experiment: Experiment) -> str:
    """A table of the experiment's items: DVC target, density, lanes, lane-iterations and time.

    Raises: UserError for everything that a training stage would reject. Data whose plug-in has a FORM need not exist yet.
    """
    bound = check.settings(name, experiment)
    setup = check.without_data(bound)
    if setup is None:
        slug = experiment.data.slug
        raise UserError(
            f"{paths.data(slug)} is missing and {bound.data} declares no FORM for these options, so its size is not known. Run "
            f"`{places.REMEDY} {name}` and then `dvc repro {paths.download(slug)}` to make the file"
        )
    lottery, layers = bound.lottery, setup.network.layers
    estimate = Estimate(setup)
    items = lottery.items()
    lanes = {item: len(lottery.lanes(item)) for item in items}
    iterations = {item: trained_for(lottery, item, setup.origin) for item in items}
    masks = {item: lottery.masks_of(item) for item in items}
    with check.under(name, experiment), bounds.bounded(), bounds.memory():
        seconds = {item: estimate.seconds(masks[item], lanes[item], iterations[item]) for item in items}
    work = {item: lanes[item] * iterations[item] for item in items}
    rows = [
        (places.target(item, lottery.is_control(item)), f"{_density(setup, masks[item]):.2%}", item.arm,
         lanes[item], work[item], duration(seconds[item]))
        for item in items
    ]  # fmt: skip
    cost = (
        f"{len(items)} items, {sum(lanes.values())} lanes, {sum(work.values()):,} lane-iterations; training takes about "
        f"{duration(sum(seconds.values()))} on this machine ({estimate.device.type}), estimated from a few steps measured now"
    )
    table = tabulate(rows, ("target of dvc repro", "density", "arm", "lanes", "lane-iterations", "time"), intfmt=",")
    return "\n".join([f"{name}: {_sizes(layers)}", *_left_out(setup.network.left_out), table, cost, ""])


def _left_out(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [f"These are never pruned and not counted, because they are not weights of a known layer: {', '.join(names)}"]


def _density(setup: Setup, masks: Item) -> float:
    """The density of the masks of an item that prunes, or of the dense network."""
    return setup.plans[masks.arm].density(masks.round) if masks.round else 1.0


def trained_for(lottery: Lottery, item: Item, origin: int) -> int:
    """The number of iterations of one lane."""
    iterations = lottery.experiment.training.iterations
    if item == lottery.dense:
        return iterations
    arm = lottery.arms[item.arm]
    return iterations * (1 + item.round if arm.training == "all_rounds" else 1) - (origin if arm.begins_at_rewind else 0)


def duration(seconds: float) -> str:
    """A duration with two digits, because a few steps cannot tell more."""
    for unit, size, limit in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < limit * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds / 86400)} days"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def _sizes(layers: Mapping[str, pruning.Layer]) -> str:
    """The number of weights in each layer; for a deep network, in each kind."""
    parts = [(f"{name.removesuffix('.weight')} ({layer.kind})", layer.size) for name, layer in layers.items()]
    if len(parts) > 6:
        kinds = dict.fromkeys(layer.kind for layer in layers.values())
        parts = [(kind, sum(layer.size for layer in layers.values() if layer.kind == kind)) for kind in kinds]
    return f"{sum(size for _, size in parts):,} weights in " + ", ".join(f"{name} {size:,}" for name, size in parts)
