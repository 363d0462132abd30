"""The places of DVC's files and of reports, and the names of their stages for `dvc repro`."""

from pathlib import Path

from pipeline.values import paths
from pipeline.values.lanes import DENSE, TICKET, Item

ROOT_CHAIN = Path("dvc.yaml")
DATA_CHAIN = Path("experiments/dvc.yaml")
MORE_PARAMS = "experiments/*.yaml"  # files of further experiments, beside params.yaml
CLAIMS = Path("claims.yaml")
CONSTRAINTS = Path("constraints.txt")
REPORTS = Path("reports")
MAIN = "main"  # the report over the experiments in `report:`
REMEDY = "python -m stages.repeat_rounds"


def more_params(root: Path) -> list[Path]:
    return sorted({*root.glob(MORE_PARAMS)} - {root / DATA_CHAIN})


def chain(experiment: str) -> Path:
    """The DVC file of an experiment's chain of rounds."""
    return Path("experiments") / experiment / "dvc.yaml"


def stage(script: str, arm: str) -> str:
    """The name of the stage that runs a script for an arm, such as `retrain` or `retrain_one_shot`. Each arm has stages of its
    own, because it depends on its own code and options, and DVC's templates cannot vary a list.
    """
    return script if arm in (DENSE, TICKET) else f"{script}_{arm}"


def target(item: Item, is_control: bool) -> str:
    """The target of `dvc repro` that trains an item, such as `experiments/lenet/dvc.yaml:retrain@r07`."""
    if item.arm == DENSE:
        return f"{chain(item.experiment)}:train_dense"
    return f"{chain(item.experiment)}:{stage('control' if is_control else 'retrain', item.arm)}@r{item.round:02d}"


def report_chain(name: str) -> Path:
    """The DVC file that has the stage of a report."""
    return ROOT_CHAIN if name == MAIN else DATA_CHAIN


def report_stage(name: str) -> str:
    """The stage of a report. It is not report@cpu, because a foreach cannot give its stages lists of different lengths."""
    return "report" if name == MAIN else f"report_{name}"


def report_target(name: str) -> str:
    """The target of `dvc repro` that makes a report; empty for the main report, which plain `dvc repro` makes."""
    return "" if name == MAIN else f"{DATA_CHAIN}:{report_stage(name)}"


def report_command(name: str) -> str:
    """The command that makes a report."""
    return f"dvc repro {report_target(name)}".strip()


def overview(report: str) -> Path:
    """The folder of a report's page and figures: reports/ itself for the main report, a folder in it for each further one."""
    return REPORTS if report == MAIN else REPORTS / report


def index(report: str = MAIN) -> Path:
    return overview(report) / "index.md"


def page(report: str = MAIN) -> Path:
    """The same report as one HTML file."""
    return overview(report) / "index.html"


def claims_stage(name: str) -> str:
    """The stage that judges the claims for a report; it is in the same DVC file as the report's."""
    return "claims" if name == MAIN else f"claims_{name}"


def claims_target(name: str) -> str:
    """The target of `dvc repro` that judges the claims for a report."""
    return f"{report_chain(name)}:{claims_stage(name)}" if name != MAIN else claims_stage(name)


def verdicts(report: str = MAIN) -> Path:
    """The file of the verdicts on the claims that a report tests, one word each. It is a DVC metric, so it has nothing else:
    `dvc exp show` has a column for every entry.
    """
    return overview(report) / "claims.json"


def ledger(report: str = MAIN) -> Path:
    """The file of the same verdicts with the effects, their intervals and tests."""
    return overview(report) / "effects.json"


def comparison(report: str = MAIN) -> Path:
    """The folder of a report's figures that show several experiments."""
    return overview(report) / "figures"


def report(experiment: str) -> Path:
    return REPORTS / experiment


def metrics(experiment: str) -> Path:
    """The file of an experiment's headline numbers."""
    return report(experiment) / "metrics.json"


def figures(experiment: str) -> Path:
    return report(experiment) / "figures"


def curves(experiment: str) -> Path:
    """The file of an experiment's learning curves. It is large, so it is in DVC's cache and not in git."""
    return paths.WORK / experiment / "curves.csv"


def examined(experiment: str) -> Path:
    """The file of the numbers that the stage `examine` takes from masks and weights."""
    return report(experiment) / "examined.csv"


def profiles(experiment: str) -> Path:
    """The file of histograms and counts for figures. As curves.csv, it is large and not in git."""
    return paths.WORK / experiment / "profiles.csv"


def stability(experiment: str) -> Path:
    """The file of the instabilities between two trainings of the same network."""
    return report(experiment) / "stability.csv"


def lines(experiment: str) -> Path:
    """The file of the losses along the lines between them."""
    return paths.WORK / experiment / "lines.csv"


def rounds(experiment: str) -> Path:
    return report(experiment) / "rounds.csv"
