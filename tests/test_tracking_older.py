"""What an older version of the pipeline has logged is neither lost nor mixed with what this one logs."""

from pathlib import Path

import pytest

from pipeline.tracking import connection
from pipeline.tracking.__main__ import main
from tests import mirrored
from tests.mirrored import children, every_run, is_whole, runs, ticket, write_experiment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root


def log_as_before(name: str = "toy", *, is_again: bool = False) -> None:
    """A parent and a lane of it as the older version logged them, and a lane whose files are gone."""
    from mlflow import MlflowClient

    client = MlflowClient(connection.uri())
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    parent = client.create_run(experiment, run_name=name, tags={"recipe_key": f"recipe of {name}", "pruning_key": "p"})
    client.log_metric(parent.info.run_id, "accuracy_at_early_stop/ticket", 0.5, step=1)
    for key in (f"key of {ticket()} 0.2".replace("/", "-"), "of a lane that is gone"):
        tags = {"recipe_key": f"recipe of {name}", "input_key": key, "mlflow.parentRunId": parent.info.run_id}
        client.set_terminated(client.create_run(experiment, run_name="older", tags=tags).info.run_id)
    client.set_terminated(parent.info.run_id)


def test_the_record_of_an_older_version_is_set_aside_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    log_as_before()
    assert main(["sync"]) == 0
    is_whole()
    said = capsys.readouterr()
    assert "6 of them new" in said.out
    assert said.err == (
        "MLflow's record of toy was made by an older version of the pipeline; it is now called 'toy (older layout)' there, "
        "and toy is logged anew\n"
    )
    before = every_run("toy (older layout)")
    assert sorted(run.info.run_name for run in before) == ["older", "older", "toy"]
    [parent] = [run for run in before if run.info.run_name == "toy"]
    assert children(parent, "toy (older layout)") == ["older", "older"]
    assert main(["sync"]) == 0
    assert capsys.readouterr().err == ""
    is_whole()


def test_what_an_older_version_logs_meanwhile_is_logged_anew_and_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after a visit to an older commit. A lane whose files are gone stays as it is, and no run above lanes stays twice."""
    write_experiment()
    assert main(["sync"]) == 0
    taken = runs()["r01/seed1"].info.run_id
    mirrored_client().delete_run(taken)
    log_as_before()
    assert main(["sync"]) == 0
    assert "MLflow has 2 lanes that an older version of the pipeline has logged meanwhile" in capsys.readouterr().err
    names = sorted(run.info.run_name for run in every_run())
    assert names == sorted([*mirrored.TREE, *(lane for lanes in mirrored.TREE.values() for lane in lanes), "older"])
    assert children(runs()["ticket"]) == ["r01/seed1", "r01/seed2"]


def test_an_older_record_is_set_aside_under_a_name_that_is_free(root: Path) -> None:
    write_experiment()
    log_as_before("toy (older layout)")
    log_as_before()
    assert main(["sync"]) == 0
    assert len(every_run("toy (older layout)")) == len(every_run("toy (older layout 2)")) == 3
    is_whole()


def mirrored_client() -> "MlflowClient":  # noqa: F821
    from mlflow import MlflowClient

    return MlflowClient(connection.uri())
