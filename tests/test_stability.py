"""Two trainings of the same network, and what lies on the line between their ends."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.results import tables
from pipeline.results.metric import Metric
from pipeline.settings import places
from pipeline.stability import line, pairs
from pipeline.stability.line import Line
from pipeline.stability.pairs import Pair
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane
from stages import stability
from tests import lottery

TOY = lottery.experiment(
    rewind="5it",
    seeds=[1, 2],
    arms={
        "other_order": {"rounds": [1, 3], "draws": 2},
        "dense_other_order": {"name": "other_order", "masks": "dense", "rounds": [1]},
        "fresh_order": {"name": "other_order", "masks": "reinit", "rounds": [3]},  # trains the ticket again, not the reinit
        "reinit": {"rounds": [3]},
    },
)
NORMED = lottery.experiment(
    model={"name": "tests.toy:normed"},
    init="model",
    pruning={**TOY["pruning"], "rates": {"output": 0.2}, "rounds": 1},
    arms={"other_order": {"rounds": [1]}},
)
PARAMS = lottery.params(toy=TOY, normed=NORMED)
ACCURACY, RMSE = Metric("accuracy", "higher", "fraction"), Metric("rmse", "lower")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("stability"), PARAMS) as root:
        for name in ("toy", "normed"):
            lottery.run(name)
            stability.main(name)
        yield root


def test_the_pairs_are_trainings_that_begin_at_the_same_weights(done: Path) -> None:
    found = list(pairs.of(lottery.plan("toy")))
    names = {(pair.first.item.name, pair.second.item.name) for pair in found}
    assert names == {("r01", "other_order_r01"), ("r03", "other_order_r03"), ("r00", "dense_other_order_r01")}
    assert len(found) == 2 * (2 + 2 + 1)
    for pair in found:
        which = "rewind" if pair.first.item.round == 0 else "start"
        first, second = (
            lottery.arrays("toy", lane.item.name, lane.name, kind) for lane, kind in ((pair.first, which), (pair.second, "start"))
        )
        assert {n: a.tobytes() for n, a in first.items()} == {n: a.tobytes() for n, a in second.items()}


@pytest.mark.parametrize("name", ["toy", "normed"])
def test_the_ends_have_the_values_that_training_recorded(done: Path, name: str) -> None:
    for found in line.lines(lottery.begin(name), lambda done: None):
        for lane, value in ((found.pair.first, found.values[0]), (found.pair.second, found.values[-1])):
            assert value == lottery.about(name, lane.item.name, lane.name)["final_accuracy"]


def test_the_middle_is_the_network_with_the_mean_of_both_weights(done: Path) -> None:
    start = lottery.begin("toy")
    found = next(f for f in line.lines(start, lambda done: None) if f.pair.second.item.name == "other_order_r03")
    ends = [lottery.arrays("toy", lane.item.name, lane.name, "trained") for lane in (found.pair.first, found.pair.second)]
    module, data = start.network.make(), start.bundle
    inputs = torch.from_numpy(data.test_inputs).float() * torch.from_numpy(data.scale) + torch.from_numpy(data.shift)
    for place, value in zip(line.PLACES, found.values, strict=True):
        mixed = {n: torch.from_numpy((1 - place) * ends[0][n] + place * ends[1][n]).float() for n in ends[0]}
        module.load_state_dict(mixed)
        with torch.no_grad():
            right = (module(inputs).argmax(1).numpy() == data.test_targets).mean()
        assert value == pytest.approx(right, abs=1.5 / len(data.test_targets))


def test_the_tables_have_each_replicate_and_the_line_of_each_item(done: Path) -> None:
    table, lines = (tables.read(path, "") for path in (places.stability("toy"), places.lines("toy")))
    assert [*table] == ["quantity", "arm", "round", "density", "layer", "seed", "value"]
    assert {(row.arm, row.round, row.seed) for row in table.itertuples()} == {
        (arm, k, seed) for arm, k in (("ticket", 1), ("ticket", 3), ("dense", 0)) for seed in (1, 2)
    }
    assert (table["value"] >= 0).all() and table.loc[table["arm"] == "dense", "density"].eq(1).all()
    assert len(lines) == 3 * len(line.PLACES) and set(lines["position"]) == {*line.PLACES}


def test_the_same_bytes_come_again(done: Path) -> None:
    before = places.stability("toy").read_bytes(), places.lines("toy").read_bytes()
    stability.main("toy")
    assert (places.stability("toy").read_bytes(), places.lines("toy").read_bytes()) == before


@pytest.mark.parametrize(("metric", "values"), [(ACCURACY, (0.9, 0.7, 0.95, 0.8)), (RMSE, (0.9, 1.1, 0.85, 1.0))])
def test_instability_is_the_worst_point_below_the_mean_of_the_ends(metric: Metric, values: tuple[float, ...]) -> None:
    lane = Lane(Item("toy", 1, "ticket"), 1)
    assert max(Line(Pair(lane, lane), 0.5, values).losses(metric)) == pytest.approx(0.15)


def test_a_line_without_a_barrier_has_no_instability() -> None:
    lane = Lane(Item("toy", 1, "ticket"), 1)
    assert max(Line(Pair(lane, lane), 0.5, (0.9, 0.92, 0.91, 0.9)).losses(ACCURACY)) == 0


def test_dvc_knows_what_the_stage_reads(done: Path) -> None:
    found = lottery.stages("toy")["stability"]
    deps = {path for path in found["deps"] if path.startswith("work/")}
    items = ("r00", "r01", "r03", "other_order_r01", "other_order_r03", "dense_other_order_r01")
    masks = {f"work/toy/{item}/masks" for item in ("r00", "r01", "r03")}
    assert deps == {"work/data/digits.safetensors", *masks, *(f"work/toy/{item}/lanes" for item in items)}
    assert found["outs"] == ["work/toy/lines.csv", {"reports/toy/stability.csv": {"cache": False, "persist": True}}]


def test_a_damaged_end_is_named(done: Path) -> None:
    file = paths.lanes("toy", "other_order_r01") / "seed1_draw1/trained.safetensors"
    before = file.read_bytes()
    try:
        file.write_bytes(before[:50])
        with pytest.raises(UserError, match=r"other_order_r01/lanes/seed1_draw1/trained\.safetensors is damaged"):
            stability.main("toy")
    finally:
        store.write_bytes(file, before)


def test_an_end_that_is_not_finite_is_refused(done: Path) -> None:
    """Its metric is a number, so that it would count as stable."""
    file = paths.lanes("toy", "other_order_r01") / "seed1_draw1/trained.safetensors"
    before = file.read_bytes()
    try:
        store.write_arrays(file, {name: np.full_like(array, np.nan) for name, array in store.read_arrays(file).items()})
        with pytest.raises(UserError, match=rf"{file} .*not finite.*dvc repro experiments/toy/dvc.yaml:control_other_order@r01"):
            stability.main("toy")
    finally:
        store.write_bytes(file, before)


def test_a_metric_that_is_not_finite_between_the_ends_is_refused(done: Path) -> None:
    """As where the weights of two lanes together are more than a float holds."""
    start = lottery.begin("toy")
    task = replace(start.task, value=lambda sums, examples: (sums[:, 0], sums[:, 0] * torch.nan))
    ends = r"lanes/seed1/trained\.safetensors and .*/seed1_draw1/trained\.safetensors"
    with pytest.raises(UserError, match=rf"between work/toy/r00/{ends}, at 0% of the line, the accuracy is nan") as told:
        line.lines(replace(start, task=task), lambda done: None)
    assert "\n" not in str(told.value)


def test_the_points_are_those_of_the_paper() -> None:
    assert len(line.PLACES) == 30 and (line.PLACES[0], line.PLACES[-1]) == (0, 1)
    assert np.allclose(np.diff(line.PLACES), 1 / 29)


def test_an_end_without_a_bias_is_named(done: Path) -> None:
    """Its checksum is right, and all weights that masks have are there."""
    path = LaneFiles(paths.lanes("toy", "other_order_r01") / "seed1_draw1").weights_file("trained")
    content = path.read_bytes()
    found = store.read_arrays(path)
    store.write_arrays(path, {name: array for name, array in found.items() if name != "fc1.bias"})
    try:
        with pytest.raises(UserError, match=rf"{path} is damaged \(it has no fc1.bias\).*:control_other_order@r01`"):
            stability.main("toy")
    finally:
        path.write_bytes(content)
