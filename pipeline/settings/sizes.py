"""The largest numbers that an experiment may have. Larger ones are typing errors, which would fill the memory or never end."""

from collections.abc import Iterator

from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment

MOST_ITERATIONS = 10**9
MOST_BETWEEN = 10**6  # iterations between evaluations, whose losses are kept
MOST_EVALUATIONS = 10**5  # of one lane, each of which is a row of its history
MOST_SEED = 2**63 - 1  # a longer one would not fit in the name of a file
MOST_NAME = 100  # characters of an arm or experiment, which are in the names of files
MOST_ARMS = 200
MOST_ITEMS = 5000  # stages of a chain
MOST_LANES = 100_000


def check(name: str, experiment: Experiment) -> None:
    """Raises: UserError that names what is too large. It looks at numbers only, and so takes no time."""
    for what, value, most in _sizes(name, experiment):
        if value > most:
            given = str(value) if value < 10**18 else "a number of more than 18 digits"
            raise UserError(f"{what} is {given}, but should be at most {most}")


def _sizes(name: str, experiment: Experiment) -> Iterator[tuple[str, int, int]]:
    training = experiment.training
    yield "the length of its name", len(name), MOST_NAME
    yield "training.iterations", training.iterations, MOST_ITERATIONS
    yield "training.evaluate_every", training.evaluate_every, MOST_BETWEEN
    evaluations = training.iterations // training.evaluate_every
    yield "training.iterations divided by training.evaluate_every", evaluations, MOST_EVALUATIONS
    yield "the largest of seeds", max(experiment.seeds), MOST_SEED
    yield "the number of arms", len(experiment.arms), MOST_ARMS
    yield "the length of the longest name in arms", max(map(len, experiment.arms), default=0), MOST_NAME
    rounds = {arm: len(experiment.rounds_of(arm)) for arm in experiment.all_arms}
    yield "the number of rounds of all arms", sum(rounds.values()), MOST_ITEMS
    draws = {arm: settings.draws or 1 for arm, settings in experiment.all_arms.items()}
    lanes = len(experiment.seeds) * (1 + sum(rounds[arm] * draws[arm] for arm in rounds))
    yield "the number of lanes, one for each seed, arm, round and draw,", lanes, MOST_LANES
