"""Keys that say what determines a result, so that a checkpoint or an MLflow run of the same lane is found again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.domain.tickets import Ticket
from pipeline.run import closure
from pipeline.values import plugins
from pipeline.values.experiment import Experiment

# An arm, a round or a seed more does not change the lanes there are; pruning changes them through their masks.
NOT_OF_A_LANE = {"arms", "pruning", "seeds"}


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def chain_key(name: str, experiment: Experiment, data_digest: str) -> str:
    """The same for all lanes of an experiment whose dense training, data and code are the same."""
    settings = experiment.model_dump(mode="json", exclude=NOT_OF_A_LANE)
    model = plugins.source("models", experiment.model.name)
    # What all training stages share, so that a change of one stage's script does not tear the chain apart.
    shared = Path("pipeline/run/runner.py"), Path("pipeline/run/setup.py")
    code = [digest_file(Path(file)) for file in closure.closure(*shared, *([model] if model else []))]
    return digest(name, settings, data_digest, code)


def input_key(chain: str, lane: str, seed: int, ticket: Ticket) -> str:
    return digest(chain, lane, seed, ticket.origin, _arrays(ticket.mask), _arrays(ticket.weights))


def _arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode())
        found.update(arrays[name].tobytes())
    return found.hexdigest()


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
