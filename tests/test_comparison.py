"""Figures 4 to 6: which experiment belongs where, and what is drawn."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pipeline.results import comparison, family, figures, paper, recipe, statistics
from pipeline.settings import config
from pipeline.settings.config import Config
from pipeline.values import paths
from tests import lottery, synthetic
from tests.several import CONTENT


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    lottery.write_params(paths.PARAMS, CONTENT)
    return config.load()


def _draw(settings: Config, *names: str, **changes: Any) -> dict[str, Figure]:
    made = {name: synthetic.tables(settings, name, **changes) for name in names}
    rounds, curves = ({name: pair[i] for name, pair in made.items()} for i in (0, 1))
    return comparison.draw(settings, rounds, curves)


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text()]


# --- Which experiment belongs to which figure


@pytest.mark.parametrize(
    ("name", "number"),
    [("toy", 1), ("conv2", 4), ("conv4", 4), ("conv2_dropout", 5), ("resnet", 6), ("vgg", 6), ("own", None)],
)
def test_the_network_says_which_figure_an_experiment_belongs_to(settings: Config, name: str, number: int | None) -> None:
    assert family.figure(settings.experiment(name)) == number


def test_dropout_has_the_same_network_without_it_beside_it(settings: Config) -> None:
    names = ["conv4", "conv2", "conv2_dropout", "toy"]
    assert family.members(settings, names, family.DROPOUT) == ["conv2", "conv2_dropout"]
    assert family.members(settings, names, family.CONV) == ["conv4", "conv2"]
    assert family.members(settings, ["conv4", "conv2_dropout"], family.DROPOUT) == ["conv2_dropout"]
    assert family.members(settings, ["conv4", "conv2"], family.DROPOUT) == []
    assert family.without_dropout(settings, names, "conv2") is None


def test_the_papers_experiments_are_in_params_yaml_with_its_budgets() -> None:
    shipped = config.load(lottery.ROOT / paths.PARAMS)
    for name, iterations in paper.ITERATIONS.items():
        assert shipped.experiment(name).training.iterations == iterations
        assert len(shipped.experiment(name).seeds) == 5
    for number, about in paper.COMPARISONS.items():
        assert {family.figure(shipped.experiment(name)) for name in about.experiments} == {number}
        assert set(about.experiments) <= set(paper.ITERATIONS)
    for name in shipped.reports["cpu"]:
        assert "the paper's)" in str(recipe.reduced(shipped, name))


# --- What is drawn


def test_a_report_has_the_figures_of_its_experiments(settings: Config) -> None:
    assert set(_draw(settings, "toy", "own")) == set()
    assert set(_draw(settings, "toy", "conv2")) == {"conv"}
    assert set(_draw(settings, "conv2", "conv2_dropout")) == {"conv", "dropout"}
    assert set(_draw(settings, "conv2_dropout", "vgg")) == {"dropout", "deep"}


def test_the_same_tables_give_the_same_bytes(settings: Config, tmp_path: Path) -> None:
    found = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        figures.save(_draw(settings, "conv2", "conv4", "conv2_dropout", "resnet", "vgg"), folder, 60)
        found.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert sorted(found[0]) == [f"{name}.{kind}" for name in ("conv", "deep", "dropout") for kind in ("png", "svg")]


def test_a_colour_is_a_network_and_reinits_are_dashed(settings: Config) -> None:
    figure = _draw(settings, "conv2", "conv4")["conv"]
    assert _legend(figure) == ["Conv-2", "Conv-4", "Ticket", "Random reinit"]
    tables = {name: statistics.summary(synthetic.tables(settings, name)[0]) for name in ("conv2", "conv4")}
    for axes, measure in zip(figure.axes, ("early_stop_iteration", "accuracy_at_early_stop"), strict=True):
        looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
        assert looks == [(figures.BLUE, "-"), (figures.BLUE, "--"), (figures.VERMILLION, "-")]
        for line, (name, arm) in zip(axes.lines, [("conv2", "ticket"), ("conv2", "reinit"), ("conv4", "ticket")], strict=True):
            rows = tables[name][tables[name]["arm"] == arm].sort_values("density")
            np.testing.assert_allclose(np.asarray(line.get_ydata()), rows[f"{measure}_mean"])
        assert axes.get_xscale() == "log"
        assert axes.get_xlim()[0] > 1 > 0.6**4 > axes.get_xlim()[1]
    assert figure.axes[0].get_ylim()[0] == 0


def test_the_same_network_twice_is_told_apart_by_name(settings: Config) -> None:
    assert _legend(_draw(settings, "conv2", "conv2_small")["conv"])[:2] == ["Conv-2 (conv2)", "Conv-2 (conv2_small)"]
    assert _legend(_draw(settings, "conv2_small")["conv"]) == ["Conv-2", "Ticket"]


def test_a_network_with_dropout_keeps_its_colour_without_it(settings: Config) -> None:
    figure = _draw(settings, "conv2", "conv2_dropout")["dropout"]
    assert _legend(figure) == ["Conv-2, dropout 0.5", "Ticket", "Random reinit", "Ticket, without dropout"]
    for axes in figure.axes:
        assert [(line.get_color(), line.get_linestyle()) for line in axes.lines] == [(figures.BLUE, s) for s in ("-", "--", ":")]
        assert to_hex(axes.lines[2].get_markerfacecolor()) == "#ffffff"
    alone = _draw(settings, "conv2_dropout")["dropout"]
    assert _legend(alone) == ["Conv-2, dropout 0.5", "Ticket", "Random reinit"]
    assert len(alone.axes[0].lines) == 2


def test_deep_networks_are_shown_at_three_points_of_training(settings: Config) -> None:
    figure = _draw(settings, "resnet", "vgg", final_iteration=30_000)["deep"]
    labels = ["ResNet-20, lr 0.1, warmup 100it, rewound to 500it", "VGG-19, lr 0.01"]
    assert _legend(figure) == [*labels, "Ticket", "Random reinit"]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["A third of training\n9,000 iterations", "Two thirds\n21,000 iterations", "The end\n30,000 iterations"]
    curves = synthetic.tables(settings, "resnet", final_iteration=30_000)[1]
    for axes, iteration in zip(figure.axes, (9000, 21_000, 30_000), strict=True):
        for line, arm in zip(axes.lines, ("ticket", "reinit"), strict=False):
            rows = curves[(curves["arm"] == arm) & (curves["iteration"] == iteration)].sort_values("density")
            np.testing.assert_allclose(np.asarray(line.get_ydata()), rows["test_accuracy_mean"])


def test_the_evaluations_at_three_points_are_the_nearest_of_each_training() -> None:
    rows = [("ticket", k, i, i / 100) for k, begin in ((0, 0), (1, 30)) for i in range(begin, 91, 20 if k == 0 else 15)]
    curves = pd.DataFrame(rows, columns=["arm", "round", "iteration", "test_accuracy_mean"])
    found = statistics.at_points(curves)
    assert found[found["round"] == 0]["iteration"].tolist() == [20, 60, 80]  # 20 and 40 are equally near to 30
    assert found[found["round"] == 1]["iteration"].tolist() == [30, 60, 90]
    assert found["point"].tolist() == [0, 1, 2] * 2
    assert found["test_accuracy_mean"].tolist() == [0.2, 0.6, 0.8, 0.3, 0.6, 0.9]
