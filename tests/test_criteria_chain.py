"""Criteria in the chain of an experiment, and what they cannot work with."""

from typing import Any

import numpy as np
import pytest

from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Pruning
from tests import lottery

ALL = ("random", "movement", "magnitude_increase", "snip", "grasp", "synflow", "taylor", "fisher")
ARMS: dict[str, Any] = {name: {"name": "one_shot", "criterion": name, "rounds": [2], "steps": 3} for name in ALL}
ARMS["own"] = {"name": "ticket", "criterion": "snip", "rounds": 2, "scope": "erk"}


@pytest.mark.slow
def test_every_criterion_makes_masks_of_its_own_in_a_chain(tmp_path: Any) -> None:
    """Of a network with batch norm that is rewound to a late iteration, with steps, and iteratively in a scope of its own."""
    content = lottery.experiment(model={"name": "tests.toy:normed", "width": 2}, rewind="7it", seeds=[1], arms=ARMS)
    pruning = {"criterion": "magnitude", "scope": "layer", "rates": {"conv": 0.3, "output": 0.3}, "rounds": 2}
    assert Pruning.model_validate(pruning | {"criterion": {"name": "magnitude"}})
    with lottery.repository(tmp_path, lottery.params(toy=content | {"pruning": pruning})):
        lottery.run("toy")
        masks = {name: lottery.mask("toy", f"{name}_r02", 1) for name in ARMS}
        again = {name: lottery.mask("toy", f"{name}_r02", 1) for name in ARMS if not lottery.run("toy", f"{name}_r02")}
        stages = lottery.stages("toy")
    assert masks == again
    assert len({tuple(np.concatenate([a.ravel() for a in mask.values()])) for mask in masks.values()}) == len(masks)
    assert all(masks[name].kept == masks["random"].kept for name in ALL)
    assert masks["own"].kept != masks["random"].kept
    assert "work/data/digits.safetensors" in stages["prune_fisher"]["deps"]
    assert "work/data/digits.safetensors" not in stages["prune_movement"]["deps"]
    assert "pipeline/criteria/_gradients.py" in stages["prune_fisher"]["deps"]
    assert "pipeline/criteria/_gradients.py" not in stages["prune_movement"]["deps"]
    assert {"experiments.toy.arms.snip.criterion", "experiments.toy.arms.snip.steps"} <= {*stages["prune_snip"]["params"]}
    assert "experiments.toy.pruning.scope" in stages["prune_snip"]["params"]
    assert "experiments.toy.pruning.scope" not in stages["prune_own"]["params"]


def test_a_criterion_that_cannot_work_is_told_before_anything_is_trained(tmp_path: Any) -> None:
    broken = {"mine": {"name": "one_shot", "criterion": {"name": "snip", "count": 0}, "rounds": [1]}}
    with (
        lottery.repository(tmp_path, lottery.params(toy=lottery.experiment(arms=broken))),
        pytest.raises(UserError, match="criterion 'snip' failed: ValueError: count is 0, but should be a whole number") as error,
    ):
        lottery.run("toy", "r00")
    assert "\n" not in str(error.value)


def test_without_data_a_criterion_that_needs_them_is_one_sentence(tmp_path: Any) -> None:
    content = lottery.experiment(arms={"mine": {"name": "one_shot", "criterion": "fisher", "rounds": [1]}}, seeds=[1])
    with lottery.repository(tmp_path, lottery.params(toy=content)):
        lottery.run("toy", "r00")
        paths.data("digits").unlink()
        with pytest.raises(UserError, match=r"digits\.safetensors") as error:
            lottery.run("toy", "mine_r01")
        assert not paths.masks("toy", "mine_r01").exists()
    assert "\n" not in str(error.value)
