"""The pipeline as a user runs it: real `dvc repro` of tiny experiments.

Each test continues from a reproduced state; what it changes in these files it changes back.
"""

import sys

import pytest

from tests import lottery
from tests.reproduced import ONE, REINIT, TWO, Repository, with_arms

TICKET = "experiments/one/dvc.yaml:retrain@r01"
EXAMINED = ONE | {"model": "lenet", "more": with_arms(REINIT)}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One experiment, which has every kind of stage."""
    repository = Repository(tmp_path_factory.mktemp("repository"), EXAMINED, None)
    ran = repository.repro()
    kinds = ["download", "train_dense", "prune", "retrain", "control", "aggregate", "examine", "plot", "report"]
    assert sorted(command.split()[0] for command in ran) == sorted(kinds)
    return repository


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("both"))
    ran = repository.repro()
    trained = {"train_dense one", "retrain one/r01", "retrain one/one_shot_r01", "control one/reinit_r01", "train_dense two"}
    assert trained < set(ran)
    assert ran.count("train_dense one") == 1  # one-shot shares it
    assert [command for command in ran if command.startswith("examine")] == ["examine two"]
    return repository


def test_again_nothing_happens(repository: Repository) -> None:
    assert repository.repro() == []


@pytest.mark.slow
def test_a_forced_rerun_gives_the_same_locks(both: Repository) -> None:
    before = both.locks()
    assert len(before) == 4
    ran = both.repro("--force", "experiments/one/dvc.yaml")
    assert "train_dense one" in ran
    assert "plot one" in ran
    assert both.locks() == before


@pytest.mark.slow
def test_a_learning_rate_reruns_its_experiment_only_and_comes_back_from_the_run_cache(both: Repository) -> None:
    before = both.locks()
    both.params(one=ONE | {"lr": 0.003})
    would = both.repro("--dry")
    assert {"train_dense one", "retrain one/r01", "control one/reinit_r01"} <= set(would)
    assert not [command for command in would if " two" in command]
    assert both.repro(TICKET) == ["train_dense one", "prune one/r01", "retrain one/r01"]
    assert both.locks() != before
    both.params()
    assert both.repro(TICKET) == []
    assert both.locks() == before


@pytest.mark.slow
def test_a_learning_rate_in_another_file_reruns_its_experiment_only(both: Repository) -> None:
    before = both.locks()
    both.params(two=TWO | {"lr": 0.005})
    ran = both.repro()
    assert {"train_dense two", "retrain two/r01", "report main"} <= set(ran)
    assert not [command for command in ran if " one" in command]
    both.params()
    both.repro()
    assert both.locks() == before


def test_a_plot_setting_retrains_nothing(repository: Repository) -> None:
    repository.params(dpi=70)
    assert set(repository.repro("--dry")) == {"plot one", "report main"}
    repository.params()


@pytest.mark.slow
def test_a_chain_out_of_date_is_told_before_anything_is_trained(repository: Repository) -> None:
    repository.params(one=EXAMINED | {"rounds": 2, "lr": 0.005})
    output = repository.run(sys.executable, "-m", "dvc", "repro", code=255)
    assert "experiments/one/dvc.yaml does not agree with params.yaml; run `python -m stages.repeat_rounds`" in output
    assert "Traceback" not in output
    assert not list((repository.folder / "work/one/r00").rglob("trained.safetensors"))
    repository.params()
    assert repository.repro("experiments/one/dvc.yaml") == []  # what DVC had removed comes back from its cache


def test_a_refused_setting_deletes_nothing_that_is_in_git(repository: Repository) -> None:
    params, before = repository.folder / "params.yaml", lottery.files(repository.folder / "reports")
    text = params.read_text()
    params.write_text(text.replace("margin: 0.05", "margin: wide"))
    assert repository.repro(code=255) == ["aggregate one"]
    assert lottery.files(repository.folder / "reports") == before
    params.write_text(text)


@pytest.mark.slow
def test_a_further_report_runs_on_request_and_has_a_folder(both: Repository) -> None:
    assert both.repro("experiments/dvc.yaml:report_more") == ["report more"]
    assert sorted(path.name for path in (both.folder / "reports/more").iterdir()) == ["index.html", "index.md"]
    assert both.repro("experiments/dvc.yaml:report_more") == []


@pytest.mark.slow
def test_sync_shows_the_runs_of_a_cache_hit(both: Repository) -> None:
    """All of them were made with tracking off; a new process finds them in the files."""
    output = both.run(sys.executable, "-m", "pipeline.tracking", "sync")
    assert "12 lanes, 12 of them new" in output
    assert "12 lanes, 0 of them new" in both.run(sys.executable, "-m", "pipeline.tracking", "sync")


def test_outputs_hold_no_absolute_path(repository: Repository) -> None:
    files = [path for folder in ("work", "reports") for path in (repository.folder / folder).rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if str(repository.folder).encode() in path.read_bytes()]
