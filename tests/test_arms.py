"""Every arm through the real stages: what it takes from where, what it leaves alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.domain import seeds
from pipeline.domain.arms import Arm, trained
from pipeline.domain.masks import Mask
from pipeline.files import store
from pipeline.settings import config, places
from pipeline.tracking import record
from pipeline.values import paths, plugins
from pipeline.values.lanes import Item
from pipeline.values.optimizer import Decay, Sgd
from tests import lottery, toy
from tests.lottery import arrays, differ, is_mask_times, mask
from tests.test_anatomy_arms import ARMS as ANATOMY

CHAINS = ("lr_rewind", "fine_tune")
MASKS = ("random_mask", "shuffled_mask")  # arms that draw their own
FRESH = ("reinit", "one_shot_reinit")
ARMS = {
    "one_shot": {"rounds": [2, 3]},
    "lr_rewind": {"rounds": "all"},
    "fine_tune": {"rounds": 2},
    "continued": {"rounds": [2, 3]},
    "reinit": {"rounds": [3], "draws": 1},
    "one_shot_reinit": {"rounds": [3], "draws": 1},
    "random_mask": {"rounds": [1, 3], "draws": 2},
    "shuffled_mask": {"rounds": [3], "draws": 2},
    "dense_long": {"rounds": [1, 3]},
    "going_on": {"name": "tests.test_arms:going_on", "rounds": [2], "masks": "lr_rewind"},
}
OPTIMIZER = {"lr": 0.05, "momentum": 0.9, "warmup": "9it", "decay": {"at": ["2ep", "13it"], "by": 0.5}}
EVERY = lottery.experiment(rewind="7it", optimizer={"name": "sgd", **OPTIMIZER}, arms=ARMS)
EVERY["pruning"] |= {"rates": {"fc": 0.4}}  # the output layer is never pruned
NORMED = lottery.experiment(
    model={"name": "tests.toy:normed", "width": 2},
    rewind="1ep",
    seeds=[3],
    arms={"lr_rewind": {"rounds": 1}, "random_mask": {"rounds": [1], "draws": 1}},
)
NORMED["pruning"] |= {"rates": {"conv": 0.4}, "rounds": 1}
PARAMS = lottery.params(toy=EVERY, normed=NORMED)


def going_on(masks: str) -> Arm:
    """A user's own: another arm's masks, and the weights that those were pruned from."""
    return Arm(masks_of=masks, weights=trained)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("arms"), PARAMS) as root:
        lottery.run("toy", "r00")
        dense = lottery.files(root / "work/toy/r00")
        lottery.run("toy", *(item.name for item in lottery.plan("toy").items()[1:]))
        # What all of them begin from is as it was.
        assert lottery.files(root / "work/toy/r00") == dense
        yield root


def folders(item: str) -> list[str]:
    return sorted(path.name for path in paths.lanes("toy", item).iterdir())


def own_mask(item: str, lane: str) -> Mask:
    return store.read_mask(paths.lanes("toy", item) / lane / "mask.safetensors")


def test_every_arm_is_here() -> None:
    """Or in test_anatomy_arms."""
    elsewhere = {"noise", "other_order", "transferred", *ANATOMY}
    assert {"ticket", *ARMS, *elsewhere} == {*plugins.names("arms"), "going_on"}


# --- Arms with a chain of their own


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("arm", CHAINS)
def test_a_chain_goes_on_from_the_trained_weights_of_what_it_was_pruned_from(done: Path, arm: str, seed: int) -> None:
    before = mask("toy", "r00", seed)
    for k in (1, 2):
        item, previous = f"{arm}_r{k:02d}", "r00" if k == 1 else f"{arm}_r{k - 1:02d}"
        chosen, trained = mask("toy", item, seed), arrays("toy", previous, f"seed{seed}", "trained")
        is_mask_times(arrays("toy", item, f"seed{seed}", "start"), chosen, trained)
        assert chosen.issubset(before)
        assert chosen.kept == {
            "fc1.weight": round(128 * 0.6**k), "fc2.weight": round(48 * 0.6**k), "output.weight": 18
        }  # fmt: skip
        for name in ("fc1.weight", "fc2.weight"):
            sizes = np.where(before[name], np.abs(trained[name]), -1.0)
            assert sizes[chosen[name]].min() >= sizes[~chosen[name]].max()
        before = chosen


def test_chains_are_apart_from_each_other_once_they_differ(done: Path) -> None:
    """Their first masks are all cut from the dense network, their second ones from trainings of their own."""
    first, second = ([mask("toy", f"{arm}r{k:02d}", 1) for arm in ("", "lr_rewind_", "fine_tune_")] for k in (1, 2))
    assert first[0] == first[1] == first[2]
    assert not any(a == b for a, b in [(second[0], second[1]), (second[0], second[2]), (second[1], second[2])])
    assert mask("toy", "lr_rewind_r03", 1).issubset(second[1])


@pytest.mark.parametrize(("arm", "settled"), [("lr_rewind", False), ("fine_tune", True), ("ticket", False)])
def test_a_chain_trains_from_the_rewind_point_by_the_schedule_or_at_its_last_rate(done: Path, arm: str, settled: bool) -> None:
    """Also: its optimizer is fresh, because this one is."""
    item = Item("toy", 2, arm).name
    start = toy.ticket(mask("toy", item, 2), arrays("toy", item, "seed2", "start"), origin=7)
    scheduled = Sgd(name="sgd", lr=0.05, momentum=0.9, warmup="9it", decay=Decay(at=("2ep", "13it"), by=0.5))
    last = Sgd(name="sgd", lr=0.05 * 0.5 * 0.5, momentum=0.9)
    ours, other = (
        toy.finish(toy.trainer(toy.mlp(), [start], optimizer, seeds=[2], iterations=15, every=5))
        for optimizer in ((last, scheduled) if settled else (scheduled, last))
    )
    trained = arrays("toy", item, "seed2", "trained")
    for name, weight in ours.stack.weights(0).items():
        np.testing.assert_allclose(trained[name], weight, rtol=1e-6, atol=1e-8)
    assert differ(other.stack.weights(0), trained)
    rows = (paths.lanes("toy", item) / "seed2/history.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["7", "10", "15"]


def test_running_statistics_go_with_the_weights(done: Path) -> None:
    """Batch norm's: on from the trained ones, or rewound."""
    lottery.run("normed")
    trained, rewind = (arrays("normed", "r00", "seed3", which) for which in ("trained", "rewind"))
    for item, lane, weights, batches in (("lr_rewind_r01", "seed3", trained, 15), ("random_mask_r01", "seed3_draw1", rewind, 5)):
        start = arrays("normed", item, lane, "start")
        assert (start["1.num_batches_tracked"], start["1.running_mean"].tolist()) == (batches, weights["1.running_mean"].tolist())
        assert arrays("normed", item, lane, "trained")["1.num_batches_tracked"] == batches + 10


# --- Arms that take another one's masks


@pytest.mark.parametrize("k", [2, 3])
def test_continued_has_the_masks_of_lr_rewind_and_the_rewound_weights(done: Path, k: int) -> None:
    item = f"continued_r{k:02d}"
    assert folders(item) == ["seed1", "seed2"]
    assert not paths.masks("toy", item).exists()
    for seed in (1, 2):
        rewind = arrays("toy", "r00", f"seed{seed}", "rewind")
        is_mask_times(arrays("toy", item, f"seed{seed}", "start"), mask("toy", f"lr_rewind_r{k:02d}", seed), rewind)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("arm", FRESH)
def test_fresh_weights_train_from_iteration_0_though_tickets_are_rewound_to_a_later_one(done: Path, arm: str, seed: int) -> None:
    """Also by the schedule and the data order of iteration 0: their training is the same in a trainer that begins there."""
    item, lane = f"{arm}_r03", f"seed{seed}_draw1"
    rows = (paths.lanes("toy", item) / lane / "history.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["0", "5", "10", "15"]
    masks = mask("toy", lottery.plan("toy").masks_of(Item("toy", 3, arm)).name, seed)
    start = toy.ticket(masks, arrays("toy", item, lane, "start"), origin=0)
    scheduled = Sgd(name="sgd", lr=0.05, momentum=0.9, warmup="9it", decay=Decay(at=("2ep", "13it"), by=0.5))
    ours = toy.finish(toy.trainer(toy.mlp(), [start], scheduled, seeds=[seed], iterations=15, every=5))
    trained = arrays("toy", item, lane, "trained")
    for name, weight in ours.stack.weights(0).items():
        np.testing.assert_allclose(trained[name], weight, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("arm", MASKS)
def test_a_drawn_mask_keeps_the_counts_and_acts_on_dense_rewound_weights(done: Path, arm: str) -> None:
    item, found = f"{arm}_r03", []
    assert folders(item) == [f"seed{seed}_draw{draw}" for seed in (1, 2) for draw in (1, 2)]
    assert not paths.masks("toy", item).exists()
    for seed in (1, 2):
        original, rewind = mask("toy", "r03", seed), arrays("toy", "r00", f"seed{seed}", "rewind")
        for draw in (1, 2):
            drawn, start = own_mask(item, f"seed{seed}_draw{draw}"), arrays("toy", item, f"seed{seed}_draw{draw}", "start")
            is_mask_times(start, drawn, rewind)
            assert drawn.kept == original.kept
            if arm == "shuffled_mask":
                assert all((a.sum(1) == original[name].sum(1)).all() for name, a in drawn.items())
            else:
                assert (drawn["fc1.weight"].sum(1) != original["fc1.weight"].sum(1)).any()
            assert drawn["output.weight"].all()
            for name in ("fc1.weight", "fc2.weight"):
                assert start[name][drawn[name] & ~original[name]].all()  # not of the ticket's weights, which are 0 there
            how = Mask.scattered if arm == "random_mask" else Mask.shuffled
            assert drawn == how(original, np.random.default_rng(seeds.derive(seed, "control", item, draw)))
            found += [drawn, original]
    bits = [m["fc1.weight"].tobytes() for m in found]
    assert len(set(bits)) == 4 + 2  # four draws, two originals
    assert own_mask("random_mask_r01", "seed1_draw1") != own_mask("random_mask_r01", "seed1_draw2")


def test_each_lane_trains_under_its_mask_which_is_found_with_its_files(done: Path) -> None:
    """Pruned weights are exactly 0 in the end, the others have moved."""
    found, incomplete = record.find("toy")
    plan = lottery.plan("toy")
    assert incomplete == 0
    assert sorted(r.name for r in found) == sorted(f"{i.name}/{lane.name}" for i in plan.items() for lane in plan.lanes(i))
    for lane in found:
        chosen = store.read_mask(lane.files["mask.safetensors"])
        own = lane.item.arm in MASKS
        assert ("lanes" in lane.files["mask.safetensors"].parts) == own
        assert (paths.lanes("toy", lane.item.name) / lane.lane / "mask.safetensors").exists() == own
        start, trained = (store.read_arrays(lane.files[f"{which}.safetensors"]) for which in ("start", "trained"))
        for name, kept in chosen.items():
            assert not start[name][~kept].any()
            assert not trained[name][~kept].any()
        assert any((start[name] != trained[name])[kept & (start[name] < 0)].any() for name, kept in chosen.items())
        assert lane.about["density"] == chosen.density
    assert len({r.input_key for r in found}) == len(found)
    assert len({r.recipe_key for r in found}) == 1


# --- Stages


def declared(item: Item) -> dict[str, set[str]]:
    """Of each stage that makes an item, the outputs of others it depends on, as DVC would resolve the chain."""
    content = YAML(typ="safe").load(places.chain("toy").read_text())
    variables = {name: values for entry in content["vars"] for name, values in entry.items()}
    found = {}
    for stage in ("control",) if lottery.plan("toy").is_control(item) else ("prune", "retrain"):
        template = content["stages"][places.stage(stage, item.arm)]
        variable, arm = template["foreach"].strip("${}").split(".")
        assert arm == item.arm
        key = f"r{item.round:02d}"
        text, values = json.dumps(template["do"]).replace("${key}", key), variables[variable][arm][key]
        for name, value in values.items():
            text = text.replace(f"${{item.{name}}}", value)
        assert "${" not in text
        found[stage] = {path for path in json.loads(text)["deps"] if path.startswith("work/")}
    return found


@pytest.mark.parametrize(
    ("item", "pruned_from", "trained_with"),
    [
        ("r02", "r01", ["r02/masks", "r00/lanes"]),
        ("one_shot_r03", "r00", ["one_shot_r03/masks", "r00/lanes"]),
        ("lr_rewind_r01", "r00", ["lr_rewind_r01/masks", "r00/lanes"]),
        ("fine_tune_r02", "fine_tune_r01", ["fine_tune_r02/masks", "fine_tune_r01/lanes"]),
        ("continued_r03", None, ["lr_rewind_r03/masks", "r00/lanes"]),
        ("one_shot_reinit_r03", None, ["one_shot_r03/masks", "r00/lanes"]),
        ("random_mask_r01", None, ["r01/masks", "r00/lanes"]),
        ("dense_long_r03", None, ["r00/masks", "r00/lanes"]),
        ("going_on_r02", None, ["lr_rewind_r02/masks", "lr_rewind_r01/lanes"]),
    ],
)
def test_dvc_knows_what_an_item_is_made_from(done: Path, item: str, pruned_from: str | None, trained_with: list[str]) -> None:
    found = declared(Item.parse(f"toy/{item}"))
    prune = {"r00/layers.json", f"{pruned_from}/masks", f"{pruned_from}/lanes"}
    assert found.pop("prune", None) == ({f"work/toy/{path}" for path in prune} if pruned_from else None)
    assert [*found.values()] == [{"work/data/digits.safetensors", *(f"work/toy/{path}" for path in trained_with)}]


QUICK = ("ticket", "lr_rewind", "reinit", "shuffled_mask", "going_on")  # one for each way to get masks and weights


@pytest.mark.parametrize("arm", [pytest.param(arm, marks=() if arm in QUICK else pytest.mark.slow) for arm in ("ticket", *ARMS)])
def test_from_what_dvc_knows_alone_an_item_is_made_again_with_the_same_bytes(done: Path, arm: str, tmp_path: Path) -> None:
    item = Item("toy", max(config.load().experiment("toy").rounds_of(arm)), arm)
    made = {f"work/toy/{item.name}/masks", f"work/toy/{item.name}/lanes"}
    before = {str(path): path.read_bytes() for dep in set().union(*declared(item).values()) - made for path in _below(Path(dep))}
    expected = lottery.files(done / "work/toy" / item.name)
    with lottery.repository(tmp_path, PARAMS):
        for path, content in before.items():
            store.write_bytes(Path(path), content)
        lottery.stage(item)
        again = lottery.files(tmp_path / "work/toy" / item.name)
    assert again.keys() == expected.keys()
    assert [path for path in again if again[path] != expected[path]] == []
    lottery.stage(item)  # and where everything already is
    assert lottery.files(done / "work/toy" / item.name) == expected


def _below(path: Path) -> list[Any]:
    return [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file()]
