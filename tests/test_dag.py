"""The written DVC files: names of stages, and which sections of params.yaml each of them reads."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import places
from pipeline.values import plugins
from pipeline.values.lanes import Item
from tests import lottery

ARMS = {
    "one_shot": {"rounds": [3]},
    "reinit": {"rounds": [1, 3], "draws": 2},
    "noise": {"name": "tests.test_own_arms:noisy", "rounds": [2], "sigma": 2.0},
    "dense_long": {"rounds": [2]},
}
FULL = lottery.experiment(arms=ARMS, task="classification")
SHORT = {section: value for section, value in FULL.items() if section not in ("arms", "task", "init")}


@pytest.fixture
def written(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The stages of the two experiments."""
    with lottery.repository(tmp_path, lottery.params(full=FULL, short=SHORT)):
        return {name: lottery.stages(name) for name in ("full", "short")}


def read(stage: dict[str, Any], name: str) -> set[str]:
    """The sections of its experiment that a stage reads."""
    return {section.removeprefix(f"experiments.{name}.") for section in stage["params"]}


def test_each_arm_has_stages_of_its_own(written: dict[str, dict[str, Any]]) -> None:
    assert {*written["full"]} == {
        "train_dense", "prune", "retrain", "prune_one_shot", "retrain_one_shot", "control_reinit", "control_noise",
        "control_dense_long", "aggregate", "examine", "plot",
    }  # fmt: skip
    assert written["full"]["retrain_one_shot"]["cmd"] == "python -m stages.retrain full/one_shot_${key}"
    assert written["full"]["control_reinit"]["outs"] == ["work/full/reinit_${key}/lanes"]
    assert written["full"]["retrain"]["cmd"] == "python -m stages.retrain full/${key}"


@pytest.mark.parametrize(
    ("item", "is_control", "target"),
    [
        (Item("toy", 0, "dense"), False, "train_dense"),
        (Item("toy", 7, "ticket"), False, "retrain@r07"),
        (Item("toy", 12, "one_shot"), False, "retrain_one_shot@r12"),
        (Item("toy", 100, "reinit"), True, "control_reinit@r100"),
    ],
)
def test_the_target_of_an_item(item: Item, is_control: bool, target: str) -> None:
    assert places.target(item, is_control) == f"experiments/toy/dvc.yaml:{target}"
    assert Item.parse(f"toy/{item.name}") == item


def test_a_section_that_an_experiment_leaves_out_is_in_none_of_its_stages(written: dict[str, dict[str, Any]]) -> None:
    """DVC would look for it in params.yaml in vain."""
    found = {section for stage in written["short"].values() for section in read(stage, "short")}
    assert not {section for section in found if section.split(".")[0] in ("arms", "task", "init")}
    there = {"data", "model", "optimizer", "training", "rewind", "seeds", "pruning.criterion", "pruning.scope", "pruning.rates"}
    assert found - {"figures", "margin"} == there | {"pruning.rounds"}
    assert "retrain" in written["short"]  # the ticket of every round is there nevertheless


def test_a_section_that_is_there_is_read_by_the_stages_it_changes(written: dict[str, dict[str, Any]]) -> None:
    full = {stage: read(content, "full") for stage, content in written["full"].items()}
    training = {"data", "task", "model", "optimizer", "training", "rewind", "seeds"}
    pruning = {"pruning.criterion", "pruning.scope", "pruning.rates"}
    assert full["train_dense"] == training | {"init"}
    assert full["prune"] == full["prune_one_shot"] == pruning | {"seeds"}
    assert full["retrain"] == full["retrain_one_shot"] == full["control_dense_long"] == training | pruning
    assert full["control_reinit"] == training | pruning | {"init", "arms.reinit.draws"}  # not its rounds
    assert full["control_noise"] == training | pruning | {"arms.noise.name", "arms.noise.sigma"}
    assert full["aggregate"] >= {"pruning.rounds", "arms", "seeds", "margin"}
    assert [stage for stage, sections in full.items() if "margin" in sections] == ["aggregate"]


def test_a_download_has_a_stage_for_each_data_set(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(full=FULL)):
        found = lottery.read_yaml(places.DATA_CHAIN)["stages"]
    assert {f"download_{name}" for name in plugins.names("data")} == {*found}
    assert found["download_mnist"]["cmd"] == "python -m stages.download mnist"
    assert "pipeline/data/mnist.py" in found["download_mnist"]["deps"]
    assert "pipeline/data/cifar10.py" not in found["download_mnist"]["deps"]
