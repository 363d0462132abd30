"""stage: the time of a stage beside its training, and of a `dvc repro` that has nothing to do.

Both run in folders that are removed afterwards and hold this repository's code with a params.yaml of their own.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import repository
from benchmarks.results import Row, Section
from benchmarks.workload import Workload
from pipeline.data.digits import digits
from pipeline.domain.bundle import Bundle

SHORT = {"iterations": 200, "evaluate_every": 100}  # of lenet, whose overhead is the same at any length
TINY = {
    "data": {"name": "digits", "validation": 200},
    "model": {"name": "lenet", "hidden": [100, 100]},
    "training": {"iterations": 20, "batch_size": 30, "evaluate_every": 20},
}


def run(work: Workload, repetitions: int = 3, names: Sequence[str] = ("digits", "lenet"), rounds: int = 18) -> Section:
    """work: it provides the data of `lenet`. rounds: the length of the chain on which there is nothing to do."""
    return Section([*overhead(work.bundle, repetitions, names), idle(repetitions, rounds)])


def overhead(mnist: Bundle, repetitions: int, names: Sequence[str]) -> list[Row]:
    content = repository.params()
    content["experiments"]["lenet"]["training"] |= SHORT
    with tempfile.TemporaryDirectory() as folder:
        where = repository.create(Path(folder), content, {"mnist": mnist, "digits": digits()})
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for _, name in ((i, name) for i in range(repetitions) for name in names):
            found[name].append(_before_and_after(where, name))
    rows = []
    for name in names:
        lanes = len(content["experiments"][name]["seeds"])
        before, after = zip(*found[name], strict=True)
        first = f"train_dense with {lanes} lanes imports, checks, reads the data and evaluates a first time."
        rows += [
            Row.of(f"{name}: process start to first step", "s", before, note=first),
            Row.of(
                f"{name}: last step to exit", "s", after, note="The last evaluation, the checkpoint and the outputs are in it."
            ),
            Row.of(f"{name}: a training stage's fixed overhead", "s", [sum(pair) for pair in found[name]], "<= 3"),
        ]
    return rows


def _before_and_after(where: Path, name: str) -> tuple[float, float]:
    """Returns the seconds from the start of the process to the first step, and from the last step to its end."""
    log = where / "probe"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    repository.python(where, "-m", "benchmarks.probe", "train_dense", name, PROBE=str(log))
    ended = time.monotonic()
    marks = [line.split() for line in log.read_text().splitlines()]
    first = min(float(at) for mark, at in marks if mark == "first")
    last = max(float(at) for mark, at in marks if mark == "last")
    return first - started, ended - last


def idle(repetitions: int, rounds: int) -> Row:
    """Times `dvc repro` with nothing to do, on a chain of lenet's shape whose network and data are small.

    The stages run without DVC, which then takes their outputs over. Small files are enough, because DVC only compares them.
    """
    content = repository.params()
    lenet = content["experiments"]["lenet"]
    lenet |= TINY
    lenet["pruning"]["rounds"] = rounds
    for arm in lenet["arms"].values():
        arm["rounds"] = sorted({min(k, rounds) for k in arm["rounds"]})
    content |= {"experiments": {"lenet": lenet}, "report": ["lenet"], "reports": {}}
    with tempfile.TemporaryDirectory() as folder:
        where = repository.create(Path(folder), content, {"digits": digits()})
        repository.init_dvc(where)
        repository.python(where, "-c", "from benchmarks import repository; repository.make('lenet')")
        repository.dvc(where, "commit", "--force", "experiments/dvc.yaml:download_digits")
        repository.dvc(where, "commit", "--force", "experiments/lenet/dvc.yaml", "dvc.yaml")
        printed = repository.dvc(where, "repro")
        if "Running stage" in printed:
            raise RuntimeError(f"`dvc repro` ran a stage although the outputs of all stages were committed:\n{printed}")
        found = [repository.dvc_seconds(where, "repro") for _ in range(repetitions)]
    note = f"The chain is as long as lenet's: {rounds} rounds and its other arms."
    return Row.of("dvc repro with nothing to do", "s", found, "<= 3", note)
