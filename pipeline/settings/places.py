"""Where DVC's files and reports stand, and what `dvc repro` calls the stages in them."""

from pathlib import Path

from pipeline.values.lanes import ARMS, Item

ROOT_CHAIN = Path("dvc.yaml")
DATA_CHAIN = Path("experiments/dvc.yaml")
REPORTS = Path("reports")
MAIN = "main"  # the report over the experiments in `report:`
REMEDY = "python -m stages.repeat_rounds"


def chain(experiment: str) -> Path:
    """The DVC file of an experiment's chain of rounds."""
    return Path("experiments") / experiment / "dvc.yaml"


def stage(item: Item) -> str:
    """The DVC stage that trains an item, as it stands behind the colon of `target`."""
    if item.round == 0:
        return "train_dense"
    return f"{'control' if ARMS[item.arm].is_control else 'retrain'}@{item.name}"


def target(item: Item) -> str:
    """What `dvc repro` takes to make an item."""
    return f"{chain(item.experiment)}:{stage(item)}"


def report_chain(name: str) -> Path:
    """The DVC file that has the stage of a report."""
    return ROOT_CHAIN if name == MAIN else DATA_CHAIN


def report_stage(name: str) -> str:
    """Not report@cpu: a foreach cannot give its stages lists of dependencies that differ in length."""
    return "report" if name == MAIN else f"report_{name}"


def report_target(name: str) -> str:
    """What `dvc repro` takes to make a report; empty for the main one, which plain `dvc repro` makes."""
    return "" if name == MAIN else f"{DATA_CHAIN}:{report_stage(name)}"


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
