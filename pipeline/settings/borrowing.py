"""Arms with the option `masks_from`, whose tickets were found in another experiment: a ticket is moved to other data.

Only tickets that are rewound to iteration 0 can be moved: both experiments begin with the same weights, as long as they have the
same network, init and seed, and therefore the ticket's weights are those of its new experiment too.
"""

from collections.abc import Mapping

from pipeline.values.clock import Moment
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import TICKET

SHARED = ("model", "init", "pruning.scope", "pruning.rates")  # what a ticket is made from, apart from training


def masks_from(experiment: Experiment, arm: str) -> str | None:
    """The experiment that an arm takes its masks from; None for all usual arms."""
    found = experiment.all_arms[arm].options.get("masks_from")
    return None if found is None else str(found)


def check(experiments: Mapping[str, Experiment]) -> None:
    """Raises: UserError that names the first arm whose tickets cannot come from where it says."""
    for name, experiment in experiments.items():
        for arm in experiment.arms:
            source = masks_from(experiment, arm)
            problem = "" if source is None else _problem(name, experiment, arm, source, experiments)
            if problem:
                raise UserError(f"{experiment.file}: experiments.{name}: arms.{arm}.masks_from is {source!r}, {problem}")


def _problem(name: str, experiment: Experiment, arm: str, source: str, experiments: Mapping[str, Experiment]) -> str:
    """What is wrong with the source of an arm's masks; empty when nothing is."""
    if source not in experiments or source == name:
        others = ", ".join(sorted(other for other in experiments if other != name))
        return f"should be another experiment, one of {others}"
    other = experiments[source]
    missing = sorted(set(experiment.rounds_of(arm)) - set(other.rounds_of(TICKET)))
    if missing:
        return f"which has no tickets of the rounds {missing}; should be an experiment with them"
    seeds = sorted(set(experiment.seeds) - set(other.seeds))
    if seeds:
        return f"which does not have the seeds {seeds}; should be an experiment with them"
    for key in SHARED:
        mine, theirs = (_value(e, key) for e in (experiment, other))
        if mine != theirs:
            return f"whose {key} is another ({theirs}); should be an experiment with {key} {mine}"
    late = [e.rewind for e in (experiment, other) if Moment.parse(e.rewind).count]
    return f"but rewind is {late[0]}; should be 0it in both, because later weights have seen the data" if late else ""


def _value(experiment: Experiment, key: str) -> object:
    found = experiment.model_dump(mode="json")
    for part in key.split("."):
        found = found[part]
    return found
