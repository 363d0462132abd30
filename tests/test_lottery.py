"""A whole lottery through the stages: three rounds of a tiny network, every arm, every replicate and draw."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.domain import networks, pruning, seeds
from pipeline.domain.lottery import Lottery
from pipeline.files import datasets, store
from pipeline.settings import config
from pipeline.settings.config import Config
from pipeline.values import paths, plugins
from pipeline.values.clock import Moment
from tests import lottery, toy
from tests.lottery import arrays, differ, is_mask_times, mask

LATE = lottery.experiment(
    rewind="7it", optimizer={"name": "sgd", "lr": 0.05, "momentum": 0.9}, arms={"one_shot": {"rounds": "all"}}
)
OWN = lottery.experiment(
    model={"name": "tests.toy:normed", "width": 2}, rewind="1ep", arms={"reinit": {"rounds": [1], "draws": 1}}, seeds=[3]
)
OWN["pruning"] = {"criterion": "magnitude", "scope": "global", "rates": {"conv": 0.5, "output": 0.5}, "rounds": 2}
PARAMS = lottery.params(toy=lottery.experiment(), late=LATE, own=OWN, alone=lottery.experiment(seeds=[2]))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("lottery"), PARAMS) as root:
        lottery.run("toy")
        yield root


@pytest.mark.parametrize("seed", [1, 2])
def test_masks_are_nested_and_exact(done: Path, seed: int) -> None:
    masks = [mask("toy", f"r{k:02d}", seed) for k in range(4)]
    assert masks[0].density == 1.0
    for k in range(1, 4):
        assert masks[k].issubset(masks[k - 1])
        assert masks[k].kept == {
            "fc1.weight": round(128 * 0.6**k), "fc2.weight": round(48 * 0.6**k), "output.weight": round(18 * 0.8**k)
        }  # fmt: skip
    assert mask("toy", "r01", 1) != mask("toy", "r01", 2)


@pytest.mark.parametrize("seed", [1, 2])
def test_each_round_starts_from_theta0_and_trains_away_from_it(done: Path, seed: int) -> None:
    theta = arrays("toy", "r00", f"seed{seed}", "start")
    rewind = arrays("toy", "r00", f"seed{seed}", "rewind")
    assert {n: a.tobytes() for n, a in rewind.items()} == {n: a.tobytes() for n, a in theta.items()}
    for item in ("r01", "r02", "r03", "one_shot_r02", "one_shot_r03"):
        chosen = mask("toy", item, seed)
        start, trained = (arrays("toy", item, f"seed{seed}", which) for which in ("start", "trained"))
        is_mask_times(start, chosen, theta)
        assert differ(start, trained)
        assert all(not trained[name][~a].any() for name, a in chosen.items())
    assert not paths.lanes("toy", "r01").joinpath("seed1/rewind.safetensors").exists()


def test_masks_come_from_the_predecessors_trained_weights(done: Path) -> None:
    """One-shot: from the dense network, which is not trained for it again."""
    for item, previous, k in [("r03", "r02", 3), ("one_shot_r03", "r00", 3), ("one_shot_r02", "r00", 2)]:
        before, trained = mask("toy", previous, 1), arrays("toy", previous, "seed1", "trained")
        for name, rate in {"fc1.weight": 0.6, "fc2.weight": 0.6, "output.weight": 0.8}.items():
            size = np.where(before[name], np.abs(trained[name]), -1.0).ravel()
            kept = sorted(range(size.size), key=lambda i: (-size[i], i))[: round(size.size * rate**k)]
            assert np.flatnonzero(mask("toy", item, 1)[name]).tolist() == sorted(kept)


def test_one_shot_is_as_dense_as_iterative_and_another_mask(done: Path) -> None:
    for item in ("r02", "r03"):
        assert mask("toy", f"one_shot_{item}", 1).kept == mask("toy", item, 1).kept
        assert mask("toy", f"one_shot_{item}", 1) != mask("toy", item, 1)
    assert {folder.name for folder in (done / "work/toy").iterdir()} == {
        "r00", "r01", "r02", "r03", "one_shot_r02", "one_shot_r03", "reinit_r03", "one_shot_reinit_r03"
    }  # fmt: skip


def test_each_control_has_the_tickets_own_mask_and_weights_of_its_own_seed(done: Path) -> None:
    network, glorot, starts = toy.mlp(), plugins.bind("inits", "glorot_normal", {}), []
    for item, masked, draws in [("reinit_r03", "r03", 2), ("one_shot_reinit_r03", "one_shot_r03", 1)]:
        assert not paths.masks("toy", item).exists()
        lanes = [(seed, draw) for seed in (1, 2) for draw in range(1, draws + 1)]
        assert {p.name for p in paths.lanes("toy", item).iterdir()} == {f"seed{seed}_draw{draw}" for seed, draw in lanes}
        for seed, draw in lanes:
            start = arrays("toy", item, f"seed{seed}_draw{draw}", "start")
            fresh = networks.fresh(network, glorot, seeds.derive(seed, "control", item, draw))
            is_mask_times(start, mask("toy", masked, seed), fresh)
            starts.append(start["fc1.weight"][start["fc1.weight"] != 0].tobytes())
    starts.append(arrays("toy", "r03", "seed1", "start")["fc1.weight"].tobytes())
    assert len(set(starts)) == 7


def test_lane_json_says_what_the_lane_was(done: Path) -> None:
    settings = config.load().experiment("toy")
    found = [store.read_json(path) for path in sorted((done / "work/toy").glob("*/lanes/*/lane.json"))]
    assert len(found) == 2 * (4 + 2 + 2 + 1)
    assert len({lane["input_key"] for lane in found}) == len(found)
    assert len({lane["recipe_key"] for lane in found}) == 1
    for lane in found:
        folder = paths.lanes("toy", lane["item"]) / (f"seed{lane['seed']}" + (f"_draw{lane['draw']}" if lane["draw"] else ""))
        masked = {"reinit_r03": "r03", "one_shot_reinit_r03": "one_shot_r03"}.get(lane["item"], lane["item"])
        assert lane["masks"] == masked
        assert lane["metric"] == {"name": "accuracy", "better": "higher", "unit": "fraction"}
        assert (lane["density"], lane["weights"]) == (mask("toy", masked, lane["seed"]).density, 194)
        assert lane["data_digest"] == datasets.digest(paths.data("digits"))
        assert lane["config"]["optimizer"] == settings.optimizer.model_dump()
        assert lane["config"].get("pruning", {}).get("rates") == (settings.pruning.rates if lane["round"] else None)
        header, *rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
        history = [dict(zip(header, row, strict=True)) for row in rows]
        assert [row["iteration"] for row in history] == ["0", "5", "10", "15"]
        assert [row["train_loss"] == "" for row in history] == [True, False, False, False]
        best = min(history, key=lambda row: float(row["validation_loss"]))
        assert lane["early_stop_iteration"] == int(best["iteration"])
        assert lane["accuracy_at_early_stop"] == float(best["test_accuracy"])
        assert (lane["final_iteration"], lane["final_accuracy"]) == (15, float(history[-1]["test_accuracy"]))
    example = next(lane for lane in found if lane["item"] == "reinit_r03" and (lane["seed"], lane["draw"]) == (2, 1))
    assert (example["experiment"], example["round"], example["arm"]) == ("toy", 3, "reinit")


def test_the_replicates_learn_something(done: Path) -> None:
    lane = store.read_json(paths.lanes("toy", "r00") / "seed1/lane.json")
    assert lane["final_accuracy"] > 0.6  # three classes


def test_outputs_say_nothing_of_time_place_or_process(done: Path) -> None:
    found = lottery.files(done / "work")
    assert len(found) > 50
    assert not any(str(done).encode() in content for content in found.values())
    assert {Path(name).suffix for name in found} == {".safetensors", ".csv", ".json"}
    assert not any((paths.SCRATCH / "checkpoints").rglob("*.safetensors"))


def test_run_again_elsewhere_by_processes_side_by_side_every_file_has_the_same_bytes(done: Path, tmp_path: Path) -> None:
    with lottery.repository(tmp_path, PARAMS):
        for item in lottery.plan("toy").items():
            lottery.stage(item)
    first, second = lottery.files(done / "work/toy"), lottery.files(tmp_path / "work/toy")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_replicate_is_the_same_alone_and_beside_another(done: Path) -> None:
    lottery.run("alone", "r00", "r01", "one_shot_r03")
    for item in ("r00", "r01", "one_shot_r03"):
        for name in ("start.safetensors", "trained.safetensors", "history.csv"):
            both, lone = (paths.lanes(experiment, item) / "seed2" / name for experiment in ("toy", "alone"))
            assert both.read_bytes() == lone.read_bytes()


def test_rewinding_to_a_later_iteration(done: Path) -> None:
    lottery.run("late", "r00", "r01", "one_shot_r03")
    early = arrays("late", "r00", "seed1", "rewind")
    assert differ(early, arrays("late", "r00", "seed1", "start"))
    assert differ(early, arrays("late", "r00", "seed1", "trained"))
    for item in ("r01", "one_shot_r03"):
        is_mask_times(arrays("late", item, "seed1", "start"), mask("late", item, 1), early)
        history = (paths.lanes("late", item) / "seed1/history.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in history[1:]] == ["7", "10", "15"]


def test_a_users_own_network_with_batch_norm_global_and_rewound_by_epochs(done: Path) -> None:
    lottery.run("own")
    origin = Moment.parse("1ep").iterations(100 // 20)
    early = arrays("own", "r00", "seed3", "rewind")
    assert early["1.num_batches_tracked"] == origin
    groups = pruning.groups(toy.own().layers, {"conv": 0.5, "output": 0.5}, "global")
    assert len(groups) == 1
    for k in (1, 2):
        chosen = mask("own", f"r0{k}", 3)
        assert sum(chosen.kept.values()) == groups[0].kept(k)
        is_mask_times(arrays("own", f"r0{k}", "seed3", "start"), chosen, early)
        assert arrays("own", f"r0{k}", "seed3", "trained")["1.num_batches_tracked"] == 15
    assert arrays("own", "reinit_r01", "seed3_draw1", "start")["1.num_batches_tracked"] == 0


def test_the_number_of_classes_comes_from_the_data(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, PARAMS, toy.bundle(classes=7)):
        lottery.run("alone", "r00")
        assert lottery.layers("alone")["output.weight"].shape == (7, 6)
        assert arrays("alone", "r00", "seed2", "trained")["output.bias"].shape == (7,)


def test_the_items_have_each_after_what_it_needs() -> None:
    settings = Config.model_validate_json(json.dumps(PARAMS))
    plan = Lottery.of("toy", settings.experiment("toy"))
    seen: set[str] = set()
    for item in plan.items():
        needed = {plan.masks_of(item).name} if plan.is_control(item) else {plan.pruned_from(item).name} if item.round else set()
        assert needed <= seen
        seen.add(item.name)
    assert len(seen) == 8
