"""Structures in the settings of an experiment: what does not fit is refused, and arms of several structures are trained."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.domain.pruning import Layer
from pipeline.settings import check, config
from pipeline.values.errors import UserError
from tests import lottery

# --- Refused before training, in one sentence


@pytest.mark.parametrize(
    ("pruning_of", "expected"),
    [
        (
            {"structure": {"name": "n_by_m", "m": 3}},
            "m is 3 and should divide the number of inputs of every pruned layer",
        ),
        ({"structure": {"name": "n_by_m", "m": 1}}, "m is 1, but should be a whole number of at least 2"),
        ({"structure": "filter"}, "should name a kind whose filters can be removed; the network has none"),
        ({"structure": "head"}, "should name a kind whose heads can be removed; the network has none"),
        ({"structure": "unit", "rates": {"output": 0.2}}, "those of the network are in layers of the kinds fc"),
        ({"structure": "unit", "scope": "global", "rates": {"fc": 0.2}}, "pruning.scope is global, but the structure unit"),
        ({"structure": "unit", "rates": {"fc": 0.8}}, "after round 2 no unit of fc1.weight would be left (8 units, rate 0.8)"),
        ({"structure": "rows"}, "should be one of filter, head, n_by_m, unit, weight, or a dotted path"),
        ({"structure": {"name": "unit", "m": 4}}, "unexpected keyword argument 'm'"),
        ({"structure": "tests.test_structure_settings:nothing"}, "gives None, but should give a Plan"),
        ({"structure": "unit", "rates": {"fc": 0.5, "conv": 0.3}}, "pruning.rates names conv, but the weights of the network"),
    ],
)
def test_a_structure_that_does_not_fit_is_refused(pruning_of: dict[str, Any], expected: str, tmp_path: Any) -> None:
    found = lottery.experiment(arms={})
    found["pruning"] |= pruning_of
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment(arms={}))):
        lottery.write_params(lottery.paths.PARAMS, lottery.params(toy=found))
        with pytest.raises(UserError) as error:
            check.without_data(lottery.bound("toy"))
    assert expected in str(error.value)


def nothing(layers: Mapping[str, Layer]) -> None:
    """A structure of a user's that forgets to return."""


# --- In an experiment


ARMS = {
    "units": {"name": "ticket", "structure": "unit", "rounds": 2},
    "units_reinit": {"name": "reinit", "masks": "units", "rounds": [2], "draws": 1},
    "blocks": {"name": "one_shot", "structure": {"name": "n_by_m", "m": 2}, "rounds": [1]},
}


def test_arms_of_several_structures_are_trained_in_one_experiment(tmp_path: Any) -> None:
    settings = lottery.experiment(arms=ARMS, seeds=[1])
    with lottery.repository(tmp_path, lottery.params(toy=settings)):
        stages = lottery.stages("toy")
        assert "pipeline/structures/unit.py" in stages["prune_units"]["deps"]
        assert "pipeline/structures/_graph.py" in stages["prune_units"]["deps"]
        assert "work/data/digits.safetensors" in stages["prune_units"]["deps"]
        assert "work/data/digits.safetensors" not in stages["prune_blocks"]["deps"]
        assert not any("structures" in dep for dep in stages["retrain_units"]["deps"])
        lottery.run("toy")
        units, again = (lottery.mask("toy", f"units_r0{k}", 1) for k in (1, 2))
        assert again.issubset(units)
        assert units["fc1.weight"].any(axis=1).sum() == round(8 * 0.6)
        assert lottery.mask("toy", "blocks_r01", 1)["fc1.weight"].reshape(-1, 2).sum(axis=1).tolist() == [1] * 64
        plans = lottery.begin("toy").plans
        about = lottery.about("toy", "units_reinit_r02", "seed1_draw1")
        assert about["density"] == pytest.approx(plans["units"].density(2), abs=1e-12)
        assert lottery.about("toy", "units_r01", "seed1")["config"]["arm"]["structure"] == "unit"


def test_the_experiment_says_what_its_tickets_remove(tmp_path: Any) -> None:
    settings = lottery.experiment(arms={}, seeds=[1])
    settings["pruning"] |= {"structure": "unit", "rounds": 1}
    with lottery.repository(tmp_path, lottery.params(toy=settings)):
        stages = lottery.stages("toy")
        assert "experiments.toy.pruning.structure" in stages["prune"]["params"]
        assert "experiments.toy.pruning.structure" in stages["retrain"]["params"]
        lottery.run("toy")
        assert lottery.mask("toy", "r01", 1).density == pytest.approx(lottery.begin("toy").plans["ticket"].density(1), abs=1e-12)
        assert config.load().experiment("toy").pruning.structure.name == "unit"
