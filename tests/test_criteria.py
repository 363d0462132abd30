"""What a criterion is offered, what it may not give, and its options."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.domain import pruning, seeds
from pipeline.domain.masks import Mask
from pipeline.run import setup
from pipeline.training.examples import Examples, Order, Stream, split
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Augment
from stages import prune
from tests import lottery, toy

Arrays = Mapping[str, np.ndarray]
seen: list[dict[str, Any]] = []  # what the criterion below was given, call by call


def recording(
    trained: Arrays, initial: Arrays, rewound: Arrays, mask: Mask, rng: np.random.Generator,
    module: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], gradient: Any, power: float = 1.0,
) -> dict[str, np.ndarray]:  # fmt: skip
    seen.append({**locals(), "drawn": rng.random(3).tolist(), "of_one": gradient(trained), "of_two": gradient(initial, 2)})
    return {name: np.abs(weight) ** power for name, weight in trained.items()}


def drift(trained: Arrays, initial: Arrays) -> dict[str, np.ndarray]:
    return {name: np.abs(weight - initial[name]) for name, weight in trained.items()}


def lottery_of_chance(mask: Mask, rng: np.random.Generator, scale: float = 1.0) -> dict[str, np.ndarray]:
    return {name: rng.uniform(0, scale, array.shape) for name, array in mask.items()}


CRITERION = {"name": "tests.test_criteria:recording", "power": 2.0}
RECORDED = lottery.experiment(
    model={"name": "tests.toy:normed", "width": 2},
    data={"name": "digits", "validation": 30, "augment": {"crop": 1, "flip": True}},
    rewind="7it",
    arms={"one_shot": {"rounds": [2]}, "chance": {"name": "one_shot", "rounds": [1], "criterion": "tests.test_criteria:drift"}},
)
RECORDED["pruning"] = {"criterion": CRITERION, "scope": "layer", "rates": {"conv": 0.3, "output": 0.2}, "rounds": 3}
PRUNED = {"r01": "r00", "r02": "r01", "r03": "r02", "one_shot_r02": "r00"}  # and what each was pruned from


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, int], dict[str, Any]]]:
    """What the criterion was given for each item and seed, in the repository where it was."""
    with lottery.repository(tmp_path_factory.mktemp("criteria"), lottery.params(toy=RECORDED)):
        lottery.run("toy", "r00")
        found = {}
        for item in lottery.plan("toy").items()[1:]:
            seen.clear()
            lottery.stage(item)
            found |= {(item.name, seed): given for seed, given in zip((1, 2), seen, strict=False)}
        yield found


def same(found: Arrays, expected: Arrays) -> bool:
    """Bit for bit, of the names that a mask has; except that -0.0, which training leaves of pruned weights, is 0."""
    names = {"0.weight", "4.weight"}
    assert {*found} == names
    return all((found[name] + 0.0).tobytes() == (expected[name] + 0.0).tobytes() for name in names)


def test_it_is_asked_for_each_item_that_is_pruned_once_a_replicate(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    assert {*calls} == {(item, seed) for item in PRUNED for seed in (1, 2)}


def test_the_data_are_read_once_a_stage_for_all_replicates(
    calls: dict[tuple[str, int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, begin = [], setup.begin
    monkeypatch.setattr(setup, "begin", lambda bound: begun.append(bound) or begin(bound))
    prune.main("toy/r01")
    assert len(begun) == 1


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("item", PRUNED)
def test_weights_are_those_of_iteration_0_the_rewind_point_and_the_end(
    calls: dict[tuple[str, int], dict[str, Any]], item: str, seed: int
) -> None:
    given, lane = calls[item, seed], f"seed{seed}"
    initial, rewound = (lottery.arrays("toy", "r00", lane, which) for which in ("start", "rewind"))
    assert same(given["initial"], initial)
    assert same(given["rewound"], rewound)
    assert same(given["trained"], lottery.arrays("toy", PRUNED[item], lane, "trained"))
    assert given["mask"] == lottery.mask("toy", PRUNED[item], seed)
    assert not same(given["rewound"], initial)


def test_its_random_numbers_are_the_replicates_and_the_items_own(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    drawn = {key: given["drawn"] for key, given in calls.items()}
    assert len({*map(tuple, drawn.values())}) == len(drawn)
    for (item, seed), numbers in drawn.items():
        assert numbers == np.random.default_rng(seeds.derive(seed, "criterion", item)).random(3).tolist()


def test_the_module_has_the_trained_weights_and_running_statistics(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    for (item, seed), given in calls.items():
        trained, module = lottery.arrays("toy", PRUNED[item], f"seed{seed}", "trained"), given["module"]
        assert {name: (t.numpy() + 0).tobytes() for name, t in module.state_dict().items()} == {
            n: (a + 0).tobytes() for n, a in trained.items()
        }
        assert module.training


def first_batches(seed: int, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Of the replicate's own training: its split, order and augmentation."""
    data, augment = toy.bundle(), Augment(crop=1, flip=True)
    order = Order([Stream(seed)], [split(seed, len(data.train_inputs), 30)[0]], 20, toy.CPU, augment)
    found = [Examples(data, toy.CPU, augment).batch(*order.batch(i)) for i in range(count)]
    return [(x[0], y[0]) for x, y in found]


def test_the_batch_is_the_first_that_the_replicate_was_trained_on(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    for (_, seed), given in calls.items():
        for found, expected in zip(given["batch"], first_batches(seed, 1)[0], strict=True):
            assert torch.equal(found, expected)
    assert not torch.equal(calls["r01", 1]["batch"][0], calls["r01", 2]["batch"][0])


def test_the_gradient_is_that_of_the_mean_loss_over_so_many_batches(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    """By every parameter that is trained; what it is not given has its trained value."""
    network = toy.own()
    for (item, seed), given in calls.items():
        trained = lottery.arrays("toy", PRUNED[item], f"seed{seed}", "trained")
        for found, weights, count in ((given["of_one"], trained, 1), (given["of_two"], trained | {**given["initial"]}, 2)):
            module = toy.load(network.make(), weights).train()
            losses = [nn.functional.cross_entropy(module(x), y) for x, y in first_batches(seed, count)]
            torch.stack(losses).mean().backward()
            expected = {name: parameter.grad for name, parameter in module.named_parameters()}
            assert found.keys() == expected.keys()
            for name, gradient in expected.items():
                assert gradient is not None
                np.testing.assert_allclose(found[name], gradient, rtol=1e-4, atol=1e-6)


def test_the_highest_scores_survive(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    """Also by the criterion that an arm has of its own, here how far a weight has moved."""
    assert all(given["power"] == 2.0 for given in calls.values())
    start, trained = (lottery.arrays("toy", "r00", "seed1", which) for which in ("start", "trained"))
    moved, large = drift(trained, start), {name: np.abs(weight) for name, weight in trained.items()}
    groups = pruning.groups(toy.own().layers, {"conv": 0.3, "output": 0.2}, "layer")
    for item, scores in (("chance_r01", moved), ("r01", large)):
        assert lottery.mask("toy", item, 1) == pruning.prune(scores, toy.full(toy.own()), groups, 1)
    assert lottery.mask("toy", "chance_r01", 1) != lottery.mask("toy", "r01", 1)


def test_what_a_criterion_asks_for_is_what_dvc_watches(calls: dict[tuple[str, int], dict[str, Any]]) -> None:
    def work(stage: str) -> set[str]:
        return {path for path in lottery.stages("toy")[stage]["deps"] if path.startswith("work/")}

    always = {"work/toy/r00/layers.json", "work/toy/${item.from}/masks", "work/toy/${item.from}/lanes"}
    assert work("prune") == always | {"work/toy/r00/lanes", "work/data/digits.safetensors"}
    assert work("prune_chance") == always | {"work/toy/r00/lanes"}  # the data is not asked for
    assert "pipeline/scoring" in lottery.stages("toy")["prune"]["deps"]  # all of the room: also what makes the network
    assert "pipeline/scoring/scores.py" in lottery.stages("toy")["prune_chance"]["deps"]
    for section in ("data", "model", "training", "rewind"):
        assert f"experiments.toy.{section}" in lottery.stages("toy")["prune"]["params"]
        assert f"experiments.toy.{section}" not in lottery.stages("toy")["prune_chance"]["params"]
    assert "experiments.toy.pruning.criterion" in lottery.stages("toy")["prune"]["params"]
    assert "experiments.toy.pruning.criterion" not in lottery.stages("toy")["prune_chance"]["params"]


# --- What is refused


def broken(trained: Arrays) -> dict[str, np.ndarray]:
    raise KeyError("fc9")


def listed(trained: Arrays) -> list[np.ndarray]:
    return list(trained.values())


def partial(trained: Arrays) -> dict[str, np.ndarray]:
    return {"fc1.weight": trained["fc1.weight"]}


def missing(trained: Arrays) -> dict[str, np.ndarray]:
    return {name: np.full(weight.shape, np.nan) for name, weight in trained.items()}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", ["criterion 'tests.test_criteria:broken' failed", "KeyError", "fc9"]),
        ("listed", ["criterion 'tests.test_criteria:listed'", "list", "should give a mapping"]),
        ("partial", ["criterion 'tests.test_criteria:partial'", "fc2.weight should have one score for each weight"]),
        ("missing", ["fc1.weight", "not a number"]),
    ],
)
def test_a_criterion_that_fails_is_one_sentence_and_leaves_no_masks(name: str, words: list[str], tmp_path: Path) -> None:
    """Here it is given to an experiment whose dense network is trained."""
    good, changed = lottery.experiment(arms={}, seeds=[1]), lottery.experiment(arms={}, seeds=[1])
    changed["pruning"] |= {"criterion": f"tests.test_criteria:{name}"}
    with lottery.repository(tmp_path, lottery.params(toy=good)):
        lottery.run("toy", "r00")
        lottery.write_params(paths.PARAMS, lottery.params(toy=changed))
        lottery.write_chains()
        with pytest.raises(UserError) as error:
            prune.main("toy/r01")
        assert not paths.masks("toy", "r01").exists()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_random_criterion_prunes_the_same_each_time_and_each_replicate_differently(tmp_path: Path) -> None:
    changed = lottery.experiment(arms={})
    changed["pruning"] |= {"criterion": {"name": "tests.test_criteria:lottery_of_chance", "scale": 3.0}}
    with lottery.repository(tmp_path, lottery.params(toy=changed)):
        lottery.run("toy", "r00")
        prune.main("toy/r01")
        first = [lottery.mask("toy", "r01", seed) for seed in (1, 2)]
        prune.main("toy/r01")
        assert [lottery.mask("toy", "r01", seed) for seed in (1, 2)] == first
    assert first[0] != first[1]
    assert first[0].kept == first[1].kept == {"fc1.weight": 77, "fc2.weight": 29, "output.weight": 14}
