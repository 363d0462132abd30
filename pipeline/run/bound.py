"""An experiment with the plug-ins that it names and their options. It needs no torch: stages that don't train do without."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from pipeline.domain.lottery import Lottery
from pipeline.domain.pruning import Layer
from pipeline.domain.structures import Plan, plan_of
from pipeline.values import plugins
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item
from pipeline.values.plugins import Plugin


@dataclass(frozen=True)
class Bound:
    """criteria, structures: those of the arms that prune. Model, task and init are bound when asked for: they import torch."""

    lottery: Lottery
    criteria: Mapping[str, Plugin]
    structures: Mapping[str, Plugin]
    data: Plugin

    @classmethod
    def of(cls, name: str, experiment: Experiment) -> Self:
        """Raises: UserError when the settings do not fit each other or the plug-ins."""
        lottery = Lottery.of(name, experiment)
        pruned = [arm for arm in lottery.arms if lottery.arms[arm].prunes]
        criteria, structures = ({arm: of(arm) for arm in pruned} for of in (lottery.criterion, lottery.structure))
        return cls(lottery, criteria, structures, plugins.bind("data", experiment.data.name, experiment.data.options))

    @property
    def name(self) -> str:
        return self.lottery.name

    @property
    def experiment(self) -> Experiment:
        return self.lottery.experiment

    def target(self, item: Item) -> str:
        """What `dvc repro` takes to make an item, for messages about its files."""
        from pipeline.settings import places  # no result depends on it

        return places.target(item, self.lottery.is_control(item))

    def plan(self, arm: str, layers: Mapping[str, Layer], **network: Any) -> Plan:
        """How the masks of an arm are pruned. network: its `module` and an `example`, for a structure that asks for them.

        Raises: UserError when the arm's structure, scope or rates do not fit the layers.
        """
        rates, scope = self.experiment.pruning.rates, self.lottery.scope(arm)
        return plan_of(self.structures[arm], layers=layers, rates=rates, scope=scope, **network)

    @cached_property
    def model(self) -> Plugin:
        return plugins.bind("models", self.experiment.model.name, self.experiment.model.options)

    @cached_property
    def task(self) -> Plugin:
        return plugins.bind("tasks", self.experiment.task.name, self.experiment.task.options)

    @cached_property
    def init(self) -> Plugin:
        return plugins.bind("inits", self.experiment.init.name, self.experiment.init.options)
