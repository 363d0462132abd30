"""What a stage is asked for must be one of its items, and the masks it reads must fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.domain.masks import Mask
from pipeline.files import store
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import control, prune, retrain
from tests import lottery

GOOD = lottery.params(toy=lottery.experiment(), other=lottery.experiment())


def test_a_mask_that_does_not_fit_the_weights_is_one_sentence(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, GOOD):
        lottery.run("toy", "r00")
        before = lottery.files(tmp_path / "work")
        for seed in (1, 2):
            path = paths.masks("toy", "r01") / f"seed{seed}.safetensors"
            store.write_mask(path, Mask({"fc1.weight": np.ones((8, 17), np.bool_)}))
        with pytest.raises(
            UserError, match=r"seed1.safetensors is damaged \(fc1.weight has the shape \(8, 17\) instead of \(8, 16\)\)"
        ):
            retrain.main("toy/r01")
        assert {name: content for name, content in lottery.files(tmp_path / "work").items() if "r01" not in name} == before


@pytest.mark.parametrize("given", ["toy", "toy/r1", "toy/_r03", "Toy/r01", "toy/reinit_r3"])
def test_what_names_no_item_is_said(given: str, tmp_path: Path) -> None:
    with lottery.repository(tmp_path, GOOD):
        with pytest.raises(UserError, match=f"'{given}' does not name a round; should be like lenet/r07 or lenet/reinit_r07"):
            retrain.main(given)
        with pytest.raises(UserError, match=r"no experiment 'toys' in .*; it should be one of other, toy"):
            retrain.main("toys/r01")


@pytest.mark.parametrize(
    ("stage", "item", "has"),
    [
        (control, "toy/random_r03", "control 'random_r03'; it has .*reinit_r03$"),
        (control, "toy/reinit_r02", "control 'reinit_r02'"),
        (control, "toy/r01", "control 'r01'"),
        (prune, "toy/reinit_r03", "pruned item 'reinit_r03'; it has r01, r02, r03, one_shot_r02, one_shot_r03$"),
        (retrain, "toy/r04", "pruned item 'r04'"),
        (retrain, "toy/r00", "pruned item 'r00'"),
    ],
)
def test_an_item_that_the_experiment_has_not_or_another_stage_makes_is_said(
    stage: Any, item: str, has: str, tmp_path: Path
) -> None:
    with lottery.repository(tmp_path, GOOD):
        with pytest.raises(UserError, match=f"toy has no {has}"):
            stage.main(item)
        assert not (tmp_path / "work/toy").exists()
