"""MLflow has everything that the files record of a lane, and of the lanes of one recipe together."""

import json
import math
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pipeline.claims import verdicts
from pipeline.files import datasets, masks, store
from pipeline.results import examined
from pipeline.run import runner, setup
from pipeline.settings import check, places
from pipeline.tracking import connection
from pipeline.tracking.__main__ import main
from pipeline.tracking.tables import IDENTITY
from pipeline.values import paths
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item
from tests import mirrored
from tests.mirrored import (
    RMSE,
    TREE,
    artifacts,
    control,
    dense,
    measured,
    points,
    runs,
    ticket,
    tree,
    write,
    write_experiment,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root
BEST = 2  # of the evaluations that `write` writes, the one of lowest loss


def mean_of_two(evaluation: int = BEST) -> float:
    return (measured(1, evaluation) + measured(2, evaluation)) / 2


def test_each_lane_is_a_finished_run_below_its_arms(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_experiment()
    assert main(["sync"]) == 0
    assert "6 lanes, 6 of them new" in capsys.readouterr().out
    assert tree() == TREE
    assert {run.info.status for run in runs().values()} == {"FINISHED"}


def test_tags_tell_what_a_lane_is_and_where_it_comes_from(root: Path) -> None:
    write_experiment()
    note = {"device": "cpu", "torch": "2", "commit": "c" * 40, "is_dirty": True, "hardware": {"cores": 2, "gpus": ["a", "b"]}}
    store.write_json(paths.runtime("toy", "r01"), note)
    subprocess.run("git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x", shell=True, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    assert main(["sync"]) == 0
    found = runs()
    expected = {"round": "1", "arm": "ticket", "seed": "1", "density": "0.8", "device": "cpu", "torch": "2"}
    expected |= {"experiment": "toy", "recipe_key": "recipe of toy", "metric": "accuracy", "better": "higher"}
    shared = {"mlflow.source.git.commit": "c" * 40, "mlflow.source.git.dirty": "True", "commit.of": "the training"}
    shared |= {"hardware.cores": "2", "hardware.gpus": "a, b", "mlflow.source.type": "LOCAL"}
    source = "dvc repro experiments/toy/dvc.yaml"
    tags = found["r01/seed1"].data.tags
    assert (expected | shared | {"mlflow.source.name": f"{source}:retrain@r01"}).items() <= tags.items()
    of_arm = {"metric": "accuracy", "better": "higher", "arm": "ticket", "mlflow.source.name": source}
    assert (shared | of_arm | {"arm_key": tags["arm_key"]}).items() <= found["ticket"].data.tags.items()
    assert tags["mlflow.user"] == found["ticket"].data.tags["mlflow.user"]
    without = {"mlflow.source.git.commit": head, "commit.of": "the sync"}
    assert without.items() <= found["r00/seed1"].data.tags.items()
    assert "draw" not in found["r01/seed1"].data.tags
    assert found["reinit_r01/seed1_draw1"].data.tags["draw"] == "1"
    assert found["r00/seed1"].data.tags["arm"] == "dense"


def test_the_tag_of_the_stage_is_what_dvc_repro_takes(root: Path) -> None:
    ticket_item = ticket().item
    write(dense())
    write(ticket())
    write(control("one_shot", draw=None))
    write(control("reinit"), masks_of=ticket_item)
    write(control("random_mask"), own_mask=True)
    write(control("dense_long", draw=None), masks_of=dense().item)
    assert main(["sync"]) == 0
    lanes = [run.data.tags for run in runs().values() if "input_key" in run.data.tags]
    stages = {tags["arm"]: tags["dvc.stage"].split(":")[1] for tags in lanes}
    assert stages == {
        "dense": "train_dense",
        "ticket": "retrain@r01",
        "one_shot": "retrain_one_shot@r01",
        "reinit": "control_reinit@r01",
        "random_mask": "control_random_mask@r01",
        "dense_long": "control_dense_long@r01",
    }


def test_settings_are_parameters_of_lanes_and_arms_and_so_is_what_plots_compare(root: Path) -> None:
    write(ticket(), arm={"criterion": "random"})
    write(control("mine"), masks_of=ticket().item, arm={"name": "reinit", "masks": "ticket"})
    assert main(["sync"]) == 0
    found = {name: run.data.params for name, run in runs().items()}
    shared = {"model.hidden": "[32, 16]", "pruning.rates.fc": "0.2", "data.validation": "200"}
    shared |= {"arm": "mine", "arm.name": "reinit", "arm.masks": "ticket"}
    assert shared.items() <= found["mine_r01/seed1_draw1"].items() & found["mine"].items()
    assert {"round": "1", "seed": "1", "draw": "1", "density": "0.8"}.items() <= found["mine_r01/seed1_draw1"].items()
    assert {"arm": "ticket", "arm.criterion": "random"}.items() <= found["ticket"].items()
    assert "draw" not in found["r01/seed1"]


def test_histories_and_outcomes_are_metrics(root: Path) -> None:
    write(dense())
    store.write_json(paths.runtime("toy", "r00"), {"stage_seconds": 9.0, "training_seconds": 8.0})
    assert main(["sync"]) == 0
    run = runs()["r00/seed1"]
    assert points(run, "history/test_accuracy") == [(10 * i, measured(1, i)) for i in range(3)]
    assert points(run, "history/train_loss") == [(10, 0.5), (20, 1 / 3)]  # before the first iteration there is none
    ended = {"early_stop_iteration": 20, "accuracy_at_early_stop": measured(1, BEST), "weights": 6, "stage_seconds": 9}
    assert ended.items() <= run.data.metrics.items()
    assert run.info.end_time - run.info.start_time >= 7000  # so that MLflow's column tells the training time


def test_a_diverged_loss_is_not_a_number(root: Path) -> None:
    files = write(dense(), final_accuracy=None)
    columns = store.read_table(files.history).splitlines()[0]
    store.write_table(files.history, f"{columns}\n0,,inf,0.1,nan,0.1\n")
    assert main(["sync"]) == 0
    for key in ("history/validation_loss", "history/test_loss"):
        assert [math.isnan(value) for _, value in points(runs()["r00/seed1"], key)] == [True]


def test_all_arms_have_the_same_metrics_with_means_at_each_round(root: Path) -> None:
    write_experiment()
    assert main(["sync"]) == 0
    found = runs()
    assert points(found["ticket"], "accuracy_at_early_stop") == [(0, mean_of_two()), (1, mean_of_two())]
    assert points(found["dense"], "accuracy_at_early_stop") == [(0, mean_of_two())]
    assert points(found["ticket"], "density") == [(0, 1.0), (1, 0.8)]
    assert points(found["reinit"], "density") == [(1, 0.8)]  # with fresh weights, it does not begin at the dense network
    assert found["ticket"].data.metrics.keys() == found["reinit"].data.metrics.keys() == found["dense"].data.metrics.keys()
    assert points(found["r01/seed1"], "accuracy_at_early_stop") == [(1, measured(1, BEST))]  # where the point of its arm is


def test_an_experiment_without_a_ticket_has_no_curve_of_one(root: Path) -> None:
    write(dense())
    write(control("one_shot", draw=None))
    assert main(["sync"]) == 0
    assert sorted(tree()) == ["dense", "one_shot"]


def test_an_arm_gets_its_next_round_when_it_comes_later(root: Path) -> None:
    write(dense())
    assert main(["sync"]) == 0
    write(ticket())
    assert main(["sync"]) == 0
    first = runs()["ticket"].info.run_id
    write(ticket(2))
    assert main(["sync"]) == 0
    assert runs()["ticket"].info.run_id == first
    assert points(runs()["ticket"], "density") == [(0, 1.0), (1, 0.8), (2, 0.8**2)]


def test_another_metric_has_its_own_names(root: Path) -> None:
    write(dense(), metric=RMSE)
    write(ticket(), metric=RMSE)
    assert main(["sync"]) == 0
    run, parent = runs()["r01/seed1"], runs()["ticket"]
    assert points(run, "history/test_rmse") == [(10 * i, measured(1, i)) for i in range(3)]
    assert points(run, "final_rmse") == [(1, measured(1, BEST))]
    assert points(parent, "rmse_at_early_stop") == [(0, measured(1, BEST)), (1, measured(1, BEST))]
    for found in (run, parent):
        assert {"metric": "rmse", "better": "lower"}.items() <= found.data.tags.items()
        assert not [key for key in found.data.metrics if "accuracy" in key]


@pytest.mark.parametrize("options", [{}, {"classes": [3, 8]}])
def test_the_data_set_is_an_input_with_its_file_as_source(root: Path, options: Mapping[str, Any]) -> None:
    write(dense(), data=dict(options))
    assert main(["sync"]) == 0
    [given], [again] = (runs()[name].inputs.dataset_inputs for name in ("r00/seed1", "dense"))
    assert given.dataset == again.dataset
    assert (given.dataset.name, given.dataset.digest) == ("digits", "d" * 36)
    slug = json.loads(given.dataset.source)["uri"].removeprefix("work/data/").removesuffix(".safetensors")
    assert slug == "digits" if not options else slug.startswith("digits_")


def test_weights_and_masks_are_artifacts_wherever_the_mask_is(root: Path) -> None:
    write(dense())
    write(control("reinit"), masks_of=ticket().item)
    write(control("random_mask"), own_mask=True)
    assert not paths.masks("toy", "reinit_r01").exists()
    assert main(["sync"]) == 0
    stored = ["mask.safetensors", "start.safetensors", "trained.safetensors"]
    assert artifacts(runs()["reinit_r01/seed1_draw1"]) == stored
    assert artifacts(runs()["random_mask_r01/seed1_draw1"]) == stored
    assert artifacts(runs()["r00/seed1"]) == sorted([*stored, "rewind.safetensors"])


@pytest.mark.parametrize("of_these_lanes", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_report_is_on_the_main_arm_when_it_is_of_these_lanes(root: Path, of_these_lanes: bool) -> None:
    about = write(ticket()).read_about()
    if not of_these_lanes:
        about["validation_loss_at_early_stop"] /= 2
    cells = ["" if about[column] is None else str(about[column]) for column in IDENTITY]
    store.write_table(places.rounds("toy"), "\n".join([",".join(IDENTITY), ",".join(cells), ""]))
    store.write_bytes(places.figures("toy") / "curve.svg", b"<svg/>")
    logged = {}
    for effect in (0.1, 0.1, -0.2):
        row = dict.fromkeys(verdicts.NUMBERS) | {"verdict": "holds", "n": 5, "effect": effect, "unit": ""}
        store.write_json(places.ledger(), {"one/toy": row, "two/toy": {"verdict": "not run", "reason": "It was not trained."}})
        assert main(["sync"]) == 0
        logged = {key: value for key, value in runs()["ticket"].data.metrics.items() if key.startswith("verdict")}
    assert artifacts(runs()["ticket"]) == (["report/figures/curve.svg", "report/rounds.csv"] if of_these_lanes else [])
    assert logged == ({"verdict.one.effect": -0.2, "verdict.one": 1.0} if of_these_lanes else {})
    history = connection.connect().get_metric_history(runs()["ticket"].info.run_id, "verdict.one.effect")
    assert [point.value for point in history] == ([0.1, -0.2] if of_these_lanes else [])  # not again what is there
    _write_examined(0.5, 0.7)
    assert main(["sync"]) == 0
    assert points(runs()["ticket"], "weights.moved.all") == ([(0, 0.1), (1, 0.6)] if of_these_lanes else [])


def _write_examined(*moved: float) -> None:
    """moved: of the seeds of the ticket."""
    rows = [("moved", "dense", 0, 1.0, "", 1, 0.1), ("moved", "one_shot", 1, 0.5, "", 1, 9.0)]
    rows += [("moved", "ticket", 1, 0.5, "", seed, value) for seed, value in enumerate(moved)]
    rows += [("bimodality", "ticket", 1, 0.5, "fc1.weight", 1, 0.4), ("early_bird", "dense", 1, 0.5, "", 1, 0.3)]
    found = [dict(zip(examined.COLUMNS, row, strict=True)) for row in rows]
    store.write_csv(places.examined("toy"), examined.COLUMNS, found)


def test_what_was_measured_in_the_tickets_is_on_their_run_and_follows_the_table(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = write(ticket()).read_about()
    cells = ["" if about[column] is None else str(about[column]) for column in IDENTITY]
    store.write_table(places.rounds("toy"), "\n".join([",".join(IDENTITY), ",".join(cells), ""]))
    _write_examined(0.5, 0.7)
    assert main(["sync"]) == 0
    parent = runs()["ticket"]
    assert points(parent, "weights.bimodality.fc1.weight") == [(1, 0.4)]
    assert not points(parent, "weights.early_bird.all")
    assert main(["sync"]) == 0
    assert runs()["ticket"].info.run_id == parent.info.run_id
    _write_examined(0.5, 0.9)
    assert main(["sync"]) == 0
    assert points(runs()["ticket"], "weights.moved.all") == [(0, 0.1), (1, 0.7)]
    assert tree() == {"ticket": ["r01/seed1"]}
    store.write_table(places.examined("toy"), store.read_table(places.examined("toy")).replace("0.9", "x"))
    assert main(["sync"]) == 1
    told = capsys.readouterr().err
    assert re.search(r"examined.csv is damaged .*; delete it and run `dvc repro experiments/toy/dvc.yaml:examine`", told)


def test_lanes_that_were_really_trained_have_all_that_is_mirrored(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regression without a ticket, whose own arm draws its masks: what the runner writes is what the other tests write."""
    monkeypatch.setenv("LOTTERY_TRACKING", "off")
    Path("pipeline").symlink_to(mirrored.REPOSITORY / "pipeline")
    settings = {
        "data": {"name": "diabetes", "validation": 50},
        "task": "regression",
        "model": {"name": "lenet", "hidden": [4, 3]},
        "optimizer": {"name": "adam", "lr": 0.01},
        "training": {"iterations": 4, "batch_size": 20, "evaluate_every": 2},
        "pruning": {"criterion": "magnitude", "scope": "layer", "rates": {"fc": 0.4}, "rounds": 1},
        "rewind": "0it",
        "seeds": [1],
        "arms": {
            "ticket": {"rounds": 0},
            "one_shot": {"rounds": 1},
            "mine": {"name": "random_mask", "masks": "one_shot", "rounds": 1},
        },
    }
    checked = check.settings("sugar", Experiment.model_validate_json(json.dumps(settings)))
    datasets.write_bundle(paths.data("diabetes"), checked.data())
    begun = setup.begin(checked)
    first, pruned, mine = begun.bound.lottery.dense, Item("sugar", 1, "one_shot"), Item("sugar", 1, "mine")
    tickets = setup.dense_tickets(begun)
    for item in (first, pruned):
        masks.write(item, {lane.seed: start.mask for lane, start in tickets.items()})
    runner.train(begun, first, tickets)
    for item in (pruned, mine):
        runner.train(begun, item, setup.tickets(begun, item))
    assert main(["sync"]) == 0
    found = runs("sugar")
    lanes = {"mine": ["mine_r01/seed1_draw1"], "one_shot": ["one_shot_r01/seed1"], "dense": ["r00/seed1"]}
    assert tree("sugar") == lanes
    assert found["mine_r01/seed1_draw1"].data.tags["dvc.stage"] == "experiments/sugar/dvc.yaml:control_mine@r01"
    assert [step for step, _ in points(found["r00/seed1"], "history/test_rmse")] == [0, 2, 4]
    trained = store.read_json(paths.lanes("sugar", "one_shot_r01") / "seed1" / "lane.json")
    written = write(control("one_shot", draw=None), metric=RMSE).read_about()
    assert list(trained) == list(written)
    assert trained["metric"] == asdict(RMSE)
