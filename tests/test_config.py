"""Errors in params.yaml are reported before training, with the key, the given value and the allowed values."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.dag import written
from pipeline.settings import config, places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.optimizer import Adam
from stages import control, prune, repeat_rounds, retrain, run_stage, train_dense
from tests import lottery

GOOD = lottery.params(toy=lottery.experiment(), other=lottery.experiment())
TOY = "experiments.toy"


def changed(key: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    *front, last = key.split(".")
    section = content
    for part in front:
        section = section[part]
    section[last] = value
    return content


def said(content: Any, folder: Path) -> str:
    path = folder / "params.yaml"
    lottery.write_params(path, content)
    with pytest.raises(UserError) as error:
        config.load(path)
    return str(error.value)


def test_the_shipped_file_is_valid() -> None:
    settings = config.load(lottery.ROOT / paths.PARAMS)
    assert settings.report == ("lenet",)
    assert set(settings.experiments) >= {"lenet", "lenet_paper", "digits"}
    lenet = settings.experiment("lenet")
    assert lenet.optimizer == Adam(name="adam", lr=0.0012)  # written 1.2e-3, which PyYAML would take for a string
    assert lenet.pruning.rates == {"fc": 0.2, "output": 0.1}
    assert (lenet.training.batch_size, lenet.training.evaluate_every, lenet.data.validation) == (60, 100, 5000)
    paper = settings.experiment("lenet_paper")
    assert (paper.training.iterations, len(paper.seeds), paper.arms["reinit"].draws) == (50_000, 5, 3)
    assert paper.rounds_of("reinit") == tuple(range(1, paper.pruning.rounds + 1))


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "0.001", "1E-3"])
def test_a_number_in_scientific_notation_is_a_number(written: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    lottery.write_params(path, changed(f"{TOY}.optimizer.lr", "HERE"))
    path.write_text(path.read_text().replace("HERE", written))
    assert config.load(path).experiment("toy").optimizer.lr == 0.001


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        # unknown keys
        ("colour", 1, ["unknown key colour", "report, reports, figures, margin, experiments"]),
        (f"{TOY}.pruning.round", 3, [f"unknown key {TOY}.pruning.round", "criterion, scope, structure, rates, rounds"]),
        (f"{TOY}.training.epochs", 3, [f"unknown key {TOY}.training.epochs", "iterations, batch_size, evaluate_every"]),
        (
            f"{TOY}.optimizer.momentum",
            0.9,
            [f"unknown key {TOY}.optimizer.momentum", "lr, weight_decay, warmup, decay, clip_grad_norm, name"],
        ),
        (f"{TOY}.arms.random", {"rounds": 1}, [f"{TOY}: arms.random", "one of constant, ", "mypackage.module:name"]),
        ("figures.size", 3, ["unknown key figures.size", "densities, dpi"]),
        # wrong types
        (f"{TOY}.pruning.rounds", "18", [f'{TOY}.pruning.rounds is "18"', "should be a valid integer"]),
        (f"{TOY}.pruning.rounds", 2.5, [f"{TOY}.pruning.rounds is 2.5", "should be a valid integer"]),
        (f"{TOY}.optimizer.lr", "fast", [f'{TOY}.optimizer.lr is "fast"', "should be a valid number"]),
        (f"{TOY}.pruning.rates.fc", True, [f"{TOY}.pruning.rates.fc is true", "should be a valid number"]),
        (f"{TOY}.seeds", 3, [f"{TOY}.seeds is 3", "should be a valid array"]),
        (f"{TOY}.rewind", 500, [f"{TOY}.rewind is 500", "should be a valid string"]),
        (TOY, None, [f"{TOY} is null", "should be a mapping"]),
        # ranges
        *[(f"{TOY}.pruning.rates.fc", v, [f"{TOY}.pruning.rates.fc is {v}", "greater than 0"]) for v in (0, -0.1)],
        *[(f"{TOY}.pruning.rates.output", v, [f"{TOY}.pruning.rates.output is {v}", "less than 1"]) for v in (1, 1.5)],
        *[(f"{TOY}.pruning.rounds", v, [f"{TOY}.pruning.rounds is {v}", "greater than or equal to 1"]) for v in (0, -3)],
        (f"{TOY}.optimizer.lr", float("nan"), [f"{TOY}.optimizer.lr is NaN", "finite"]),
        (f"{TOY}.optimizer.lr", 0, [f"{TOY}.optimizer.lr is 0", "greater than 0"]),
        (f"{TOY}.data.validation", -1, [f"{TOY}.data.validation is -1", "greater than or equal to 0"]),
        (f"{TOY}.arms.reinit.draws", 0, [f"{TOY}.arms.reinit.draws is 0", "greater than or equal to 1"]),
        (f"{TOY}.rewind", "500", [f'{TOY}.rewind is "500"', "such as 500it or 2ep"]),
        ("margin", 0.0, ["margin is 0.0", "greater than 0"]),
        ("figures.densities", [2.0], ["figures.densities.0 is 2.0", "less than or equal to 1"]),
        # names
        (f"{TOY}.model.name", "alexnet", [f'{TOY}.model.name is "alexnet"', "one of ", "lenet", "mypackage.module:name"]),
        (f"{TOY}.data.name", "mnst", [f'{TOY}.data.name is "mnst"', "one of cifar10, "]),
        (f"{TOY}.task", "ranking", [f'{TOY}.task.name is "ranking"', "one of classification, regression, text"]),
        (f"{TOY}.optimizer.name", "lion", [f"{TOY}.optimizer", "'lion'", "'adam', 'adamw', 'sgd'"]),
        (f"{TOY}.pruning.criterion", "size", [f'{TOY}.pruning.criterion.name is "size"', "one of fisher, grasp, "]),
        (f"{TOY}.pruning.scope", "both", [f'{TOY}.pruning.scope is "both"', "'layer', 'global', 'erdos_renyi'"]),
        (f"{TOY}.pruning.rates.Norm", 0.2, [f"{TOY}.pruning.rates.Norm"]),
        (f"{TOY}.training.precision", "fp16", [f'{TOY}.training.precision is "fp16"', "'fp32', 'tf32' or 'bf16'"]),
        (f"{TOY}.training.memory_format", "nhwc", [f'{TOY}.training.memory_format is "nhwc"', "'contiguous' or 'channels_last'"]),
        (f"{TOY}.init", "zeros", [f'{TOY}.init.name is "zeros"', "one of glorot_normal, model"]),
        ("experiments.Not-A-Name", lottery.experiment(), ["Not-A-Name"]),
        ("experiments.data", lottery.experiment(), ["experiments.data", "should be another name"]),
        # lists
        (f"{TOY}.seeds", [1, 2, 1], [f"{TOY}.seeds is [1, 2, 1]", "should not repeat a value, but has 1 more than once"]),
        (f"{TOY}.seeds", [], [f"{TOY}.seeds is []", "at least one value"]),
        ("report", [], ["report is []", "at least one value"]),
        ("report", ["toy", "toy"], ['report is ["toy", "toy"]', "has toy more than once"]),
        ("report", ["toys"], ["no experiment 'toys' in params.yaml or ", "should be one of other, toy"]),
        (f"{TOY}.arms.one_shot.rounds", [3, 3], [f"{TOY}.arms.one_shot.rounds is [3, 3]", "a list of different rounds"]),
        (f"{TOY}.arms.one_shot.rounds", "every", [f'{TOY}.arms.one_shot.rounds is "every"', "should be all, a number"]),
        (f"{TOY}.optimizer.decay", {"at": []}, [f"{TOY}.optimizer.decay.at is []", "at least one value"]),
        (f"{TOY}.optimizer.decay", {"by": 0.1}, [f"{TOY}.optimizer.decay.at is missing"]),
        (f"{TOY}.optimizer.decay", {"at": ["5it"], "to": 0}, [f"unknown key {TOY}.optimizer.decay.to", "at, by"]),
        *[
            (f"{TOY}.optimizer.decay", v, [f"{TOY}.optimizer.decay is ", "should be cosine, or steps such as {at: [80ep, 120ep]"])
            for v in ("linear", 3, ["5it"])
        ],
        *[(f"{TOY}.optimizer.clip_grad_norm", v, [f"{TOY}.optimizer.clip_grad_norm is {v}", "greater than 0"]) for v in (0, -1)],
        (f"{TOY}.optimizer.clip_grad_norm", "1", [f'{TOY}.optimizer.clip_grad_norm is "1"', "valid number"]),
        (f"{TOY}.optimizer.decay", {"at": ["5it", "5it"]}, [f"{TOY}.optimizer.decay.at is", "has 5it more than once"]),
        *[
            (f"{TOY}.arms.lr_rewind", {"rounds": v}, [f"lr_rewind.rounds is {json.dumps(v)}: should be all, a number"])
            for v in (-1, 1.5, True, "every", [], [0], [1, 1], [True], 1001)
        ],
        # what does not go together
        (f"{TOY}.arms.fine_tune", {"rounds": 4}, [f"{TOY}: arms.fine_tune.rounds goes to 4", "pruning.rounds is 3"]),
        (f"{TOY}.arms.reinit.rounds", [4], [f"{TOY}: arms.reinit.rounds goes to 4", "pruning.rounds is 3", "between 1 and 3"]),
        (f"{TOY}.arms.dense", {"rounds": 1}, [f"{TOY}: arms.dense", "the name of the dense network"]),
        (f"{TOY}.training.evaluate_every", 4, [f"{TOY}: training.iterations is 15", "a multiple", "evaluate_every, 4"]),
        (f"{TOY}.pruning.scope", "global", [f"{TOY}.pruning: rates should be equal when scope is global"]),
    ],
)  # fmt: skip
def test_bad_input_is_named_with_what_is_allowed(key: str, value: Any, words: list[str], tmp_path: Path) -> None:
    message = said(changed(key, value), tmp_path)
    for word in words:
        assert word in message
    assert "params.yaml" in message
    assert "pydantic" not in message


@pytest.mark.parametrize(
    ("key", "section"), [("report", ""), (f"{TOY}.seeds", ""), (f"{TOY}.model.name", ""), (f"{TOY}.rewind", "")]
)
def test_a_missing_key_is_named(key: str, section: str, tmp_path: Path) -> None:
    content = changed(key, None)
    *front, last = key.split(".")
    inner = content
    for part in front:
        inner = inner[part]
    del inner[last]
    message = said(content, tmp_path)
    assert f"params.yaml: {key} is missing" in message
    assert (last in ("rewind", "seeds")) == ("an example is" in message)


@pytest.mark.parametrize("name", ["Toy", "2toys", "toy-2", "mein spielzeug"])
def test_a_name_of_another_form_is_told_with_one_that_is_right(name: str, tmp_path: Path) -> None:
    content = changed("report", ["toy"])
    content["experiments"][name] = content["experiments"]["toy"]
    message = said(content, tmp_path)
    assert name in message
    assert "only lower-case letters, digits and underscores, and begin with a letter, such as conv2_cpu" in message


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    content = changed(f"{TOY}.pruning.rates.fc", 2)
    content["experiments"]["toy"]["model"]["name"] = "alexnet"
    content["experiments"]["other"]["seeds"] = [1, 1]
    content["colour"] = "red"
    lines = said(content, tmp_path).splitlines()
    assert len(lines) == 4
    for word in (f"{TOY}.pruning.rates.fc is 2", f"{TOY}.model.name", "experiments.other.seeds", "unknown key colour"):
        assert sum(word in line for line in lines) == 1


@pytest.mark.parametrize("text", ["report: [", "a: 1\na: 2", "\ta: 1"])
def test_what_is_not_yaml_is_said_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"^.*params.yaml is not valid YAML: [^\n]*$"):
        config.load(path)
    with pytest.raises(UserError, match=r"none\.yaml is missing"):
        config.load(tmp_path / "none.yaml")


# --- What only shows with the network and the data


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            f"{TOY}.pruning.rounds",
            12,
            ["pruning goes to round 12", "after round 9 no weight of fc2.weight", "48 weights", "round 8 at most"],
        ),
        (f"{TOY}.model", {"name": "lenet", "width": 3}, ["'lenet'", "width", "options are hidden"]),
        (f"{TOY}.model", {"name": "lenet", "hidden": [0]}, ["hidden is [0]", "positive"]),
        (f"{TOY}.model.name", "tests.toy:nothing", ["'tests.toy:nothing' cannot be loaded", "nothing"]),
        (f"{TOY}.model.name", "no_such_package:Net", ["'no_such_package:Net' cannot be loaded", "no_such_package"]),
        (f"{TOY}.pruning.rates", {"conv": 0.2}, ["pruning.rates names conv", "kinds fc, output"]),
        (f"{TOY}.data.validation", 130, ["data.validation is 130", "less than the 130 training examples"]),
        (f"{TOY}.training.batch_size", 101, ["training.batch_size is 101", "at most the 100 examples"]),
        (f"{TOY}.rewind", "3ep", ["rewind is 3ep, iteration 15", "before the end of training, 15"]),
        (f"{TOY}.optimizer.warmup", "3ep", ["optimizer.warmup is 3ep, iteration 15", "before the end of training, 15"]),
        (f"{TOY}.optimizer.decay", {"at": ["9it", "16it"]}, ["optimizer.decay.at[1] is 16it", "before the end of training, 15"]),
        (f"{TOY}.data.augment", {"crop": 4}, ["data.augment.crop is 4", "less than the images' 4 pixels"]),
        (f"{TOY}.model", {"name": "conv", "dropout": 1.0}, ["dropout is 1.0, but should be a number from 0 on and below 1"]),
        (
            f"{TOY}.model",
            {"name": "conv", "depth": 6},
            ["model 'conv' failed", "the images are 4x4", "should be 8x8 or more"],
        ),
    ],
)
def test_a_stage_checks_all_of_it_before_it_trains(
    key: str, value: Any, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lottery.repository(tmp_path, changed(key, value)):
        for stage, item in ((train_dense, "toy"), (retrain, "toy/r01"), (control, "toy/reinit_r03")):
            monkeypatch.setattr("sys.argv", [stage.__name__, item])
            with pytest.raises(SystemExit) as ended:
                run_stage(stage.main)
            message = ended.value.code  # which Python prints, and ends with 1
            assert isinstance(message, str)
            assert message.startswith(f"error: params.yaml: {TOY}: ")
            assert "\n" not in message
            for word in words:
                assert word in message
        assert not (tmp_path / "work/toy").exists()


@pytest.mark.parametrize(
    ("stage", "item"), [(train_dense, "toy"), (prune, "toy/r01"), (retrain, "toy/r01"), (control, "toy/reinit_r03")]
)
def test_a_chain_out_of_date_names_the_command(stage: Any, item: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lottery.repository(tmp_path, GOOD):
        lottery.run("toy", "r00")
        before = lottery.files(tmp_path / "work")
        lottery.write_params(paths.PARAMS, changed(f"{TOY}.pruning.rounds", 5))
        remedy = r"experiments/toy/dvc.yaml does not agree with params.yaml; run `python -m stages.repeat_rounds`"
        with pytest.raises(UserError, match=remedy):
            stage.main(item)
        assert lottery.files(tmp_path / "work") == before
        monkeypatch.setattr("sys.argv", ["repeat_rounds"])
        repeat_rounds.main()
        lottery.begin("toy")
        places.chain("toy").unlink()
        with pytest.raises(UserError, match=remedy):
            stage.main(item)


def test_the_chain_of_another_experiment_may_be_out_of_date(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, GOOD):
        lottery.write_params(paths.PARAMS, changed("experiments.other.pruning.rounds", 5))
        train_dense.main("toy")
        with pytest.raises(UserError, match=r"experiments/other/dvc.yaml does not agree"):
            train_dense.main("other")


def test_the_written_chains_are_the_ones_that_are_checked(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, GOOD):
        settings: Config = config.load()
        for name in settings.experiments:
            written.agrees(lottery.bound(name))
        for name in settings.all_reports():
            written.report_agrees(settings, name)
