"""Data sets of a user's own, with options, in other forms; and what is wrong with one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data import digits
from pipeline.domain.bundle import Bundle, Form
from pipeline.files import datasets
from pipeline.preview.show import show
from pipeline.settings import check, config
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Data, Experiment
from stages import download, train_dense
from tests import lottery, toy
from tests.named import sentence, with_plugin

HERE = "tests.test_data_plugins"


def points(width: int = 3, shift: float = 0.0) -> Bundle:
    draw = np.random.default_rng(0)
    labels = np.arange(200) % 3
    inputs = (draw.standard_normal((200, width)) + labels[:, None] + shift).astype(np.float32)
    return Bundle(inputs[:130], labels[:130], inputs[130:], labels[130:], scale=np.ones(1, np.float32))


def failing_set() -> Bundle:
    raise ValueError("the server\nis gone")


def damaged_set() -> Bundle:
    bundle = toy.bundle()
    return Bundle(bundle.train_inputs, bundle.train_targets[1:], bundle.test_inputs, bundle.test_targets)


def no_set() -> list[int]:
    return [1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("failing_set", ["ValueError", "the server is gone"]),
        ("damaged_set", ["train_targets", "one for each of 130 inputs"]),
        ("no_set", ["list", "should give a Bundle"]),
    ],
)
def test_a_data_set_that_fails_is_a_sentence_and_leaves_no_file(name: str, words: list[str], tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin("data", f"{HERE}:{name}"))):
        slug = config.load().experiment("toy").data.slug
        paths.data(slug).unlink()
        message = sentence(download.main, slug)
        assert not paths.data(slug).exists()
        assert not list(paths.SCRATCH.glob("*"))
    assert f"data set '{HERE}:{name}'" in message
    for word in words:
        assert word in message


OWN_SET = """
import numpy as np
from pipeline.domain.bundle import Bundle, Form
FORM = {form}
def own(width=4):
    images, labels = np.zeros((40, 1, width, width), np.uint8), np.arange(40, dtype=np.uint8) % 3
    return Bundle(images[:30], labels[:30], images[30:], labels[30:], scale=np.ones(1, np.float32))
"""


@pytest.mark.parametrize(
    ("form", "facts"),
    [
        ("Form(train=30, test=20, shape=(1, 4, 4), classes=4)", ["does not agree with the data", "test=10, classes=3"]),
        ("lambda width: Form(train=30, test=10, shape=(1, 8, 8), classes=3)", ["missing 1 required positional argument"]),
        ("lambda width=4: Form(train=30, test=10, shape=(1, 8, 8), classes=3)", ["does not agree", "shape=(1, 4, 4)"]),
        ("3", ["FORM of data set", "is an int, but should be a Form"]),
        ("lambda: 'small'", ["FORM of data set", "is a str, but should be a Form"]),
    ],
)
def test_a_form_that_is_not_that_of_the_data_is_refused_with_the_data(
    form: str, facts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"own_set_{abs(hash(form))}"
    (tmp_path / f"{name}.py").write_text(OWN_SET.format(form=form))
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin("data", f"{name}:own"))):
        paths.data(f"{name}_own").unlink()
        message = sentence(download.main, f"{name}_own")
        assert not paths.data(f"{name}_own").exists()
    for fact in facts:
        assert fact in message


def test_a_form_without_options_says_nothing_of_data_with_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_set.py").write_text(OWN_SET.format(form="Form(train=30, test=10, shape=(1, 4, 4), classes=3)"))
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin("data", "own_set:own", width=8))):
        download.main("own_set_own_width8")
        assert datasets.read_bundle(paths.data("own_set_own_width8")).shape == (1, 8, 8)


def test_a_data_set_by_dotted_path_with_options_is_made_and_trained_on(tmp_path: Path) -> None:
    narrow, wide = (with_plugin("data", f"{HERE}:points", **options) for options in ({}, {"width": 5}))
    for found in (narrow, wide):
        found["seeds"] = [1]
        found["pruning"] |= {"rounds": 1}
    with lottery.repository(tmp_path, lottery.params(narrow=narrow, wide=wide)):
        slugs = {name: config.load().experiment(name).data.slug for name in ("narrow", "wide")}
        assert slugs == {"narrow": "tests_test_data_plugins_points", "wide": "tests_test_data_plugins_points_width5"}
        for name, slug in slugs.items():
            paths.data(slug).unlink()
            with pytest.raises(
                UserError,
                match=rf"{slug}.* is missing .*FORM.*repeat_rounds {name}`.*`dvc repro experiments/dvc\.yaml:download_{slug}`",
            ):
                show(name, config.load().experiment(name))
            with pytest.raises(UserError, match=rf"is missing; `dvc repro --force experiments/dvc\.yaml:download_{slug}`"):
                train_dense.main(name)
            download.main(slug)
            lottery.run(name)
            assert "data set" not in show(name, config.load().experiment(name))
        assert lottery.layers("narrow")["fc1.weight"].shape == (8, 3)
        assert lottery.layers("wide")["fc1.weight"].shape == (8, 5)
        downloads = lottery.read_yaml(Path("experiments/dvc.yaml"))["stages"]
        for slug in slugs.values():
            stage = downloads[f"download_{slug}"]
            assert stage["cmd"] == f"python -m stages.download {slug}"
            assert stage["outs"] == [f"work/data/{slug}.safetensors"]
            assert "tests/test_data_plugins.py" in stage["deps"]
            assert (
                f"work/data/{slug}.safetensors" in lottery.stages("wide" if "width" in slug else "narrow")["train_dense"]["deps"]
            )
        assert datasets.read_bundle(paths.data(slugs["wide"])).shape == (5,)


def test_other_options_make_another_set_of_data() -> None:
    def slug(**options: Any) -> str:
        return Data(name="cifar10", validation=1, **options).slug

    found = [
        slug(),
        slug(side=16),
        slug(side=8),
        slug(side=16, deep=True),
        slug(path="a/b"),
        slug(path="a.b"),
        slug(x=list(range(40))),
    ]
    assert len(set(found)) == len(found)
    assert (found[0], found[1]) == ("cifar10", "cifar10_side16")
    assert slug(a=1, b=2) == slug(b=2, a=1)
    assert all(name.replace("_", "").isalnum() and len(name) < 50 for name in found)


def test_the_form_of_smaller_images_is_told_before_they_are_there(tmp_path: Path) -> None:
    small = lottery.experiment(
        arms={}, data={"name": "cifar10", "side": 8, "validation": 5000}, model={"name": "conv", "depth": 2}
    )
    small["pruning"] |= {"rates": {"conv": 0.2}}
    with lottery.repository(tmp_path, lottery.params(toy=small)):
        paths.data("cifar10_side8").unlink()
        assert f"{64 * 3 * 9 + 64 * 64 * 9 + 64 * 16 * 256 + 256 * 256 + 2560:,} weights" in show(
            "toy", config.load().experiment("toy")
        )


def test_inputs_without_a_scale_are_used_as_they_are(tmp_path: Path) -> None:
    """Tokens stay whole numbers, and pictures without a scale are not divided by 255."""
    from pipeline.training.examples import Examples

    data = toy.tokens()
    found, targets = Examples(data, toy.CPU).batch(torch.tensor([[3, 1]]))
    assert found.dtype == targets.dtype == torch.int64
    assert found[0].tolist() == data.train_inputs[[3, 1]].tolist()
    assert Form.of(data) == Form(130, 70, (6,), "int64", classes=5, scaled=False, words=5)


def test_tokens_may_be_of_fewer_words_than_there_are_classes(tmp_path: Path) -> None:
    """What the network is tried on has the data's own words and no others."""
    tokens = toy.tokens()
    few = Bundle(tokens.train_inputs % 2, tokens.train_targets, tokens.test_inputs % 2, tokens.test_targets)
    assert (Form.of(few).words, Form.of(few).classes) == (2, 5)
    changed = with_plugin("models", f"{HERE}:TwoWords")
    changed["pruning"] |= {"rates": {"embedding": 0.2}, "rounds": 1}
    with lottery.repository(tmp_path, lottery.params(toy=changed), few):
        lottery.run("toy", "r00")
        assert lottery.layers("toy")["0.weight"].shape == (2, 8)


class TwoWords(nn.Sequential):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(nn.Embedding(2, 8), nn.Flatten(), nn.Linear(8 * shape[0], outputs))


@pytest.mark.parametrize(
    "form", [{"dtype": "uint7"}, {"shape": (0,)}, {"shape": 64}, {"classes": 0}, {"train": "many"}, {"test": -5}]
)
def test_a_form_of_no_data_set_is_a_sentence(form: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "FORM", Form(**{"train": 200, "test": 50, "shape": (1, 8, 8), "classes": 3, **form}))
    with (
        lottery.repository(tmp_path, lottery.params(toy=lottery.experiment())),
        pytest.raises(UserError, match="FORM of data set"),
    ):
        show("toy", config.load().experiment("toy"))


@pytest.mark.parametrize(
    ("first", "second", "file"),
    [
        ({"name": "digits", "side": 16}, {"name": "digits", "side": "16"}, "digits_side16"),
        ({"name": f"{HERE}:points"}, {"name": "tests:test_data_plugins_points"}, "tests_test_data_plugins_points"),
    ],
)
def test_two_data_sets_with_one_file_are_refused(first: dict[str, Any], second: dict[str, Any], file: str) -> None:
    """Otherwise one experiment would be trained on the data of the other."""
    sections = [
        Experiment.model_validate_json(json.dumps(lottery.experiment(data=d | {"validation": 1}))) for d in (first, second)
    ]
    assert check.data_sets([sections[0], sections[0]])
    with pytest.raises(UserError, match=rf"have the same file, work/data/{file}\.safetensors, but should have one each; change"):
        check.data_sets(sections)
