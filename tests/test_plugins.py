"""Plug-ins and their options: what is wrong with one is a sentence that names it, never a traceback, before any training."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from pipeline.domain.arms import Arm
from pipeline.domain.bundle import Bundle
from pipeline.preview.show import show
from pipeline.run.bound import Bound
from pipeline.settings import config
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from stages import repeat_rounds, train_dense
from tests import lottery
from tests.named import sentence, with_plugin

HERE = "tests.test_plugins"


# --- A module that cannot be imported


BROKEN = {
    "unparsable": ("def net(:\n", "SyntaxError"),
    "raising": ("raise RuntimeError('no GPU\\nin this machine')\n", "RuntimeError: no GPU in this machine"),
    "leaving": ("import sys\nsys.exit('bye')\n", "SystemExit: bye"),
    "silent": ("raise AssertionError\n", "AssertionError"),
    "needy": ("import not_there_at_all\n", "ModuleNotFoundError"),
    "empty": ("", "AttributeError"),
}


@pytest.mark.parametrize("kind", plugins.KINDS)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_module_that_cannot_be_imported_is_a_sentence(
    broken: str, kind: plugins.Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, reason = BROKEN[broken]
    (tmp_path / f"broken_{broken}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as error:
        plugins.bind(kind, f"broken_{broken}:net", {})
    message = str(error.value)
    assert message.startswith(f"{plugins.CALLED[kind]} 'broken_{broken}:net' cannot be loaded: {reason}")
    assert "\n" not in message


WHOLE = {
    "models": "def net(shape, outputs):\n    pass\n",
    "criteria": "def net(trained):\n    return trained\n",
    "arms": "from pipeline.domain.arms import Arm, rewound\ndef net():\n    return Arm(prunes='dense', weights=rewound)\n",
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("broken", ["unparsable", "raising", "leaving"])
def test_every_command_tells_of_a_broken_module_before_anything_runs(
    broken: str, kind: plugins.Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / f"broken_{broken}.py"
    file.write_text(WHOLE[kind])
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin(kind, f"broken_{broken}:net"))):
        file.write_text(BROKEN[broken][0])
        sys.modules.pop(file.stem, None)
        assert f"broken_{broken}" in sentence(train_dense.main, "toy")
        for main in (lambda: show("toy", config.load().experiment("toy")), repeat_rounds.main):
            monkeypatch.setattr(sys, "argv", ["repeat_rounds"])
            with pytest.raises(UserError, match=rf"experiments\.toy: .*broken_{broken}:net' cannot be loaded"):
                main()
        assert not Path("work/toy").exists()


def test_a_file_that_is_not_python_is_named_where_dvcs_files_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that the plug-in would import only later is followed too."""
    monkeypatch.syspath_prepend(tmp_path)
    changed = lottery.params(toy=with_plugin("models", "mine_too:net"))
    (tmp_path / "mine_too.py").write_text("def net(shape, outputs):\n    import helper_of_mine\n")
    (tmp_path / "helper_of_mine.py").write_text("X = 1\n")
    with lottery.repository(tmp_path, changed):
        Path("helper_of_mine.py").write_text("X = = 1\n")
        message = sentence(train_dense.main, "toy")
    assert "helper_of_mine.py is not valid Python" in message


# --- What is no plug-in


@pytest.mark.parametrize("kind", plugins.KINDS)
@pytest.mark.parametrize("name", ["builtins:dict", "math:pi", "tests.test_plugins:HERE"])
def test_what_has_no_signature_is_a_sentence(name: str, kind: plugins.Kind) -> None:
    with pytest.raises(UserError, match=rf"{plugins.CALLED[kind]} '{name}' is a \w+ without a signature; should be a function"):
        plugins.bind(kind, name, {})


@pytest.mark.parametrize("name", ["lenets", "my.nets", "a b:c", ":net", "nets:", "nets.:net", "nets:net:net", "../nets:net", ""])
def test_a_name_that_is_neither_known_nor_a_dotted_path_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"should be one of conv, gpt, .*, or a dotted path such as mypackage\.module:name"):
        plugins.find("models", name)


# --- Options


def points(width: int = 3, shift: float = 0.0) -> Bundle:
    draw = np.random.default_rng(0)
    labels = np.arange(200) % 3
    inputs = (draw.standard_normal((200, width)) + labels[:, None] + shift).astype(np.float32)
    return Bundle(inputs[:130], labels[:130], inputs[130:], labels[130:], scale=np.ones(1, np.float32))


def greedy(shape: tuple[int, ...], outputs: int, *, units: int, **others: Any) -> nn.Module:
    assert not others or {*others} == {"deep"}
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), units), nn.ReLU(), nn.Linear(units, outputs))


@pytest.mark.parametrize(
    ("kind", "name", "options", "words"),
    [
        ("models", "lenet", {"width": 3}, ["'width'", "options are hidden"]),
        ("models", "lenet", {"shape": [1]}, ["shape comes from the pipeline"]),
        ("models", f"{HERE}:greedy", {}, ["'units'", "options are units"]),
        ("criteria", "magnitude", {"power": 2}, ["'power'", "options are none"]),
        ("criteria", "magnitude", {"trained": 2, "rng": 1}, ["rng, trained comes from the pipeline"]),
        ("data", f"{HERE}:points", {"height": 2}, ["'height'", "options are width, shift"]),
        ("data", "digits", {"folder": "x"}, ["folder comes from the pipeline"]),
        ("inits", "glorot_normal", {"gain": 2}, ["'gain'", "options are none"]),
        ("tasks", "classification", {"smoothing": 0.1}, ["'smoothing'", "options are label_smoothing"]),
        ("arms", "reinit", {"mask": "ticket"}, ["'mask'", "options are masks"]),
    ],
)
def test_wrong_options_are_one_sentence_with_those_that_there_are(
    kind: plugins.Kind, name: str, options: Mapping[str, Any], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        plugins.bind(kind, name, options)
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment())):
        lottery.write_params(paths.PARAMS, lottery.params(toy=with_plugin(kind, name, **options)))
        with pytest.raises(UserError) as shown:
            show("toy", config.load().experiment("toy"))
    assert "experiments.toy" in str(shown.value)
    for message in (str(error.value), str(shown.value)):
        assert "\n" not in message
        assert f"{plugins.CALLED[kind]} '{name}'" in message
        for word in words:
            assert word in message


def test_options_reach_the_plug_in_also_those_it_takes_by_any_name() -> None:
    bound = plugins.bind("models", f"{HERE}:greedy", {"units": 7, "deep": True})
    assert bound.asks == {"shape", "outputs"}
    assert bound(shape=(1, 2, 2), outputs=3)[1].out_features == 7
    assert bound.source == ("models", f"{HERE}:greedy")


# --- A model that is none


class Two(nn.Linear):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(int(np.prod(shape)), outputs)

    def forward(self, x: Tensor) -> Any:
        return super().forward(x.flatten(1)), x


class Flat(nn.Linear):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(int(np.prod(shape)), outputs + 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class Narrow(nn.Linear):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(3, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


def no_network(shape: tuple[int, ...], outputs: int) -> object:
    return {"layers": [shape, outputs]}


def dividing(shape: tuple[int, ...], outputs: int) -> nn.Module:
    raise ZeroDivisionError(f"nothing\nfor {outputs}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Two", ["gives a tuple", "one tensor"]),
        ("Flat", ["gives (2, 4)", "should give (2, 3)"]),
        ("no_network", ["gives a dict", "should give a torch.nn.Module"]),
        ("dividing", ["failed: ZeroDivisionError: nothing for 3 (test_plugins.py, line "]),
        ("Narrow", ["fails on two inputs of shape (1, 4, 4): RuntimeError: ", "(test_plugins.py, line "]),
    ],
)
def test_a_model_that_does_not_give_outputs_is_a_sentence(name: str, words: list[str], tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=with_plugin("models", f"{HERE}:{name}"))):
        message = sentence(train_dense.main, "toy")
        assert not Path("work/toy").exists()
    assert f"experiments.toy: model '{HERE}:{name}'" in message
    for word in words:
        assert word in message


# --- What fails only when it is called


class FailsInTraining(Flat):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(shape, outputs - 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            raise KeyError("no labels")
        return super().forward(x)


def failing_init(module: nn.Module) -> None:
    raise AssertionError("module has no conv")


def no_task() -> dict[str, str]:
    return {"loss": "mse"}


def failing_criterion(trained: Any) -> Any:
    raise AssertionError("all weights are zero")


def failing_arm() -> Any:
    def weights(rewound: Any) -> Any:
        return rewound["not there"]

    return Arm(masks_of="dense", weights=weights)


def half_an_arm() -> Any:
    def weights(rewound: Any) -> Any:
        return {name: array for name, array in rewound.items() if name != "fc2.bias"} | {"fc1.bias": np.zeros(3)}

    return Arm(masks_of="dense", weights=weights)


def arm_that_cannot_be_made() -> Any:
    return {}["sigma"]


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("models", "FailsInTraining", ["fails on two inputs", "KeyError", "no labels"]),
        ("inits", "failing_init", ["failed", "AssertionError", "module has no conv"]),
        ("tasks", "no_task", ["gives a dict", "should give a Task"]),
        ("criteria", "failing_criterion", ["failed", "AssertionError", "all weights are zero"]),
        ("arms", "failing_arm", ["arms.own failed", "KeyError", "not there"]),
        ("arms", "half_an_arm", ["arms.own gives no weights for fc1.bias, fc2.bias"]),
    ],
)
def test_what_fails_when_it_is_called_is_a_sentence(kind: plugins.Kind, name: str, words: list[str], tmp_path: Path) -> None:
    changed = with_plugin(kind, f"{HERE}:{name}")
    with lottery.repository(tmp_path, lottery.params(toy=changed)), pytest.raises(UserError) as error:
        lottery.run("toy")
    message = str(error.value)
    assert "\n" not in message
    assert kind == "arms" or f"{plugins.CALLED[kind]} '{HERE}:{name}'" in message
    for word in words:
        assert word in message


def test_an_arm_that_cannot_be_made_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"arms\.own: .* failed: KeyError: 'sigma' \(test_plugins\.py, line "):
        Bound.of("toy", Experiment.model_validate_json(json.dumps(with_plugin("arms", f"{HERE}:arm_that_cannot_be_made"))))
