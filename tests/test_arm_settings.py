"""Which arms go together, in which order, and the sentence for those that do not."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.domain.arms import Arm, Weights, fresh, rewound, trained
from pipeline.domain.lottery import Lottery
from pipeline.domain.masks import Mask
from pipeline.run.bound import Bound
from pipeline.settings import check
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from tests import lottery
from tests.named import with_plugin

HERE = "tests.test_arm_settings"
OPTIMIZER = {"name": "adam", "lr": 1e-2, "warmup": "4it", "decay": {"at": ["10it"], "by": 0.5}}


def upper(mask: Mask) -> Mask:
    rows = {name: np.arange(len(a)) < len(a) // 2 for name, a in mask.items()}
    return Mask({name: a & rows[name][:, None] for name, a in mask.items()})


def noisy(sigma: float = 1.0, masks: str = "ticket") -> Arm:
    """The rewound weights with noise on them."""

    def weights(rewound: Weights, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        return {name: (w + sigma * rng.standard_normal(w.shape)).astype(w.dtype) for name, w in rewound.items()}

    return Arm(masks_of=masks, weights=weights)


def no_arm() -> str:
    return "ticket"


def failing() -> Arm:
    raise ValueError("sigma is missing")


def wants(weight: str) -> Arm:
    def weights(tomorrow: Weights) -> Weights:
        return tomorrow

    return Arm(masks_of="ticket", weights=weights) if weight == "tomorrow" else Arm(prunes="own", weights=trained)


def both() -> Arm:
    return Arm(masks_of="ticket", prunes="own", weights=rewound)


def neither() -> Arm:
    return Arm(weights=fresh)


def masked_and_pruned() -> Arm:
    return Arm(prunes="own", mask=upper, weights=rewound)


def criterion_of_a_control() -> Arm:
    return Arm(masks_of="ticket", criterion="magnitude", weights=rewound)


def dense_trained() -> Arm:
    return Arm(masks_of="dense", weights=trained)


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        # of one arm
        ({"both": {"name": f"{HERE}:both", "rounds": 1}}, ["arms.both", "has both of `prunes` and `masks_of`"]),
        ({"neither": {"name": f"{HERE}:neither", "rounds": 1}}, ["arms.neither", "has neither of `prunes` and `masks_of`"]),
        ({"x": {"name": f"{HERE}:masked_and_pruned", "rounds": 1}}, ["arms.x", "masks_of", "mask"]),
        ({"x": {"name": f"{HERE}:criterion_of_a_control", "rounds": 1}}, ["arms.x", "prunes", "criterion"]),
        (
            {"x": {"name": f"{HERE}:wants", "rounds": 1, "weight": "tomorrow"}},
            ["arms.x", "tomorrow", "initial, rewound, trained"],
        ),
        ({"x": {"name": f"{HERE}:wants", "rounds": 1}}, ["arms.x", "weight"]),
        ({"x": {"name": f"{HERE}:no_arm", "rounds": 1}}, ["arms.x", "str", "should give an Arm"]),
        ({"x": {"name": f"{HERE}:failing", "rounds": 1}}, ["arms.x", "sigma is missing"]),
        ({"x": {"name": f"{HERE}:nothing", "rounds": 1}}, ["arms.x", "cannot be loaded", "nothing"]),
        ({"loud": {"name": f"{HERE}:noisy", "rounds": 1, "sigmas": 2}}, ["arms.loud", "sigmas", "options are sigma, masks"]),
        ({"one_shot": {"rounds": 1, "criterion": "size"}}, ["arms.one_shot", "'size'", "initial_magnitude, magnitude"]),
        (
            {"one_shot": {"rounds": 1, "criterion": {"name": "magnitude", "power": 2}}},
            ["'magnitude'", "power", "options are none"],
        ),
        ({"one_shot": {"rounds": 1, "draws": 2}}, ["arms.one_shot.draws is 2", "nothing in this arm is drawn"]),
        ({"x": {"name": f"{HERE}:dense_trained", "rounds": 1}}, ["arms.x", "trained weights", "never pruned"]),
        # of several
        ({"lr_rewind": {"rounds": [2, 3]}}, ["arms.lr_rewind.rounds is [2, 3]", "from the one before", "such as 3"]),
        ({"ticket": {"rounds": [2]}}, ["arms.ticket.rounds is [2]", "from the one before"]),
        ({"ticket": {"rounds": 1}, "reinit": {"rounds": [1, 3]}}, ["arms.reinit.rounds has [3]", "arms.ticket.rounds"]),
        ({"ticket": {"rounds": 0}, "reinit": {"rounds": [1]}}, ["arms.reinit", "'ticket'", "does not have", "switched off"]),
        ({"continued": {"rounds": [1]}}, ["arms.continued", "'lr_rewind'", "does not have"]),
        (
            {"lr_rewind": {"rounds": 1}, "continued": {"rounds": [1, 2]}},
            ["arms.continued.rounds has [2]", "arms.lr_rewind.rounds"],
        ),
        (
            {"random_mask": {"rounds": [1]}, "reinit": {"rounds": [1], "masks": "random_mask"}},
            ["arms.reinit", "masks of random_mask", "made anew"],
        ),
        (
            {"reinit": {"rounds": [1], "masks": "other"}, "other": {"name": "reinit", "rounds": [1], "masks": "reinit"}},
            ["takes its own masks", "reinit, other"],
        ),
        ({"fine_tune": {"rounds": 1}}, ["arms.fine_tune", "last learning rate", "optimizer.decay"]),
    ],
)
def test_what_does_not_go_together_is_one_sentence(arms: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        plan(arms)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("sigma", [-1, True, "loud", None, float("inf")])
def test_noise_needs_a_number_that_is_not_negative(sigma: Any) -> None:
    with pytest.raises(UserError, match=rf"arms\.loud: .*sigma is {sigma!r}, but should be a number from 0 on") as error:
        plan({"loud": {"name": "noise", "rounds": 1, "sigma": sigma}})
    assert "\n" not in str(error.value)


def plan(arms: dict[str, Any], **changes: Any) -> Lottery:
    return Bound.of("toy", Experiment.model_validate_json(json.dumps(lottery.experiment(arms=arms, **changes)))).lottery


def test_fine_tuning_is_something_else_than_rewinding_the_rate_where_the_rate_changes() -> None:
    for optimizer in (OPTIMIZER, OPTIMIZER | {"decay": None}, OPTIMIZER | {"warmup": "0it"}):
        assert plan({"fine_tune": {"rounds": 1}}, optimizer=optimizer).arms["fine_tune"].training == "last_rate"


def test_an_arm_comes_after_the_one_whose_masks_it_takes_wherever_it_stands() -> None:
    found = plan({"continued": {"rounds": 1}, "reinit": {"rounds": 1, "masks": "continued"}, "lr_rewind": {"rounds": 1}})
    names = [*found.arms]
    assert names.index("lr_rewind") < names.index("continued") < names.index("reinit")
    (item,) = [item for item in found.items() if item.arm == "reinit"]
    assert found.masks_of(item).name == "lr_rewind_r01"  # continued has none of its own


def test_lanes_are_the_replicates_times_the_draws() -> None:
    found = plan({"reinit": {"rounds": 1, "draws": 3}, "random_mask": {"rounds": 1}, "one_shot": {"rounds": 1}}, seeds=[4, 7])
    lanes = {item.name: [lane.name for lane in found.lanes(item)] for item in found.items()}
    assert lanes["reinit_r01"] == [f"seed{seed}_draw{draw}" for seed in (4, 7) for draw in (1, 2, 3)]
    assert lanes["random_mask_r01"] == ["seed4_draw1", "seed7_draw1"]
    assert lanes["one_shot_r01"] == lanes["r00"] == ["seed4", "seed7"]


# --- Parts that no arm can have


def arm_of_many_masks() -> Arm:
    return Arm(masks_of=["ticket"], weights=rewound)  # type: ignore[arg-type]


def arm_of_a_number() -> Arm:
    return Arm(prunes="own", weights=rewound, criterion=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "fact"), [("arm_of_many_masks", "masks of ['ticket']"), ("arm_of_a_number", "criterion 5")])
def test_parts_of_an_arm_that_params_yaml_may_give_are_checked(name: str, fact: str) -> None:
    with pytest.raises(UserError, match=r"experiments.toy: arms\.own ") as error:
        check.settings("toy", Experiment.model_validate_json(json.dumps(with_plugin("arms", f"{HERE}:{name}"))))
    assert fact in str(error.value)


WRONG: dict[str, dict[str, Any]] = {
    "its `training` is 'forever', but should be one of scheduled, last_rate, all_rounds": {
        "masks_of": "dense",
        "training": "forever",
    },
    "its `order` is 'mine', but should be one of replicate, drawn": {"masks_of": "dense", "order": "mine"},
    "its `prunes` is 'all', but should be one of own, dense": {"prunes": "all"},
    "it has both of `prunes` and `masks_of`": {"prunes": "own", "masks_of": "dense"},
    "it has neither of `prunes` and `masks_of`": {},
    "its `weights` is None, but should be a function": {"masks_of": "dense", "weights": None},
    "its `mask` is an int, but should be a function": {"masks_of": "dense", "mask": 3},
}


def wrong_arm(which: str) -> Arm:
    return Arm(**{"weights": rewound, **WRONG[which]})


@pytest.mark.parametrize("which", WRONG)
def test_an_arm_whose_parts_do_not_go_together_is_a_sentence(which: str) -> None:
    settings = with_plugin("arms", f"{HERE}:wrong_arm", which=which)
    with pytest.raises(UserError, match=r"^arms\.own: ") as error:
        Bound.of("toy", Experiment.model_validate_json(json.dumps(settings)))
    assert which in str(error.value)
