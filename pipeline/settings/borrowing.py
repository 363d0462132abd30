"""Arms with the option `masks_from`, whose tickets were found in another experiment, so that a ticket is moved to other data.

Only tickets that are rewound to iteration 0 can be moved. If two experiments have the same network, init and seed, they begin
with the same weights, and the weights of a ticket are therefore the same in both.
"""

from collections.abc import Mapping

from pipeline.values.clock import Moment
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import TICKET

SHARED = (
    "model",
    "init",
    "pruning.scope",
    "pruning.structure",
    "pruning.rates",
)  # the settings that determine a ticket, apart from those of training


def masks_from(experiment: Experiment, arm: str) -> str | None:
    """The experiment from which an arm takes its masks; None for an arm without the option."""
    options = experiment.all_arms[arm].options
    return str(options["masks_from"]) if "masks_from" in options else None


def check(experiments: Mapping[str, Experiment]) -> None:
    """Raises: UserError that names the first arm whose tickets cannot come from the experiment that it names."""
    for name, experiment in experiments.items():
        for arm in experiment.arms:
            source = masks_from(experiment, arm)
            problem = "" if source is None else _problem(name, experiment, arm, source, experiments)
            if problem:
                raise UserError(f"{experiment.file}: experiments.{name}: arms.{arm}.masks_from is {source!r}, but {problem}")


def _problem(name: str, experiment: Experiment, arm: str, source: str, experiments: Mapping[str, Experiment]) -> str:
    """What is wrong with the source of an arm's masks; empty when nothing is."""
    if source not in experiments or source == name:
        others = ", ".join(sorted(other for other in experiments if other != name))
        return f"should be another experiment, {f'one of {others}' if others else 'and there is none'}"
    other = experiments[source]
    missing = sorted(set(experiment.rounds_of(arm)) - set(other.rounds_of(TICKET)))
    if missing:
        return f"should be an experiment that has tickets of the rounds {missing}"
    seeds = sorted(set(experiment.seeds) - set(other.seeds))
    if seeds:
        return f"should be an experiment that has the seeds {seeds}"
    for key in SHARED:
        mine, theirs = (_value(e, key) for e in (experiment, other))
        if mine != theirs:
            return f"should be an experiment whose {key} is {mine}, and not {theirs}"
    own = {"scope", "structure"}.intersection(other.all_arms[TICKET].options)
    if own or other.pruning.structure.name != "weight":
        return "should be an experiment whose tickets are pruned weight by weight and in the scope of the experiment"
    late = [e.rewind for e in (experiment, other) if Moment.parse(e.rewind).count]
    return f"rewind is {late[0]}; should be 0it in both, because later weights depend on the data" if late else ""


def _value(experiment: Experiment, key: str) -> object:
    found = experiment.model_dump(mode="json")
    for part in key.split("."):
        found = found[part]
    return found
