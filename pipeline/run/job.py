"""The lanes of one item as work for an executor: they are trained by their arm's recipe, with checkpoints, and saved."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pipeline.domain.tickets import Ticket
from pipeline.files import checkpoints, datasets
from pipeline.files.lane import LaneFiles
from pipeline.run import keys
from pipeline.run.setup import Setup
from pipeline.training.examples import Examples, Stream
from pipeline.training.history import outcome, table
from pipeline.training.schedule import settled
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values import paths
from pipeline.values.lanes import Item, Lane

CHECKPOINT_EVERY = 20.0  # seconds


@dataclass(frozen=True)
class Job:
    """The lanes to train and where to write them, which the executor hands to a process."""

    setup: Setup
    recipe: Recipe
    lanes: Sequence[Lane]
    tickets: Sequence[Ticket]
    streams: Sequence[Stream]
    device: torch.device
    folder: Path
    data_digest: str
    recipe_key: str
    keys: Sequence[str]

    @property
    def origin(self) -> int:
        return self.tickets[0].origin

    @property
    def iterations(self) -> int:
        """The number of iterations of all lanes together."""
        return (self.recipe.training.iterations - self.origin) * len(self.lanes)

    def run(self, group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """Trains the lanes with these indices side by side. report: takes the lane-iterations done, a checkpoint's included."""
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # moments of dead inputs decay into denormals, which are slow
        trainer = Trainer(
            self.setup.network,
            self.setup.task,
            Examples(self.setup.bundle, self.device, self.setup.bound.experiment.data.augment),
            [self.tickets[i] for i in group],
            [self.streams[i] for i in group],
            [str(self.lanes[i]) for i in group],
            self.recipe,
        )
        checkpoint = self._checkpoint(group)
        if checkpoints.load(checkpoint, trainer.load):
            report((trainer.iteration - self.origin) * len(group))
        saved = time.monotonic()
        for iteration in trainer.run():
            report((iteration - self.origin) * len(group))
            leave = stopped()
            # A finished lane is kept in its checkpoint until the others are finished, in case one of them fails.
            if leave or iteration == self.recipe.training.iterations or time.monotonic() - saved > CHECKPOINT_EVERY:
                checkpoints.save(checkpoint, trainer.state())
                saved = time.monotonic()
            if leave:
                return
        for row, i in enumerate(group):
            self._write(i, trainer, row)

    def _checkpoint(self, group: Sequence[int]) -> Path:
        """Its name has the keys of all its lanes and where they run, because layout and bits of the state depend on both."""
        state = keys.digest(self.device.type, torch.__version__, *(self.keys[i] for i in group))
        return paths.CHECKPOINTS / f"{self.keys[group[0]]}-{state}.safetensors"

    def _config(self, item: Item) -> dict[str, Any]:
        """The settings of the experiment on which the lanes depend; the dense network depends on none that concern pruning."""
        experiment = self.setup.bound.experiment
        settings = experiment.model_dump(mode="json")
        kept = {name: section for name, section in settings.items() if name not in keys.NOT_OF_A_LANE}
        if item.round:
            kept["pruning"] = {name: settings["pruning"][name] for name in ("criterion", "scope", "structure", "rates")}
            own = experiment.all_arms[item.arm]
            kept["arm"] = {"name": experiment.plugin_of(item.arm), **own.options}
        return kept

    def _write(self, i: int, trainer: Trainer, row: int) -> None:
        lane, ticket, setup = self.lanes[i], self.tickets[i], self.setup
        arm, metric = setup.bound.lottery.arm_of(lane.item), setup.task.metric
        own_mask = arm is not None and arm.mask is not None
        about = {
            "experiment": lane.item.experiment,
            "item": lane.item.name,
            "round": lane.item.round,
            "arm": lane.item.arm,
            "seed": lane.seed,
            "draw": lane.draw,
            "density": ticket.mask.density,
            "weights": ticket.mask.size,
            "masks": None if own_mask else setup.bound.lottery.masks_of(lane.item).name,
            "metric": asdict(metric),
            "input_key": self.keys[i],
            "recipe_key": self.recipe_key,
            "config": self._config(lane.item),
            "data_digest": self.data_digest,
        }
        weights = {"start": dict(ticket.weights), "trained": trainer.stack.weights(row)}
        if trainer.kept:
            weights["rewind"] = trainer.kept[row]
        history = trainer.history[row]
        LaneFiles(self.folder / lane.name).write(
            about | outcome(history, metric), weights, table(history, metric), ticket.mask if own_mask else None
        )


def recipe_of(setup: Setup, item: Item) -> Recipe:
    """How the lanes of an item are trained, as its arm says."""
    experiment = setup.bound.experiment
    recipe = Recipe(experiment.optimizer, experiment.training, experiment.data.validation)
    arm = setup.bound.lottery.arm_of(item)
    if arm is None:
        return replace(recipe, keep=setup.origin)
    match arm.training:
        case "scheduled":
            return recipe
        case "last_rate":
            return replace(recipe, optimizer=settled(recipe.optimizer))
        case "all_rounds":
            times = 1 + item.round
            longer = recipe.training.model_copy(update={"iterations": times * recipe.training.iterations})
            return replace(recipe, training=longer, stretch=times)


def job_of(setup: Setup, item: Item, tickets: Mapping[Lane, Ticket], device: torch.device, folder: Path) -> "Job":
    """The job of an item, which writes below `folder`."""
    bound, recipe = setup.bound, recipe_of(setup, item)
    digest = datasets.digest(paths.data(bound.experiment.data.slug))
    shared = keys.recipe_key(bound.name, bound.experiment, digest, [bound.model.source, bound.task.source])
    streams = [_stream(setup, lane) for lane in tickets]
    more = {"optimizer": recipe.optimizer.model_dump(mode="json"), "iterations": recipe.training.iterations}
    names = [
        keys.input_key(shared, str(lane), lane.seed, ticket, more | {"order": stream.order})
        for (lane, ticket), stream in zip(tickets.items(), streams, strict=True)
    ]
    return Job(setup, recipe, list(tickets), list(tickets.values()), streams, device, folder, digest, shared, names)


def _stream(setup: Setup, lane: Lane) -> Stream:
    arm = setup.bound.lottery.arm_of(lane.item)
    drawn = arm is not None and arm.order == "drawn"
    return Stream(lane.seed, (lane.item.name, lane.draw or 0) if drawn else ())
