"""What people see in MLflow: names, times, descriptions, colours, the view of an experiment and its address."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.files import store
from pipeline.settings import places
from pipeline.tracking import changed, connection, describe, view
from pipeline.tracking.__main__ import main
from pipeline.tracking.record import find
from pipeline.values import paths
from tests import lottery, mirrored
from tests.mirrored import control, dense, measured, runs, ticket, write, write_experiment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root
BEGAN, ENDED = 1_790_000_000.0, 1_790_000_040.0  # seconds


def note(item: str, began: float, ended: float, **more: object) -> None:
    store.write_json(paths.runtime("toy", item), {"training_seconds": ended - began, "finished": ended, **more})


def stamps(run: str, key: str) -> list[float]:
    """Seconds, in the order of the steps."""
    from mlflow import MlflowClient

    history = MlflowClient(connection.uri()).get_metric_history(runs()[run].info.run_id, key)
    return [point.timestamp / 1000 for point in sorted(history, key=lambda point: point.step)]


def experiment_tags() -> dict[str, str]:
    from mlflow import MlflowClient

    return dict(MlflowClient(connection.uri()).get_experiment_by_name("toy").tags)


# --- Times


def test_a_lane_has_the_times_of_its_training_and_an_arm_their_length_before_all_lanes(root: Path) -> None:
    """So that MLflow, which loads the runs in this order, has the arms first and shows the lanes below them."""
    write(dense(), evaluations=5)
    note("r00", BEGAN, ENDED, system={"seconds": [10.0, 40.0], "cpu_utilization_percentage": [90.0, 80.0]})
    for number in (1, 2):
        write(ticket(number))
        note(f"r0{number}", BEGAN + 100.0 * number, ENDED + 100.0 * number)
        assert main(["sync"]) == 0  # as after each stage
    spans = {name: (run.info.start_time / 1000, run.info.end_time / 1000) for name, run in runs().items()}
    assert spans["r00/seed1"] == (BEGAN, ENDED)
    assert spans["dense"] == (BEGAN - 3, ENDED - 3)
    assert spans["r02/seed1"] == (BEGAN + 200, ENDED + 200)
    assert spans["ticket"] == (BEGAN - 2, ENDED + 98)
    assert stamps("r00/seed1", "history/test_loss") == [BEGAN, BEGAN + 10, BEGAN + 20, BEGAN + 30, ENDED]
    assert stamps("r00/seed1", "final_accuracy") == [ENDED]
    assert stamps("r00/seed1", "system/cpu_utilization_percentage") == [BEGAN + 10, ENDED]
    assert stamps("ticket", "density")[1:] == [ENDED + 100, ENDED + 200]
    assert "spread evenly" in runs()["r00/seed1"].data.tags["mlflow.note.content"]


def test_a_round_that_was_trained_before_the_others_comes_late(root: Path) -> None:
    for number, began in ((2, BEGAN + 100.0), (1, BEGAN)):
        write(ticket(number))
        note(f"r0{number}", began, began + 40)
        assert main(["sync"]) == 0
    assert (runs()["ticket"].info.start_time, runs()["ticket"].info.end_time) == (1000 * (BEGAN - 2), 1000 * (BEGAN + 138))
    assert mirrored.tree() == {"ticket": ["r01/seed1", "r02/seed1"]}


def test_lanes_from_a_cache_say_so(root: Path) -> None:
    write(ticket())
    assert main(["sync"]) == 0
    assert "came from a cache" in runs()["r01/seed1"].data.tags["mlflow.note.content"]


# --- Names


def committed(root: Path, lr: float) -> None:
    """A repository whose committed settings have this learning rate."""
    settings = lottery.params(toy=lottery.experiment())
    settings["experiments"]["toy"]["optimizer"]["lr"] = lr
    with Path("params.yaml").open("w") as file:
        YAML().dump(settings, file)
    subprocess.run(
        "git init -q && git add params.yaml && git -c user.name=a -c user.email=a@b commit -qm x", shell=True, check=True
    )


def test_what_differs_from_the_committed_settings_is_in_names_and_tags(root: Path) -> None:
    committed(root, lr=0.01)
    there = changed.committed(root)["toy"]
    whole = json.loads(there.model_dump_json())
    same = {"data": whole["data"], "optimizer": whole["optimizer"], "pruning": {"rates": whole["pruning"]["rates"]}}
    assert changed.differences(there, same | {"arm": {"name": "ticket"}}, "ticket") == {}
    other = same | {"optimizer": whole["optimizer"] | {"lr": 0.02}, "arm": {"name": "ticket", "criterion": "random"}}
    found = changed.differences(there, other, "ticket")
    assert found == {"optimizer.lr": "0.02", "arm.criterion": "random"}
    assert changed.named("ticket", found) == "ticket optimizer.lr=0.02, arm.criterion=random"
    assert changed.named("ticket", dict.fromkeys("abcde", "1")) == "ticket a=1, b=1, c=1 and 2 more"
    assert changed.differences(None, other, "ticket") == {}


def test_ablations_do_not_look_alike(root: Path) -> None:
    committed(root, lr=0.01)
    optimizer = json.loads(changed.committed(root)["toy"].model_dump_json())["optimizer"]
    for lr in (0.01, 0.02, 0.03):
        files = write(ticket())
        about = files.read_about()
        config = about["config"] | {"optimizer": optimizer | {"lr": lr}}
        config = {key: config[key] for key in ("optimizer", "data", "arm")}
        keys = {"recipe_key": f"recipe {lr}", "input_key": f"key {lr}"}
        store.write_json(files.about, about | keys | {"config": config})
        assert main(["sync"]) == 0
    names = [run.info.run_name for run in mirrored.every_run()]
    assert len(set(names)) == 6
    for lr in (0.02, 0.03):
        [arm] = [
            run for run in mirrored.every_run() if f"optimizer.lr={lr}" in run.info.run_name and "/" not in run.info.run_name
        ]
        assert f"optimizer.lr={lr}" in arm.data.tags["differs"].split("; ")
        assert f"`optimizer.lr: {lr}`" in arm.data.tags["mlflow.note.content"]
        assert "mlflow.runColor" not in arm.data.tags


def test_without_committed_settings_nothing_differs(root: Path) -> None:
    assert changed.committed(root) == {}
    write(ticket())
    assert main(["sync"]) == 0
    assert set(runs()) == {"ticket", "r01/seed1"}
    assert runs()["ticket"].data.tags["mlflow.runColor"] == describe.colour("ticket") != describe.colour("reinit")


# --- Descriptions


ONCE = "once DVC has it with `--force --single-item`."


def test_an_arm_has_a_table_of_its_rounds(root: Path) -> None:
    write_experiment()
    write(control("reinit", seed=1, draw=2), masks_of=ticket().item)
    assert main(["sync"]) == 0
    text = runs()["ticket"].data.tags["mlflow.note.content"]
    mean = f"{50 * (measured(1, 2) + measured(2, 2)):.2f}%"
    low, high = (f"{100 * measured(seed, 2):.2f}%" for seed in (1, 2))
    assert text.startswith(
        f"**Ticket**: 2 lanes in 1 round. Its best accuracy, {mean}, is that of round 1, with 80% of the weights."
    )
    assert f"| 1 | 80% | {mean} ({low} to {high}) | 20 (20 to 20) | {mean} ({low} to {high}) | 2 |" in text
    assert text.endswith(f"`dvc repro experiments/toy/dvc.yaml:retrain@r01` makes the row of round 1 again, {ONCE}")
    assert runs()["reinit"].data.tags["mlflow.note.content"].startswith("**Random reinit**: 3 lanes in 1 round.")
    again = f"`dvc repro experiments/toy/dvc.yaml:train_dense` makes the row of round 0 again, {ONCE}"
    assert runs()["dense"].data.tags["mlflow.note.content"].endswith(again)


HEADLINE = {
    "dense_accuracy": 0.98, "best_ticket_accuracy": 0.985, "best_ticket_density": 0.2, "smallest_winning_density": 0.05,
    "smallest_winning_low": -0.0009, "smallest_winning_high": 0.002, "margin": 0.001,
    "ticket_minus_reinit_accuracy_at_21": 0.004, "density_near_21": 0.21,
}  # fmt: skip


def test_headline_verdicts_and_figures_are_told_of_the_experiment_and_of_its_tickets(root: Path) -> None:
    write_experiment()
    store.write_plain_json(places.metrics("toy"), {"toy": HEADLINE})
    for name in ("overlap", "early_stop"):
        store.write_bytes(places.figures("toy") / f"{name}.png", b"png")
    assert main(["sync"]) == 0
    told = [experiment_tags()["mlflow.note.content"], runs()["ticket"].data.tags["mlflow.note.content"]]
    for text in told:
        assert text.startswith(
            "**The best ticket keeps 20% of the weights; its test accuracy is 98.50%, and the dense network's 98.00%"
        )
        assert (
            "no worse than the dense network (with a margin of 0.10 points) keeps 5%; the 95% interval of its difference is "
            "-0.09 to +0.20 points. At 21% of the weights,"
        ) in text
        [first, second] = re.findall(r"!\[.*\]\(get-artifact\?path=(\S+)&run_uuid=(\w+)\)", text)
        run = runs()["ticket"].info.run_id
        assert (first, second) == (("report%2Ffigures%2Fearly_stop.png", run), ("report%2Ffigures%2Foverlap.png", run))
    assert mirrored.artifacts(runs()["ticket"]) == ["report/figures/early_stop.png", "report/figures/overlap.png"]
    before = {name: (run.info.run_id, run.data.tags) for name, run in runs().items()}
    assert main(["sync"]) == 0
    assert {name: (run.info.run_id, run.data.tags) for name, run in runs().items()} == before


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"toy": HEADLINE | {"dense_accuracy": "x"}})])
def test_damaged_headline_numbers_are_left_out(content: str, root: Path) -> None:
    write(ticket())
    store.write_bytes(places.metrics("toy"), content.encode())
    [record] = find("toy")[0]
    assert describe.headline("toy", describe.metric_of(record)) == ""


# --- The view


def test_the_list_has_the_arms_first_and_the_lanes_below_them(root: Path) -> None:
    """MLflow nests runs in the order of their beginnings only, and loads the first hundred of them."""
    write_experiment()
    assert main(["sync"]) == 0
    state = json.loads(json.loads(experiment_tags()[view.TAG])["state"])
    assert (state["orderByKey"], state["orderByAsc"]) == ("attributes.start_time", True)
    listed = sorted(runs().values(), key=lambda run: run.info.start_time)
    below = ["mlflow.parentRunId" in run.data.tags for run in listed]
    assert below == sorted(below)
    assert [run.info.run_name for run in listed[:2]] == ["dense", "ticket"]


def test_the_view_of_an_experiment_has_the_arms_on_the_same_charts_and_useful_columns(root: Path) -> None:
    write_experiment()
    assert main(["sync"]) == 0
    saved = json.loads(experiment_tags()[view.TAG])
    state = json.loads(saved["state"])
    assert {"name", "createdAt", "updatedAt", "state"} == set(saved)
    logged = {key for run in runs().values() for key in run.data.metrics}
    shown = {chart["metricKey"] for chart in state["compareRunCharts"]}
    assert shown <= logged
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == {
        part["uuid"] for part in state["compareRunSections"]
    }
    assert "metrics.`accuracy_at_early_stop`" in state["selectedColumns"]
    assert experiment_tags()["mlflow.experiment.primaryMetric.name"] == "accuracy_at_early_stop"
    assert len(experiment_tags()[view.TAG]) < 20_000  # characters that MLflow stores


def test_a_view_that_a_user_has_changed_stays(root: Path) -> None:
    write(ticket())
    assert main(["sync"]) == 0
    from mlflow import MlflowClient

    client = MlflowClient(connection.uri())
    id = client.get_experiment_by_name("toy").experiment_id
    client.set_experiment_tag(id, view.TAG, "mine")
    assert main(["sync"]) == 0
    assert experiment_tags()[view.TAG] == "mine"
    assert view.addresses(client, "http://host/") == {"toy": view.address("http://host", id)}
    assert view.address("http://host", id).startswith(f"http://host/#/experiments/{id}/runs?workflowType=machine_learning&")
