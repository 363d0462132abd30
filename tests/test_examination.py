"""The stage examine on a trained toy experiment: its tables, what it reads, and its figures and sentences."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.domain import pruning
from pipeline.domain.masks import Mask
from pipeline.examine.quantities import PROFILES, QUANTITIES
from pipeline.figures import files
from pipeline.figures.shown import Shown
from pipeline.files import store
from pipeline.report import registry
from pipeline.report.content import FIGURES, INSIDE
from pipeline.results import examined
from pipeline.results.outcome import Outcome
from pipeline.settings import config, measured, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import aggregate, examine
from tests import lottery, pages

SHAPES = {"fc1.weight": (8, 16), "fc2.weight": (6, 8), "output.weight": (3, 6)}
NAMES = {figure.file for figure in INSIDE}
CONTENT = lottery.params(
    toy=lottery.experiment(rewind="5it"),
    alone=lottery.experiment(seeds=[1], arms={}),
    no_tickets=lottery.experiment(seeds=[1], arms={"ticket": {"rounds": 0}}),
    of_units=lottery.experiment(seeds=[1], arms={"ticket": {"rounds": 2, "structure": "unit"}}),
)


@pytest.fixture(scope="module", autouse=True)
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("examined"), CONTENT) as folder:
        for name in CONTENT["experiments"]:
            lottery.run(name)
            aggregate.main(name)
            examine.main(name)
        yield folder


@pytest.fixture(scope="module")
def table(repository: Path) -> pd.DataFrame:
    return examined.read("toy")


def value(table: pd.DataFrame, quantity: str, arm: str, number: int, layer: str, seed: int = 1) -> float:
    rows = examined.of(table, quantity, arm, layer)
    (found,) = rows.loc[(rows["round"] == number) & (rows["seed"] == seed), "value"]
    return float(found)


def test_every_quantity_is_measured_in_every_round_of_each_arm_that_prunes(table: pd.DataFrame) -> None:
    assert list(table.columns) == list(examined.COLUMNS)
    assert set(table["quantity"]) == set(QUANTITIES)
    assert not table.duplicated(["quantity", "arm", "round", "layer", "seed"]).any()
    rounds = {arm: set(rows["round"]) for arm, rows in table.groupby("arm")}
    assert rounds == {"dense": {0, 1, 2, 3}, "ticket": {1, 2, 3}, "one_shot": {2, 3}}
    mine = table[table["arm"] == "ticket"]
    assert set(mine["quantity"]) == set(QUANTITIES) - {"early_bird", "early_bird_chance"}
    assert set(mine["layer"]) == {"", *SHAPES}
    counts = mine.groupby(["quantity", "layer"]).size()
    assert (counts == 3 * 2).sum() > 80  # a few are not defined for so few weights
    profiles = examined.read_profiles("toy", examined.read("toy"))
    assert set(profiles["quantity"]) == set(PROFILES)


def test_the_numbers_are_those_of_the_files(table: pd.DataFrame) -> None:
    mask, start = lottery.mask("toy", "r03", 2), lottery.arrays("toy", "r00", "seed2", "start")
    trained, own = (lottery.arrays("toy", item, "seed2", "trained") for item in ("r00", "r03"))
    begun = lottery.arrays("toy", "r03", "seed2", "start")
    layer = "fc1.weight"
    kept = mask[layer]
    step = (trained[layer] - start[layer]) * np.sign(start[layer])
    for quantity, expected in (
        ("magnitude", np.abs(start[layer][kept]).mean()),
        ("outward_kept", step[kept].mean()),
        ("outward_rest", step[~kept].mean()),
        ("outward", ((own[layer] - begun[layer]) * np.sign(begun[layer]))[kept].mean()),
        ("inputs_per_unit", kept.sum() / 8),
    ):
        assert value(table, quantity, "ticket", 3, layer, seed=2) == pytest.approx(expected, rel=1e-5, abs=1e-7), quantity
    assert value(table, "magnitude", "dense", 0, layer) == pytest.approx(
        np.abs(lottery.arrays("toy", "r00", "seed1", "start")[layer]).mean(), rel=1e-5
    )


def test_one_shot_masks_and_early_ones_have_the_counts_of_the_round(table: pd.DataFrame) -> None:
    """The one-shot arm is pruned by magnitude too, so its masks are those that the ticket's are compared with."""
    assert value(table, "overlap_one_shot", "one_shot", 3, "") == 1
    assert value(table, "overlap_one_shot", "ticket", 1, "") == 1
    mine, shot = lottery.mask("toy", "r03", 1), lottery.mask("toy", "one_shot_r03", 1)
    both = sum(int((a & shot[name]).sum()) for name, a in mine.items())
    assert value(table, "overlap_one_shot", "ticket", 3, "") == pytest.approx(
        both / (2 * sum(mine.kept.values()) - both), rel=1e-5
    )
    rewound = lottery.arrays("toy", "r00", "seed1", "rewind")
    groups = pruning.groups(lottery.layers("toy"), {"fc": 0.4, "output": 0.2}, "layer")
    early = pruning.prune({name: np.abs(rewound[name]) for name in SHAPES}, Mask.full(SHAPES), groups, 3)
    found = sum(int((a & early[name]).sum()) for name, a in mine.items()) / sum(mine.kept.values())
    assert value(table, "mask_found_at_rewind", "ticket", 3, "") == pytest.approx(found, rel=1e-5)
    shared = sum(int((a & early[name]).sum()) for name, a in shot.items()) / sum(shot.kept.values())
    assert value(table, "early_bird", "dense", 3, "") == pytest.approx(shared, rel=1e-5)


def test_each_file_is_read_once_and_the_same_files_give_the_same_tables(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [path("toy").read_bytes() for path in (places.examined, places.profiles)]
    reads: Counter[Path] = Counter()
    original = store._read

    def counted(path: Path, target: str) -> tuple[store.Arrays, str]:
        reads[path] += 1
        return original(path, target)

    monkeypatch.setattr(store, "_read", counted)
    examine.main("toy")
    assert [path("toy").read_bytes() for path in (places.examined, places.profiles)] == before
    assert set(reads.values()) == {1}
    assert len(reads) == 2 * (3 + 3 * 5)  # for each seed, three files of the dense network and three of each pruned item


def test_profiles_are_means_over_replicates() -> None:
    profiles = examined.read_profiles("toy", examined.read("toy"))
    rows = examined.of(profiles, "input_counts", "ticket", "fc1.weight")
    counts = np.mean([lottery.mask("toy", "r02", seed)["fc1.weight"].sum(axis=0) for seed in (1, 2)], axis=0)
    np.testing.assert_allclose(rows.loc[rows["round"] == 2, "value"], counts)
    bars = examined.of(profiles, "initial_weights", "dense", "fc2.weight")
    width = bars["position"].diff().iloc[1]
    assert bars["value"].sum() * width == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: path.write_bytes(b"garbage"), "is damaged"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: store.write_arrays(path, {"fc1.weight": np.ones((8, 16))}), r"\(it has no fc2.weight\)"),
        (
            lambda path: store.write_arrays(path, {name: np.ones((2, 2)) for name in SHAPES}),
            r"\(fc1.weight has the shape \(2, 2\) instead of \(8, 16\)\).*dvc repro experiments/toy/dvc.yaml:retrain@r02",
        ),
        (lambda path: store.write_arrays(path, {name: np.full(s, np.nan) for name, s in SHAPES.items()}), "not finite"),
    ],
)
def test_a_damaged_file_of_weights_is_one_sentence(damage: object, problem: str) -> None:
    path = paths.lanes("toy", "r02") / "seed1" / "trained.safetensors"
    good = path.read_bytes()
    try:
        damage(path)  # type: ignore[operator]
        with pytest.raises(UserError, match=rf"{path}.*{problem}") as error:
            examine.main("toy")
        assert "\n" not in str(error.value)
    finally:
        path.write_bytes(good)


def test_a_damaged_table_is_one_sentence() -> None:
    good = store.read_table(places.examined("toy"))
    try:
        for text, problem in ((good.replace("density", "x", 1), "no column density"), (good + "a,b,c,d,e,f,g\n", "has text")):
            store.write_table(places.examined("toy"), text)
            with pytest.raises(UserError, match=rf"examined.csv .*{problem}.*dvc repro experiments/toy/dvc.yaml:examine"):
                examined.read("toy")
    finally:
        store.write_table(places.examined("toy"), good)


def test_an_empty_column_of_layers_is_that_of_all_layers() -> None:
    good = store.read_table(places.examined("toy"))
    header, *rows = good.splitlines()
    try:
        store.write_table(places.examined("toy"), "\n".join([header, *(row for row in rows if row.split(",")[4] == "")]) + "\n")
        found = examined.read("toy")
        assert len(found) and set(found["layer"]) == {""}
        assert len(examined.of(found, "moved_kept", "ticket"))
    finally:
        store.write_table(places.examined("toy"), good)


# --- Figures and sentences


def shown(name: str) -> Shown:
    settings = config.load()
    outcome = Outcome.read(name, settings.margin, with_curves=True).with_examined(name, with_profiles=True)
    return Shown(settings, {name: outcome})


@pytest.mark.parametrize("name", ["toy", pytest.param("alone", marks=pytest.mark.slow)])
def test_figures_and_sentences_of_several_replicates_and_of_one(name: str) -> None:
    what = shown(name)
    drawn = files.drawn({file: draw for file, draw in registry.drawings(what).items() if file in NAMES})
    assert set(drawn) == NAMES
    assert [axes.get_title() for axes in drawn["survivors"].axes] == ["fc1", "fc2", "output"]
    assert len(drawn["movement"].axes) == 6
    left = drawn["overlap"].axes[0].lines[0]
    table = examined.read(name)
    expected = examined.summary(table, "overlap_one_shot", "ticket")["value_mean"]
    np.testing.assert_allclose(np.sort(np.asarray(left.get_ydata())), np.sort(expected))
    images = [image for axes in drawn["connections"].axes for image in axes.images]
    assert images
    assert all(np.asarray(image.get_array()).shape == (4, 4) for image in images)
    text = pages.markdown(config.load(), "main", what.outcomes)
    assert "(appendix F.5)" in text
    assert "nan" not in text.lower().replace("dominant", "")
    assert ("for two replicates" in text) == (name == "toy")
    density = f"{100 * table.loc[table['round'] == 3, 'density'].iloc[0]:.1f}%"
    assert f"At {density} of the weights, Sarle's bimodality coefficient" in text


def test_inputs_that_are_no_square_are_not_drawn_as_one() -> None:
    what = shown("toy")
    profiles = what.outcome.profiles
    assert profiles is not None
    fewer = profiles[(profiles["quantity"] != "input_counts") | (profiles["position"] < 15)]
    other = Shown(what.config, {"toy": replace(what.outcome, profiles=fewer)})
    figure = files.drawn({"connections": registry.drawings(other)["connections"]})["connections"]
    assert [axes.get_title() for axes in figure.axes][:2] == ["Incoming connections", "Outgoing connections"]
    assert not [image for axes in figure.axes for image in axes.images]


def test_tickets_of_whole_units_are_not_compared_with_magnitude_pruning_of_weights() -> None:
    what = shown("of_units")
    assert NAMES & set(registry.drawings(what)) == NAMES - {"overlap"}
    files.drawn({file: draw for file, draw in registry.drawings(what).items() if file in NAMES})
    text = pages.markdown(config.load(), "main", what.outcomes)
    assert "nan" not in text.lower().replace("dominant", "")


def test_without_tickets_there_are_no_such_figures() -> None:
    assert not NAMES & set(registry.drawings(shown("no_tickets")))
    assert set(examined.read("no_tickets")["arm"]) == {"dense"}


def test_what_is_examined_is_what_a_figure_shows() -> None:
    """The same of what is trained twice; other chains do without these stages."""
    needs = {"examined": measured.is_examined, "stability": measured.is_trained_twice}
    for experiment in config.load(lottery.ROOT / "params.yaml").experiments.values():
        for table, is_made in needs.items():
            shown = any(table in figure.tables and figure.subject.shows(experiment) for figure in FIGURES)
            assert shown == is_made(experiment)
