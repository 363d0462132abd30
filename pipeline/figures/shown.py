"""What a figure is drawn from and its sentences are about: some experiments and what came out of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.figures import style
from pipeline.results.metric import Metric
from pipeline.results.outcome import Outcome
from pipeline.settings import measured
from pipeline.settings.config import Config
from pipeline.values.experiment import Experiment


@dataclass(frozen=True, eq=False)
class Shown:
    """outcomes: by experiment, in the order of the report; of a figure of one experiment that one alone."""

    config: Config
    outcomes: Mapping[str, Outcome]

    @property
    def name(self) -> str:
        """Of the one experiment."""
        (name,) = self.outcomes
        return name

    @property
    def outcome(self) -> Outcome:
        return self.outcomes[self.name]

    @property
    def metric(self) -> Metric:
        """Of all of them: a figure shows experiments with the same one."""
        return next(iter(self.outcomes.values())).metric

    @property
    def labels(self) -> Mapping[str, str]:
        return self.config.figures.labels

    def experiment(self, name: str) -> Experiment:
        return self.config.experiment(name)

    def label(self, arm: str) -> str:
        return style.label(arm, self.labels)


def outcome(config: Config, name: str, with_stability: bool = True) -> Outcome:
    """What came out of an experiment, with the tables that figures are drawn from. Raises: UserError that names a missing one."""
    experiment = config.experiment(name)
    found = Outcome.read(name, config.margin, with_curves=True, annealed=measured.is_annealed(experiment))
    if measured.is_examined(experiment):
        found = found.with_examined(name, with_profiles=True)
    return found.with_stability(name) if with_stability and measured.is_trained_twice(experiment) else found
