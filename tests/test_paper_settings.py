"""The experiments of params.yaml that carry the paper's budgets, against its own table of them (its figure 2 and appendices).

What the paper says is written here a second time, from the paper, so that a knob turned by accident does not pass for it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import config

PARAMS = Path(__file__).parent.parent / "params.yaml"
Settings = dict[str, Any]

# Of every experiment of the paper.
ALL = {
    "validation": 5000,
    "init": {"name": "glorot_normal"},
    "task": {"name": "classification"},
    "criterion": {"name": "magnitude"},
    "replicates": 5,
    "reinit": {"name": None, "rounds": "all", "draws": 3},
    "evaluate_every": 100,
    "rewind": "0it",
    "precision": "fp32",
}


def layer_wise(data: str, model: Settings, iterations: int, lr: float, rates: dict[str, float]) -> Settings:
    """LeNet and the Conv networks: Adam at a constant rate, batches of 60, nothing but the optimizer on the weights."""
    optimizer = {"name": "adam", "lr": lr, "momentum": None, "weight_decay": 0.0, "warmup": "0it", "decay": None}
    return ALL | {
        "data": data, "augment": {"crop": 0, "flip": False}, "model": model, "iterations": iterations, "batch": 60,
        "optimizer": optimizer, "scope": "layer", "rates": rates,
    }  # fmt: skip


def deep(model: Settings, iterations: int, batch: int, lr: float, decay: list[str], warmup: str = "0it") -> Settings:
    """VGG-19 and "ResNet-18": SGD with momentum in three steps, flips and crops of 4 pixels, all convolutions ranked together."""
    optimizer = {
        "name": "sgd", "lr": lr, "momentum": 0.9, "weight_decay": 1e-4, "warmup": warmup, "decay": {"at": decay, "by": 0.1}
    }  # fmt: skip
    return ALL | {
        "data": "cifar10", "augment": {"crop": 4, "flip": True}, "model": model, "iterations": iterations, "batch": batch,
        "optimizer": optimizer, "scope": "global", "rates": {"conv": 0.2},
    }  # fmt: skip


LENET = {"name": "lenet", "hidden": [300, 100]}
CONV2, CONV4, CONV6 = ({"name": "conv", "depth": depth} for depth in (2, 4, 6))
DROPOUT = {"dropout": 0.5}
VGG19, RESNET = {"name": "vgg19"}, {"name": "resnet", "depth": 20}
HALVED = {"fc": 0.2, "output": 0.1}  # the output layer at half the rate
TENTH, SEVENTH = HALVED | {"conv": 0.1}, HALVED | {"conv": 0.15}
EPOCHS, STEPS = ["80ep", "120ep"], ["20000it", "25000it"]

PAPER = {
    #                           data       model            iterations  rate    pruned a round
    "lenet_paper": layer_wise("mnist", LENET, 50_000, 1.2e-3, HALVED),
    "conv2": layer_wise("cifar10", CONV2, 20_000, 2e-4, TENTH),
    "conv4": layer_wise("cifar10", CONV4, 25_000, 3e-4, TENTH),
    "conv6": layer_wise("cifar10", CONV6, 30_000, 3e-4, SEVENTH),
    "conv2_dropout": layer_wise("cifar10", CONV2 | DROPOUT, 60_000, 3e-4, TENTH),
    "conv4_dropout": layer_wise("cifar10", CONV4 | DROPOUT, 75_000, 2e-4, TENTH),
    "conv6_dropout": layer_wise("cifar10", CONV6 | DROPOUT, 90_000, 2e-4, SEVENTH),
    #                model   iterations  batch  rate  a tenth of it from  warmup
    "vgg19": deep(VGG19, 112_000, 64, 0.1, EPOCHS),
    "vgg19_low": deep(VGG19, 112_000, 64, 0.01, EPOCHS),
    "vgg19_warmup": deep(VGG19, 112_000, 64, 0.1, EPOCHS, "10000it"),
    "resnet20": deep(RESNET, 30_000, 128, 0.1, STEPS),
    "resnet20_low": deep(RESNET, 30_000, 128, 0.01, STEPS),
    "resnet20_warmup": deep(RESNET, 30_000, 128, 0.03, STEPS, "20000it"),
    "resnet20_rewind": deep(RESNET, 30_000, 128, 0.1, STEPS),
}
# Where ours is not the paper's: in the deep networks, to spare two thirds of the controls and four fifths of the evaluations.
SPARED = {"reinit": {"name": None, "rounds": "all", "draws": 1}, "evaluate_every": 500}
OURS: dict[str, Settings] = {name: SPARED for name in PAPER if name.startswith(("vgg19", "resnet20"))}
# A later paper's (Frankle et al. 2020): the same training, tickets rewound to an early iteration.
OURS["resnet20_rewind"] = SPARED | {"rewind": "500it"}

# Rounds in which the least density is reached that the paper names: 2.9, 4.6, 9.2, 15.3, 1.5 and 11.8 percent.
ROUNDS = {"lenet": 16, "conv2": 14, "conv4": 12, "conv6": 10, "vgg19": 19, "resnet20": 10}


@cache
def experiment(name: str) -> Settings:
    """Everything in it, what params.yaml leaves to its default too."""
    return config.load(PARAMS).experiment(name).model_dump(mode="json")


def settings(name: str) -> Settings:
    """Of an experiment, under the table's names."""
    found = experiment(name)
    data, training, pruning, optimizer = (found[section] for section in ("data", "training", "pruning", "optimizer"))
    return {
        "data": data["name"],
        "validation": data["validation"],
        "augment": data["augment"],
        "model": found["model"],
        "init": found["init"],
        "task": found["task"],
        "optimizer": {"momentum": None} | {key: value for key, value in optimizer.items() if key != "clip_grad_norm"},
        "iterations": training["iterations"],
        "batch": training["batch_size"],
        "evaluate_every": training["evaluate_every"],
        "precision": training["precision"],
        "criterion": pruning["criterion"],
        "scope": pruning["scope"],
        "rates": pruning["rates"],
        "rewind": found["rewind"],
        "replicates": len(found["seeds"]),
        "reinit": found["arms"]["reinit"],
    }


@pytest.mark.parametrize("name", PAPER)
def test_an_experiment_has_the_papers_settings_but_for_what_is_stated_to_be_ours(name: str) -> None:
    assert settings(name) == PAPER[name] | OURS.get(name, {})


@pytest.mark.parametrize("name", OURS)
def test_what_is_stated_to_be_ours_is_not_the_papers(name: str) -> None:
    assert all(PAPER[name][knob] != ours for knob, ours in OURS[name].items())


@pytest.mark.parametrize("name", PAPER)
def test_an_experiment_goes_on_to_the_least_density_that_the_paper_names(name: str) -> None:
    assert experiment(name)["pruning"]["rounds"] >= ROUNDS[name.partition("_")[0]]


@pytest.mark.parametrize(("arm", "draws"), [("one_shot", None), ("one_shot_reinit", 3)])
def test_lenet_is_pruned_in_one_shot_too_with_as_many_controls(arm: str, draws: int | None) -> None:
    assert experiment("lenet_paper")["arms"][arm] == {"name": None, "rounds": "all", "draws": draws}
