"""Keys of everything that determines a result, by which a checkpoint or an MLflow run of the same lane is found again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.domain.tickets import Ticket
from pipeline.run import code
from pipeline.values.experiment import Experiment
from pipeline.values.plugins import Source

# Another arm, round or seed does not change the existing lanes; pruning and arms change them through their masks, their
# weights and what else `input_key` is given.
NOT_OF_A_LANE = {"arms", "pruning", "seeds"}
# The code that all training stages share, so that a change of one stage's script does not give its lanes other keys.
SHARED = (Path("pipeline/run/runner.py"), Path("pipeline/run/setup.py"))


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recipe_key(name: str, experiment: Experiment, data_digest: str, used: Sequence[Source]) -> str:
    """One key for all lanes of an experiment trained by the same settings, data and code. used: the model and the task."""
    settings = experiment.model_dump(mode="json", exclude=NOT_OF_A_LANE)
    files = [digest_file(Path(file)) for file in code.closure(SHARED, used)]
    return digest(name, settings, data_digest, files)


def input_key(recipe: str, lane: str, seed: int, ticket: Ticket, more: Mapping[str, Any]) -> str:
    """The key of one lane. more: what the training depends on in its arm, besides mask and weights."""
    return digest(recipe, lane, seed, ticket.origin, _arrays(ticket.mask), _arrays(ticket.weights), more)


def _arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode())
        found.update(arrays[name].tobytes())
    return found.hexdigest()


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
