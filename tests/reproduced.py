"""A copy of the repository without git, with one or two tiny experiments that real `dvc repro` runs.

The second one, if there is one, stands in a file of its own.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests import scratch

COPIED = ("pipeline", "stages", ".dvcignore")
PARAMS = """
report: [{report}]
reports: {{ {reports} }}
figures: {{ densities: [1.0, 0.6], dpi: 60 }}
margin: 0.05
experiments:
  one: {one}
"""
MORE = """
experiments:
  two: {two}
"""
EXPERIMENT = """
    data: {{ name: digits, validation: 200 }}
    model: {{ name: "{model}", hidden: [16] }}
    optimizer: {{ name: adam, lr: {lr} }}
    training: {{ iterations: 40, batch_size: 30, evaluate_every: 20 }}
    pruning: {{ criterion: magnitude, scope: layer, rates: {{ fc: 0.4, output: 0.2 }}, rounds: {rounds} }}
    rewind: 0it
    seeds: [1, 2]
{more}"""
REINIT = "reinit: { rounds: [1], draws: 1 }"


def with_arms(arms: str) -> str:
    return f"    init: glorot_normal\n    task: classification\n    arms: {{ {arms} }}\n"


Settings = dict[str, object]
# It is no LeNet by its name, so that its masks are not examined, which would take time in each test that runs it again.
ONE: Settings = {
    "model": "pipeline.models.lenet:lenet",
    "lr": 0.002,
    "rounds": 1,
    "more": with_arms(f"one_shot: {{ rounds: [1] }}, {REINIT}"),
}
TWO: Settings = {"model": "lenet", "lr": 0.004, "rounds": 1, "more": ""}  # what can be left out is


class Repository:
    """A copy of the code with tiny experiments, its own cache and its own MLflow store."""

    def __init__(self, folder: Path, one: Settings = ONE, two: Settings | None = TWO) -> None:
        self.folder, self.one, self.two = folder, one, two
        scratch.copy(COPIED, folder)
        self.params()
        self.run(sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet")
        self.run(sys.executable, "-m", "stages.repeat_rounds")

    def params(self, one: Settings | None = None, two: Settings | None = None, dpi: int = 60) -> None:
        """Writes the settings: those that the repository was made with, if no others are given."""
        one, two = one or self.one, two or self.two
        report, reports = ("one, two", "more: [two]") if two else ("one", "")
        text = PARAMS.format(one=EXPERIMENT.format(**one), report=report, reports=reports).replace("dpi: 60", f"dpi: {dpi}")
        (self.folder / "params.yaml").write_text(text)
        (self.folder / "experiments").mkdir(exist_ok=True)
        if two:
            (self.folder / "experiments/more.yaml").write_text(MORE.format(two=EXPERIMENT.format(**two)))

    def run(self, *command: str, code: int = 0) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "LOTTERY_TRACKING": "off", "PYTHONPATH": "", "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def repro(self, *arguments: str, code: int = 0) -> list[str]:
        """The commands of the stages that ran."""
        output = self.run(sys.executable, "-m", "dvc", "repro", *arguments, code=code)
        return [line.removeprefix("> python -m stages.") for line in output.splitlines() if line.startswith("> ")]

    def locks(self) -> dict[str, str]:
        found = [self.folder / "dvc.lock", *self.folder.glob("experiments/**/dvc.lock")]
        return {path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
