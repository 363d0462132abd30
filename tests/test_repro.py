"""The pipeline as a user runs it: real `dvc repro` of tiny experiments in a copy of the repository, without git.

One of the experiments stands in params.yaml, the other in a file of its own. Each test continues from a reproduced state; what it
changes in these files it changes back.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("pipeline", "stages", ".dvcignore")
PARAMS = """
report: [one, two]
reports: {{ more: [two] }}
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
ARMS = "    arms: { one_shot: { rounds: [1] }, reinit: { rounds: [1], draws: 1 } }\n"
# The one that runs most often is no LeNet by its name, so that its masks are not examined, which would take time in each test.
ONE = {
    "model": "pipeline.models.lenet:lenet",
    "lr": 0.002,
    "rounds": 1,
    "more": "    init: glorot_normal\n    task: classification\n" + ARMS,
}
TWO = {"model": "lenet", "lr": 0.004, "rounds": 1, "more": ""}  # what can be left out is


class Repository:
    """A copy of the code with tiny experiments, its own cache and its own MLflow store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(source, folder)
        self.params()
        self.run(sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet")
        self.run(sys.executable, "-m", "stages.repeat_rounds")

    def params(self, one: dict[str, object] = ONE, two: dict[str, object] = TWO, dpi: int = 60) -> None:
        text = PARAMS.format(one=EXPERIMENT.format(**one)).replace("dpi: 60", f"dpi: {dpi}")
        (self.folder / "params.yaml").write_text(text)
        (self.folder / "experiments").mkdir(exist_ok=True)
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


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    ran = repository.repro()
    trained = {"train_dense one", "retrain one/r01", "retrain one/one_shot_r01", "control one/reinit_r01", "train_dense two"}
    assert trained < set(ran)
    assert [command for command in ran if command.startswith("examine")] == ["examine two"]
    assert ran.count("train_dense one") == 1  # one-shot shares it
    yield repository


def test_again_nothing_happens(repository: Repository) -> None:
    assert repository.repro() == []


@pytest.mark.slow
def test_a_forced_rerun_gives_the_same_locks(repository: Repository) -> None:
    before = repository.locks()
    assert len(before) == 4
    ran = repository.repro("--force", "experiments/one/dvc.yaml")
    assert "train_dense one" in ran
    assert "plot one" in ran
    assert repository.locks() == before


def test_a_learning_rate_reruns_its_experiment_only_and_comes_back_from_the_run_cache(repository: Repository) -> None:
    before = repository.locks()
    repository.params(one=ONE | {"lr": 0.003})
    ran = repository.repro()
    assert "train_dense one" in ran
    assert not [command for command in ran if " two" in command]
    assert repository.locks() != before
    repository.params()
    assert not [command for command in repository.repro() if command.startswith(("train_dense", "retrain", "control", "prune"))]
    assert repository.locks() == before


@pytest.mark.slow
def test_a_learning_rate_in_another_file_reruns_its_experiment_only(repository: Repository) -> None:
    before = repository.locks()
    repository.params(two=TWO | {"lr": 0.005})
    ran = repository.repro()
    assert {"train_dense two", "retrain two/r01", "report main"} <= set(ran)
    assert not [command for command in ran if " one" in command]
    repository.params()
    repository.repro()
    assert repository.locks() == before


def test_a_plot_setting_retrains_nothing(repository: Repository) -> None:
    repository.params(dpi=70)
    assert set(repository.repro()) == {"plot one", "plot two", "report main"}
    repository.params()
    repository.repro()


def test_a_further_report_runs_on_request_and_has_a_folder(repository: Repository) -> None:
    assert repository.repro("experiments/dvc.yaml:report_more") == ["report more"]
    assert sorted(path.name for path in (repository.folder / "reports/more").iterdir()) == ["index.md"]
    assert repository.repro("experiments/dvc.yaml:report_more") == []


def test_a_chain_out_of_date_is_told_before_anything_is_trained(repository: Repository) -> None:
    repository.params(one=ONE | {"rounds": 2, "lr": 0.005})
    output = repository.run(sys.executable, "-m", "dvc", "repro", code=255)
    assert "experiments/one/dvc.yaml does not agree with params.yaml; run `python -m stages.repeat_rounds`" in output
    assert "Traceback" not in output
    repository.params()
    repository.repro()


def test_bad_input_ends_every_stage_with_one_sentence(repository: Repository) -> None:
    params = repository.folder / "params.yaml"
    good = params.read_text()
    params.write_text(good.replace("lr: 0.002", "lr: fast"))
    for script, argument in (("download", "digits"), ("train_dense", "one"), ("prune", "one/r01"), ("report", "main")):
        output = repository.run(sys.executable, "-m", f"stages.{script}", argument, code=1)
        assert output == 'error: params.yaml: experiments.one.optimizer.lr is "fast": should be a valid number\n'
    params.write_text(good)
    output = repository.run(sys.executable, "-m", "stages.retrain", "seven", code=1)
    assert output == "error: 'seven' does not name a round; should be like lenet/r07 or lenet/reinit_r07\n"


def test_sync_shows_the_runs_of_a_cache_hit(repository: Repository) -> None:
    """All of them were made with tracking off; a new process finds them in the files."""
    output = repository.run(sys.executable, "-m", "pipeline.tracking", "sync")
    assert "12 lanes, 12 of them new" in output
    assert "12 lanes, 0 of them new" in repository.run(sys.executable, "-m", "pipeline.tracking", "sync")


def test_outputs_hold_no_absolute_path(repository: Repository) -> None:
    files = [path for folder in ("work", "reports") for path in (repository.folder / folder).rglob("*") if path.is_file()]
    assert len(files) > 30
    assert not [path for path in files if str(repository.folder).encode() in path.read_bytes()]
