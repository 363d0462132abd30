"""Keys that say what determines a result, so that a checkpoint or an MLflow run of the same lane is found again."""

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

# An arm, a round or a seed more does not change the lanes there are; pruning and arms change them through their masks,
# their weights and what `input_key` is given besides.
NOT_OF_A_LANE = {"arms", "pruning", "seeds"}
# What all training stages share, so that a change of one stage's script does not tear the record apart.
SHARED = (Path("pipeline/run/runner.py"), Path("pipeline/run/setup.py"))


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recipe_key(name: str, experiment: Experiment, data_digest: str, used: Sequence[Source]) -> str:
    """The same for all lanes of an experiment that are trained by the same settings, data and code. used: model and task."""
    settings = experiment.model_dump(mode="json", exclude=NOT_OF_A_LANE)
    files = [digest_file(Path(file)) for file in code.closure(SHARED, used)]
    return digest(name, settings, data_digest, files)


def input_key(recipe: str, lane: str, seed: int, ticket: Ticket, more: Mapping[str, Any]) -> str:
    """more: what of the lane's arm training depends on besides its mask and weights."""
    return digest(recipe, lane, seed, ticket.origin, _arrays(ticket.mask), _arrays(ticket.weights), more)


def _arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode())
        found.update(arrays[name].tobytes())
    return found.hexdigest()


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
