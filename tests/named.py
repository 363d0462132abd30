"""Experiments that name a plug-in of the tests' own, and the sentence that a command ends with."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.values import plugins
from pipeline.values.errors import UserError
from stages import run_stage, train_dense
from tests import lottery


def with_plugin(kind: plugins.Kind, name: str, **options: Any) -> dict[str, Any]:
    """An experiment that names a plug-in of this kind."""
    chosen: dict[str, Any] = {"name": name, **options}
    match kind:
        case "criteria":
            found = lottery.experiment(arms={})
            found["pruning"] |= {"criterion": chosen}
            return found
        case "structures":
            found = lottery.experiment(arms={})
            found["pruning"] |= {"structure": chosen}
            return found
        case "arms":
            return lottery.experiment(arms={"own": {**chosen, "rounds": 1}})
        case "data":
            return lottery.experiment(arms={}, data={**chosen, "validation": 30})
    return lottery.experiment(arms={}, **{{"models": "model", "inits": "init", "tasks": "task"}[kind]: chosen})


def sentence(main: Any, *arguments: str) -> str:
    """What the command line ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stage", *arguments])
        with pytest.raises(SystemExit) as ended:
            run_stage(main) if arguments else main()
    message = ended.value.code
    assert isinstance(message, str)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


def refusal(kind: plugins.Kind, name: str, folder: Path) -> str:
    """The sentence by which an experiment with this plug-in is refused, by `--show` and before anything is trained alike."""
    with lottery.repository(folder, lottery.params(toy=with_plugin(kind, name))):
        message = sentence(train_dense.main, "toy")
        assert not Path("work/toy").exists()
        with pytest.raises(UserError) as shown:
            show("toy", config.load().experiment("toy"))
    assert message == f"error: {shown.value}"
    assert "experiments.toy: " in message
    return message
