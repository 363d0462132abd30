"""What a figure is drawn from and its sentences are about: some experiments and what came out of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.figures import style
from pipeline.results.metric import Metric
from pipeline.results.outcome import Outcome
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
