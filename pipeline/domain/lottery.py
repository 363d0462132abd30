"""The items of an experiment, and what each of them is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pipeline.domain.arms import Arm
from pipeline.values import plugins
from pipeline.values.clock import Moment
from pipeline.values.errors import UserError, type_of
from pipeline.values.experiment import Criterion, Experiment, Scope, StructureSettings
from pipeline.values.lanes import DENSE, TICKET, Item, Lane
from pipeline.values.plugins import Plugin


@dataclass(frozen=True)
class Lottery:
    """arms: the experiment's arms by name, each after the one whose masks it takes. plugins: the plug-ins that made them."""

    name: str
    experiment: Experiment
    arms: Mapping[str, Arm]
    plugins: Mapping[str, Plugin]

    @classmethod
    def of(cls, name: str, experiment: Experiment) -> Self:
        """Raises: UserError that names the arm which does not fit the others, or whose options don't fit it."""
        bound = {arm: _bind(arm, experiment) for arm in experiment.all_arms if experiment.rounds_of(arm)}
        known = {arm: _make(arm, plugin) for arm, plugin in bound.items()}
        ordered: dict[str, Arm] = {}
        for arm in known:
            _place(arm, known, ordered, ())
        lottery = cls(name, experiment, ordered, bound)
        for arm in ordered:
            lottery._check(arm)
        return lottery

    def items(self) -> list[Item]:
        """All items, each after those that it needs."""
        return [self.dense, *(Item(self.name, k, arm) for arm in self.arms for k in self.experiment.rounds_of(arm))]

    def lanes(self, item: Item) -> list[Lane]:
        """The lanes of an item: each replicate, as often as its arm is drawn."""
        draws: list[int | None] = [None]
        arm = self.arm_of(item)
        if arm is not None and arm.is_drawn:
            draws = [*range(1, 1 + (self.experiment.all_arms[item.arm].draws or 1))]
        return [Lane(item, seed, draw) for seed in self.experiment.seeds for draw in draws]

    def arm_of(self, item: Item) -> Arm | None:
        """The arm that makes an item; None for the dense network."""
        return self.arms[item.arm] if item.round else None

    def is_control(self, item: Item) -> bool:
        arm = self.arm_of(item)
        return arm is not None and arm.is_control

    def require(self, item: Item, is_control: bool) -> None:
        """Raises: UserError when the experiment has no such item, or another stage makes it."""
        arm = self.arms.get(item.arm)
        if arm is None or item.round not in self.experiment.rounds_of(item.arm) or arm.is_control != is_control:
            what = "control" if is_control else "pruned item"
            every = [i.name for i in self.items()[1:] if self.arms[i.arm].is_control == is_control]
            raise UserError(f"{self.name} has no {what} {item.name!r}; it has {', '.join(every) or 'none'}")

    @property
    def dense(self) -> Item:
        return Item(self.name, 0, DENSE)

    def pruned_from(self, item: Item) -> Item:
        """The item from whose masks and trained weights an item is pruned; in a first round it is the dense network."""
        own = self.arms[item.arm].prunes == "own" and item.round > 1
        return Item(self.name, item.round - 1, item.arm) if own else self.dense

    def masks_of(self, item: Item) -> Item:
        """The pruned item whose masks an item uses, as they are or to make its own from; or the dense network."""
        arm = self.arm_of(item)
        of = arm.masks_of if arm else None
        return item if of is None else self.dense if of == DENSE else self.masks_of(Item(self.name, item.round, of))

    def trained_before(self, item: Item) -> Item:
        """The item whose trained weights an item may start from: the one from which its masks were pruned."""
        return self.pruned_from(self.masks_of(item))

    def criterion(self, arm: str) -> Plugin:
        """The criterion by which the masks of an arm are pruned. Raises: UserError when its options don't fit it."""
        return _chosen(arm, "criteria", self.arms[arm].criterion, self.experiment.pruning.criterion)

    def structure(self, arm: str) -> Plugin:
        """What is removed together from the masks of an arm. Raises: UserError when its options don't fit it."""
        return _chosen(arm, "structures", self.arms[arm].structure, self.experiment.pruning.structure)

    def scope(self, arm: str) -> Scope:
        """The scope in which the masks of an arm are pruned."""
        return self.arms[arm].scope or self.experiment.pruning.scope

    def _check(self, name: str) -> None:
        arm, settings, rounds = self.arms[name], self.experiment.all_arms[name], self.experiment.rounds_of(name)
        if arm.prunes == "own" and rounds != tuple(range(1, 1 + len(rounds))):
            raise UserError(
                f"arms.{name}.rounds is {list(rounds)}: each round is pruned from the one before; should be all, or the last "
                f"round, such as {rounds[-1]}"
            )
        if problem := self.experiment.pruning.problem_of(self.scope(name)):
            raise UserError(f"arms.{name}: pruning.{problem}")
        if arm.masks_of and arm.masks_of != DENSE:
            missing = sorted(set(rounds) - set(self.experiment.rounds_of(arm.masks_of)))
            if missing:
                raise UserError(f"arms.{name}.rounds has {missing}, which arms.{arm.masks_of}.rounds should have too")
            if self.arms[arm.masks_of].mask:
                raise UserError(f"arms.{name} cannot take the masks of {arm.masks_of}, which are made anew for each lane")
        if settings.draws is not None and not arm.is_drawn:
            raise UserError(f"arms.{name}.draws is {settings.draws}, but nothing in this arm is drawn; should be left out")
        if "trained" in arm.asks and self.masks_of(Item(self.name, rounds[0], name)) == self.dense:
            raise UserError(f"arms.{name} asks for trained weights, but its masks were never pruned; should ask for others")
        if arm.training == "last_rate" and self.experiment.optimizer.decay == "cosine":
            raise UserError(
                f"arms.{name} trains at the last learning rate of the schedule, which is 0 because optimizer.decay is cosine; "
                f"leave it out, or give the experiment steps, such as optimizer.decay: {{at: [80ep, 120ep], by: 0.1}}"
            )
        if arm.training == "last_rate" and self._has_constant_rate():
            raise UserError(
                f"arms.{name} trains at the last learning rate of the schedule, which here is the only one, so it would "
                f"repeat an arm that follows the schedule; leave it out, or give the experiment optimizer.decay"
            )

    def _has_constant_rate(self) -> bool:
        optimizer = self.experiment.optimizer
        return optimizer.decay is None and Moment.parse(optimizer.warmup).count == 0


def _chosen(arm: str, kind: plugins.Kind, own: str | Mapping[str, Any] | None, common: Criterion | StructureSettings) -> Plugin:
    """The plug-in that an arm names itself, or else the experiment's."""
    if own is None:
        return plugins.bind(kind, common.name, common.options)
    options = {"name": own} if isinstance(own, str) else dict(own)
    name = options.pop("name", "")
    try:
        plugins.find(kind, name)
    except ValueError as error:
        raise UserError(f"arms.{arm}: the {plugins.CALLED[kind]} {name!r} {error}") from None
    return plugins.bind(kind, name, options)


def _bind(name: str, experiment: Experiment) -> Plugin:
    try:
        return plugins.bind("arms", experiment.plugin_of(name), experiment.all_arms[name].options)
    except UserError as error:
        raise UserError(f"arms.{name}: {error}") from error


def _make(name: str, plugin: Plugin) -> Arm:
    try:
        arm = plugin()
    except UserError as error:
        raise UserError(f"arms.{name}: {error}") from error
    if not isinstance(arm, Arm):
        raise UserError(f"arms.{name} gives {type_of(arm)}, but should give an Arm (pipeline.domain.arms)")
    return arm


def _place(name: str, known: Mapping[str, Arm], ordered: dict[str, Arm], waiting: tuple[str, ...]) -> None:
    """Adds an arm to the order, after the one whose masks it takes."""
    if name in waiting:
        raise UserError(f"arms.{name} takes its own masks, by way of {', '.join(waiting)}")
    of = known[name].masks_of
    if of and of != DENSE:
        if of not in known:
            hint = f"; `{TICKET}` is switched off" if of == TICKET else ""
            raise UserError(f"arms.{name} takes the masks of the arm {of!r}, which the experiment does not have{hint}")
        _place(of, known, ordered, (*waiting, name))
    ordered.setdefault(name, known[name])
