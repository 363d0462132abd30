"""Arms that params.yaml makes of plug-ins: a user's own, with options, twice, switched off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.domain import seeds
from pipeline.domain.arms import Arm, Weights, rewound
from pipeline.domain.masks import Mask
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.training.examples import Stream
from pipeline.values import paths
from pipeline.values.optimizer import Adam, Decay
from tests import lottery, toy
from tests.lottery import arrays, history, is_mask_times, mask


def noisy(sigma: float = 1.0, masks: str = "ticket") -> Arm:
    """The rewound weights with noise on them."""

    def weights(rewound: Weights, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        return {name: (w + sigma * rng.standard_normal(w.shape)).astype(w.dtype) for name, w in rewound.items()}

    return Arm(masks_of=masks, weights=weights)


def reordered() -> Arm:
    return Arm(masks_of="ticket", weights=rewound, order="drawn")


def half(mask: Mask, initial: Weights) -> Weights:
    """Of the weights' first half of rows, the initial ones of what the mask keeps; the mask is the arm's own."""
    assert not mask["fc1.weight"][4:].any()
    return initial


def upper(mask: Mask) -> Mask:
    rows = {name: np.arange(len(a)) < len(a) // 2 for name, a in mask.items()}
    return Mask({name: a & rows[name][:, None] for name, a in mask.items()})


def halved() -> Arm:
    return Arm(masks_of="ticket", mask=upper, weights=half)


OPTIMIZER = {"name": "adam", "lr": 1e-2, "warmup": "4it", "decay": {"at": ["10it"], "by": 0.5}}
TOY = lottery.experiment(
    rewind="7it",
    optimizer=OPTIMIZER,
    seeds=[1, 2],
    arms={
        "dense_long": {"rounds": [1, 2]},
        "reordered": {"name": "tests.test_own_arms:reordered", "rounds": [2], "draws": 2},
        "quiet": {"name": "tests.test_own_arms:noisy", "rounds": [1], "sigma": 0.0},
        "loud": {"name": "tests.test_own_arms:noisy", "rounds": [1], "sigma": 5.0},
        "halved": {"name": "tests.test_own_arms:halved", "rounds": [1]},
        "first_try": {"name": "one_shot", "rounds": [2]},
        "by_chance": {"name": "reinit", "rounds": [2], "masks": "first_try"},
    },
)
TOY["pruning"] |= {"rounds": 2}
ALONE = lottery.experiment(seeds=[1], arms={"ticket": {"rounds": 0}, "one_shot": {"rounds": [3]}})
PARAMS = lottery.params(toy=TOY, alone=ALONE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("own_arms"), PARAMS) as root:
        lottery.run("toy")
        yield root


def test_an_arm_by_dotted_path_is_made_with_its_options_as_often_as_it_is_named(done: Path) -> None:
    rewind, chosen = arrays("toy", "r00", "seed1", "rewind"), mask("toy", "r01", 1)
    is_mask_times(arrays("toy", "quiet_r01", "seed1_draw1", "start"), chosen, rewind)
    drawn = np.random.default_rng(seeds.derive(1, "control", "loud_r01", 1))
    noise = {name: 5.0 * drawn.standard_normal(weight.shape) for name, weight in rewind.items()}
    is_mask_times(
        arrays("toy", "loud_r01", "seed1_draw1", "start"),
        chosen,
        {name: (weight + noise[name]).astype(np.float32) for name, weight in rewind.items()},
    )
    about = lottery.about("toy", "loud_r01", "seed1_draw1")
    assert (about["arm"], about["masks"]) == ("loud", "r01")
    assert about["config"]["arm"] == {"name": "tests.test_own_arms:noisy", "sigma": 5.0}


def test_options_may_name_another_arm_of_the_experiment(done: Path) -> None:
    for seed in (1, 2):
        start = arrays("toy", "by_chance_r02", f"seed{seed}_draw1", "start")
        chosen = mask("toy", "first_try_r02", seed)
        assert all(not start[name][~a].any() for name, a in chosen.items())
        assert all(start[name][a].all() for name, a in chosen.items())
    assert mask("toy", "first_try_r02", 1).kept == mask("toy", "r02", 1).kept
    assert mask("toy", "first_try_r02", 1) != mask("toy", "r02", 1)


def test_weights_are_chosen_for_the_arms_own_mask(done: Path) -> None:
    own = lottery.lane_mask("toy", "halved_r01", "seed1")
    assert own == upper(mask("toy", "r01", 1))
    is_mask_times(arrays("toy", "halved_r01", "seed1", "start"), own, arrays("toy", "r00", "seed1", "start"))
    assert history("toy", "halved_r01", "seed1")[0]["iteration"] == "0"  # it asks for nothing of the rewind point
    about = lottery.about("toy", "halved_r01", "seed1")
    assert (about["density"], about["masks"]) == (own.density, None)


# --- The dense network, trained longer


@pytest.mark.parametrize("k", [1, 2])
def test_dense_long_trains_as_long_as_all_rounds_together_with_its_schedule_stretched(done: Path, k: int) -> None:
    for seed in (1, 2):
        item, lane, initial = f"dense_long_r{k:02d}", f"seed{seed}", arrays("toy", "r00", f"seed{seed}", "start")
        start, found = arrays("toy", item, lane, "start"), arrays("toy", item, lane, "trained")
        assert {name: a.tobytes() for name, a in start.items()} == {name: a.tobytes() for name, a in initial.items()}
        assert [int(row["iteration"]) for row in history("toy", item, lane)] == list(range(0, 15 * (1 + k) + 1, 5))
        about = lottery.about("toy", item, lane)
        assert (about["density"], about["masks"], about["final_iteration"]) == (1.0, "r00", 15 * (1 + k))
        times = 1 + k
        stretched = Adam(name="adam", lr=1e-2, warmup=f"{4 * times}it", decay=Decay(at=(f"{10 * times}it",), by=0.5))
        begun = [toy.ticket(toy.full(toy.mlp()), initial)]
        ours = toy.finish(toy.trainer(toy.mlp(), begun, stretched, seeds=[seed], iterations=15 * times, every=5))
        for name, weight in ours.stack.weights(0).items():
            np.testing.assert_allclose(found[name], weight, rtol=1e-5, atol=1e-7)


def test_show_counts_the_longer_training(done: Path) -> None:
    shown = show("toy", config.load().experiment("toy"))
    rows = {line.split()[0].rpartition(":")[2]: line.split() for line in shown.splitlines() if "dvc.yaml:" in line}
    assert rows["control_dense_long@r02"][1:5] == ["100.00%", "dense_long", "2", "90"]
    assert rows["retrain@r02"][4] == str(2 * (15 - 7))
    assert rows["control_reordered@r02"][3:5] == ["4", str(4 * (15 - 7))]


# --- Another order of the data


def test_a_drawn_order_changes_nothing_but_the_order(done: Path) -> None:
    chosen, found = mask("toy", "r02", 1), []
    scheduled = Adam(name="adam", lr=1e-2, warmup="4it", decay=Decay(at=("10it",), by=0.5))
    for draw in (1, 2):
        lane = f"seed1_draw{draw}"
        start = arrays("toy", "reordered_r02", lane, "start")
        ticket = arrays("toy", "r02", "seed1", "start")
        assert {name: a.tobytes() for name, a in start.items()} == {name: a.tobytes() for name, a in ticket.items()}
        first, tickets = history("toy", "reordered_r02", lane)[0], history("toy", "r02", "seed1")[0]
        assert first == tickets  # the same weights on the same held-out examples: the split is the replicate's
        stream = Stream(1, ("reordered_r02", draw))
        ours = toy.finish(toy.trainer(
            toy.mlp(), [toy.ticket(chosen, start, origin=7)], scheduled, streams=[stream], iterations=15, every=5
        ))  # fmt: skip
        trained = arrays("toy", "reordered_r02", lane, "trained")
        for name, weight in ours.stack.weights(0).items():
            np.testing.assert_allclose(trained[name], weight, rtol=1e-5, atol=1e-7)
        found.append(trained)
    assert lottery.differ(found[0], found[1])
    assert lottery.differ(found[0], arrays("toy", "r02", "seed1", "trained"))


# --- Without the iterative ticket


def test_an_experiment_of_one_shot_only(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, PARAMS):
        assert [item.name for item in lottery.plan("alone").items()] == ["r00", "one_shot_r03"]
        lottery.run("alone")
        assert {folder.name for folder in Path("work/alone").iterdir()} == {"r00", "one_shot_r03"}
        assert mask("alone", "one_shot_r03", 1).kept["fc1.weight"] == round(128 * 0.6**3)
        stages = lottery.stages("alone")
        assert {*stages} == {"train_dense", "prune_one_shot", "retrain_one_shot", "aggregate", "examine", "plot"}
        lanes = [path for path in stages["aggregate"]["deps"] if path.endswith("/lanes")]
        assert lanes == ["work/alone/r00/lanes", "work/alone/one_shot_r03/lanes"]
        shown = show("alone", config.load().experiment("alone"))
        assert "2 items, 2 lanes, 30 lane-iterations" in shown


def test_the_dense_network_alone_is_an_experiment_too(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment(arms={"ticket": {"rounds": 0}}))):
        lottery.run("toy")
        assert {*lottery.stages("toy")} == {"train_dense", "aggregate", "examine", "plot"}
        assert paths.lanes("toy", "r00").is_dir()
