"""The paths of all files that a training stage reads or writes, relative to the root, where DVC runs every stage."""

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
    """The mask under which a replicate of an item is trained, unless each of its lanes has a mask of its own."""
    return masks(experiment, name) / f"seed{seed}.safetensors"


def lanes(experiment: str, name: str) -> Path:
    return item(experiment, name) / "lanes"


def layers(experiment: str) -> Path:
    """The file of the kinds and shapes of the network's weights, which are all that pruning needs to know about it."""
    return WORK / experiment / "r00" / "layers.json"


def runtimes(experiment: str) -> Path:
    return SCRATCH / "runtime" / experiment


def runtime(experiment: str, name: str) -> Path:
    """The file of the timings and the hardware of an item. They are for MLflow only and never part of a DVC output."""
    return runtimes(experiment) / f"{name}.json"


def lock(name: str) -> Path:
    return SCRATCH / "locks" / f"{name.replace('/', '.')}.lock"


def download(name: str) -> str:
    """The target of `dvc repro` that makes the file of a data set."""
    return f"experiments/dvc.yaml:download_{name}"
