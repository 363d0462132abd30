"""What an experiment runs, in words, and what it is a reduced budget of."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.report import recipe
from pipeline.settings import config
from pipeline.settings.config import Config
from pipeline.values import paths
from tests import lottery, pages, synthetic
from tests.several import CONTENT, CONV


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    lottery.write_params(paths.PARAMS, CONTENT)
    return config.load()


def test_a_reduced_budget_is_said_plainly_with_all_that_differs(settings: Config) -> None:
    said = str(recipe.reduced(settings, "conv2_small"))
    for part in (
        "a reduced budget", "2,000 iterations, 2 rounds and 2 replicates instead of 20,000, 4 and 2",
        "(experiment `conv2`, which has the paper's budget)",
        "`optimizer.lr` 0.0006 (0.0002)", "`training.precision` bf16 (fp32)",
        "`training.memory_format` channels_last (contiguous)",
    ):  # fmt: skip
        assert part in said
    outcomes = {name: synthetic.outcome(synthetic.of_params(settings, name)) for name in settings.reports["some"]}
    text = pages.markdown(settings, "some", outcomes)
    assert said in text
    assert "The budget of `conv2_small` is reduced" in text
    assert "For the paper's own budget, name `conv2` and `conv4`" in text
    for name in ("conv2", "conv4", "conv2_dropout", "resnet", "own", "toy"):
        assert recipe.reduced(settings, name) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"pruning": CONV["pruning"] | {"criterion": "tests.toy:normed"}},
        {"pruning": {"criterion": "magnitude", "scope": "global", "rates": {"fc": 0.2}, "rounds": 4}},
        {"arms": {"one_shot": {"rounds": [1]}}},
        {"data": {"name": "mnist", "validation": 5000}},
        {"model": {"name": "conv", "depth": 2, "dropout": 0.5}},
    ],
    ids=["criterion", "scope", "arms", "data", "model"],
)
def test_an_experiment_that_asks_another_question_is_no_reduced_budget(changes: dict[str, Any]) -> None:
    iterations = {"training": CONV["training"] | {"iterations": 200}}
    for differs, is_reduced in ((changes, False), ({}, True)):
        small = lottery.experiment(**CONV | iterations | differs)
        lottery.write_params(paths.PARAMS, lottery.params(small=small, conv2=lottery.experiment(**CONV)))
        assert (recipe.reduced(config.load(), "small") is not None) == is_reduced


def test_of_several_larger_experiments_the_one_that_differs_least_is_named() -> None:
    content = CONTENT["experiments"]
    other = lottery.experiment(**CONV | {"training": {**CONV["training"], "batch_size": 64}})
    for changes, named in (({}, "large"), ({"training": {"iterations": 200, "batch_size": 64, "evaluate_every": 100}}, "other")):
        small = lottery.experiment(**CONV | {"training": CONV["training"] | {"iterations": 200}} | changes)
        lottery.write_params(paths.PARAMS, lottery.params(small=small, large=content["conv2"], other=other))
        said = recipe.reduced(config.load(), "small")
        assert said is not None and f"(experiment `{named}`" in said
        assert "It also differs" not in said


def test_an_experiment_with_the_papers_budget_is_named_before_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lottery.ROOT)
    for name in ("lenet", "lenet_at_100", "lenet_sgd"):
        assert "(`lenet_paper` has 50,000 iterations)" in recipe.brief(config.load(), name)


def test_the_page_tells_schedule_augmentation_precision_and_all_arms(settings: Config) -> None:
    deep, small = (recipe.what_ran(settings.experiment(name), {}) for name in ("resnet", "conv2_small"))
    for part in (
        "`resnet` (depth 20) is trained on `cifar10` (training images padded by 4 pixels and cropped, flipped at random)",
        "sgd at learning rate 0.1 (momentum 0.9), after a linear warmup of 100 iterations",
        "multiplied by 0.1 at iteration 20,000 and epoch 120",
        "magnitude pruning removes, over all layers together, a part of the surviving weights (conv 20%)",
        "tickets are rewound to iteration 500",
        "random reinit (2 rounds, 2 draws per seed).",
    ):
        assert part in deep
    assert "adam at learning rate 0.0006, in bf16, channels last in memory;" in small
    assert "no other arm is trained" in small
    modern = {"name": "adamw", "lr": 0.01, "decay": "cosine", "clip_grad_norm": 0.5}
    task = {"name": "classification", "label_smoothing": 0.1}
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment(optimizer=modern, task=task)))
    said = recipe.what_ran(config.load().experiment("toy"), {})
    assert "adamw at learning rate 0.01 (weight decay 0.01), with the rate falling to 0 along half a cosine" in said
    assert "with gradients clipped to a norm of 0.5, for the task `classification` (label_smoothing 0.1);" in said
    arms = {"lr_rewind": {"rounds": 2}, "continued": {"rounds": [1]}, "shuffled_mask": {"rounds": "all", "draws": 1}}
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment(arms=arms)))
    assert recipe.what_ran(config.load().experiment("toy"), {"lr_rewind": "rewound rate"}).endswith(
        "ticket, mask without resets (1 round); rewound rate (2 rounds); shuffled mask (3 rounds, 1 draw per seed)."
    )
