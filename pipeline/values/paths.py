"""Every path of the repository, spelled once. All are relative to the root, where DVC runs every stage."""

from pathlib import Path

PARAMS = Path("params.yaml")
ROOT_CHAIN = Path("dvc.yaml")
DATA_CHAIN = Path("experiments/dvc.yaml")
WORK = Path("work")
REPORTS = Path("reports")
MAIN = "main"  # the report over the experiments in `report:`
SCRATCH = Path(".lottery")  # git- and DVC-ignored: checkpoints, timings, locks
CHECKPOINTS = SCRATCH / "checkpoints"


def chain(experiment: str) -> Path:
    return Path("experiments") / experiment / "dvc.yaml"


def data(name: str) -> Path:
    return WORK / "data" / f"{name}.safetensors"


def item(experiment: str, item: str) -> Path:
    return WORK / experiment / item


def masks(experiment: str, name: str) -> Path:
    return item(experiment, name) / "masks"


def lanes(experiment: str, name: str) -> Path:
    return item(experiment, name) / "lanes"


def layers(experiment: str) -> Path:
    """Names, kinds and shapes of the network's weights: all that pruning needs to know of it."""
    return WORK / experiment / "r00" / "layers.json"


def curves(experiment: str) -> Path:
    return WORK / experiment / "curves.csv"


def overview(report: str) -> Path:
    """The folder of a report's page and numbers: reports/ itself for the main one, a folder there for each further one."""
    return REPORTS if report == MAIN else REPORTS / report


def index(report: str = MAIN) -> Path:
    return overview(report) / "index.md"


def metrics(report: str = MAIN) -> Path:
    return overview(report) / "metrics.json"


def comparison(report: str = MAIN) -> Path:
    """Figures that show several experiments."""
    return overview(report) / "figures"


def report(experiment: str) -> Path:
    return REPORTS / experiment


def figures(experiment: str) -> Path:
    return report(experiment) / "figures"


def rounds(experiment: str) -> Path:
    return report(experiment) / "rounds.csv"


def runtime(experiment: str, name: str) -> Path:
    """Timings and hardware of an item: for MLflow only, never in a DVC output."""
    return SCRATCH / "runtime" / experiment / f"{name}.json"


def lock(name: str) -> Path:
    return SCRATCH / "locks" / f"{name.replace('/', '.')}.lock"
