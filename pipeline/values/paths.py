"""Where the record of training stands: every file that a training stage reads or writes. Relative to the root, where DVC
runs every stage.
"""

from pathlib import Path

PARAMS = Path("params.yaml")
WORK = Path("work")
SCRATCH = Path(".lottery")  # git- and DVC-ignored: checkpoints, timings, locks
CHECKPOINTS = SCRATCH / "checkpoints"


def data(name: str) -> Path:
    return WORK / "data" / f"{name}.safetensors"


def item(experiment: str, item: str) -> Path:
    return WORK / experiment / item


def masks(experiment: str, name: str) -> Path:
    return item(experiment, name) / "masks"


def mask(experiment: str, name: str, seed: int) -> Path:
    """The mask of a replicate that an item is trained under, unless each of its lanes has one of its own."""
    return masks(experiment, name) / f"seed{seed}.safetensors"


def lanes(experiment: str, name: str) -> Path:
    return item(experiment, name) / "lanes"


def layers(experiment: str) -> Path:
    """Kinds and shapes of the network's weights: all that pruning needs to know of it."""
    return WORK / experiment / "r00" / "layers.json"


def runtimes(experiment: str) -> Path:
    return SCRATCH / "runtime" / experiment


def runtime(experiment: str, name: str) -> Path:
    """Timings and hardware of an item: for MLflow only, never in a DVC output."""
    return runtimes(experiment) / f"{name}.json"


def lock(name: str) -> Path:
    return SCRATCH / "locks" / f"{name.replace('/', '.')}.lock"


def download(name: str) -> str:
    """What `dvc repro` takes to make the file of a data set."""
    return f"experiments/dvc.yaml:download_{name}"
