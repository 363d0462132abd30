"""Figures over several experiments: which experiment belongs where, what is drawn, and that the registry is consistent."""

import copy
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.figures import files, style
from pipeline.report import content, document, over, recipe, registry
from pipeline.report.content import CONVOLUTIONS, DEEP, DROPOUT, FIGURES, LENET
from pipeline.report.figure import Figure as Record
from pipeline.report.figure import Subject
from pipeline.results.outcome import Outcome
from pipeline.settings import config, networks
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.experiment import Data
from tests import lottery, pages, synthetic
from tests.several import CONTENT
from tests.synthetic import RMSE
from tests.test_architecture import imported


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    lottery.write_params(paths.PARAMS, CONTENT)
    return config.load()


def _outcomes(settings: Config, *names: str, **changes: Any) -> dict[str, Outcome]:
    return {name: synthetic.outcome(synthetic.of_params(settings, name, **changes)) for name in names}


def _draw(settings: Config, *names: str, **changes: Any) -> dict[str, Figure]:
    return files.drawn(registry.drawings_over(settings, _outcomes(settings, *names, **changes)))


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text()]


def _figure(file: str) -> Record:
    return next(figure for figure in FIGURES if figure.file == file)


# --- Which experiment belongs to which figure


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("toy", LENET), ("conv2", CONVOLUTIONS), ("conv4", CONVOLUTIONS), ("conv2_dropout", DROPOUT), ("resnet", DEEP),
        ("vgg", DEEP), ("own", None),
    ],
)  # fmt: skip
def test_the_network_says_what_an_experiment_is_about(settings: Config, name: str, subject: Subject | None) -> None:
    subjects = (LENET, CONVOLUTIONS, DROPOUT, DEEP)
    assert [s for s in subjects if s.shows(settings.experiment(name))] == ([subject] if subject else [])


def test_dropout_has_the_same_network_without_it_beside_it(settings: Config) -> None:
    names, dropout, conv = ["conv4", "conv2", "conv2_dropout", "toy"], _figure("dropout"), _figure("conv")
    assert registry.members(settings, names, dropout) == ["conv2", "conv2_dropout"]
    assert registry.members(settings, names, conv) == ["conv4", "conv2"]
    assert registry.members(settings, ["conv4", "conv2_dropout"], dropout) == ["conv2_dropout"]
    assert registry.members(settings, ["conv4", "conv2"], dropout) == []
    assert registry.members(settings, ["conv2_small", "conv2", "conv2_dropout"], dropout) == ["conv2_small", "conv2_dropout"]
    assert not networks.is_same_without_dropout(settings.experiment("conv2"), settings.experiment("conv2"))
    plain = settings.experiment("conv2")
    smaller = plain.model_copy(update={"data": Data(name="cifar10", validation=5000, side=8)})
    assert networks.is_same_without_dropout(settings.experiment("conv2_dropout"), plain)
    assert not networks.is_same_without_dropout(settings.experiment("conv2_dropout"), smaller)  # the images are not the same


def test_the_papers_experiments_are_in_params_yaml_with_its_budgets() -> None:
    shipped = config.load(lottery.ROOT / paths.PARAMS)
    for name, iterations in content.ITERATIONS.items():
        assert shipped.experiment(name).training.iterations == iterations
        assert len(shipped.experiment(name).seeds) == 5
    for name in shipped.reports["cpu"]:
        assert "the paper's budget)" in str(recipe.reduced(shipped, name))


# --- The registry


def test_every_figure_shows_the_experiments_of_params_yaml_that_it_names() -> None:
    shipped = config.load(lottery.ROOT / paths.PARAMS)
    named = set()
    for figure in FIGURES:
        for name in figure.subject.experiments:
            assert figure.subject.shows(shipped.experiment(name)), f"{figure.file} does not show {name}"
            assert name in registry.of_subject(shipped, list(shipped.experiments), figure.subject)
            named.add(name)
    assert named == set(content.ITERATIONS)


def test_figures_have_names_and_numbers_of_their_own_in_order() -> None:
    assert len({figure.file for figure in FIGURES}) == len(FIGURES)
    numbered = [figure.number for figure in FIGURES if figure.number]
    assert numbered == list(range(1, 7))
    for figure in FIGURES:
        assert figure.title
        assert (
            figure.claim or figure.arm_claims or figure.file in ("criteria", "language", "stability", "early_bird", "structures")
        )  # they are of other papers


def test_a_report_has_the_figures_that_its_experiments_are_about(settings: Config) -> None:
    assert [figure.file for figure in registry.over(settings, ["toy", "conv2_dropout", "vgg"])] == ["dropout", "deep"]


def test_the_registry_loads_nothing_heavy() -> None:
    code = "import sys; import pipeline.report.registry; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=lottery.ROOT, env=lottery.environment()
    )
    loaded = {module.split(".")[0] for module in done.stdout.split()}
    assert loaded.isdisjoint({"pandas", "matplotlib", "scipy", "sklearn", "torch", "mlflow", "dvc"})
    assert "pydantic" in loaded


def test_imports_go_from_the_report_to_figures_to_results_and_never_to_the_dvc_files() -> None:
    above = {"results": ("figures", "report", "chain"), "figures": ("report", "chain"), "report": ("chain",)}
    for folder, forbidden in above.items():
        files_there = sorted((lottery.ROOT / "pipeline" / folder).glob("*.py"))
        assert len(files_there) > 4
        for path in files_there:
            above_it = [m for m in imported(path) for other in forbidden if m.startswith(f"pipeline.{other}")]
            assert not above_it, path


def test_a_record_is_all_that_a_new_figure_needs(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    more = replace(_figure("conv"), file="more", number=7, title="More of them", here=lambda shown, details: ["A sentence."])
    monkeypatch.setattr(registry, "FIGURES", (*FIGURES, more))
    monkeypatch.setattr(document, "FIGURES", (*FIGURES, more))
    outcomes = _outcomes(settings, "conv2")
    assert set(registry.drawings_over(settings, outcomes)) == {"conv", "more"}
    text = pages.markdown(settings, "dropout", outcomes)
    assert "## Figure 7. More of them" in text
    assert "![Figure 7. More of them](figures/more.svg)" in text
    assert "- Here: A sentence." in text


# --- What is drawn


def test_a_report_has_the_figures_of_its_experiments(settings: Config) -> None:
    assert set(_draw(settings, "toy", "own")) == set()
    assert set(_draw(settings, "toy", "conv2")) == {"conv"}
    assert set(_draw(settings, "conv2", "conv2_dropout")) == {"conv", "dropout"}
    assert set(_draw(settings, "conv2_dropout", "vgg")) == {"dropout", "deep"}


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes(settings: Config, tmp_path: Path) -> None:
    found = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        files.save(_draw(settings, "conv2", "conv4", "conv2_dropout", "resnet", "vgg"), folder, 60)
        found.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert sorted(found[0]) == [f"{name}.{kind}" for name in ("conv", "deep", "dropout") for kind in ("png", "svg")]


def test_a_colour_is_a_network_and_reinits_are_dashed(settings: Config) -> None:
    figure = _draw(settings, "conv2", "conv4")["conv"]
    assert _legend(figure) == ["Conv-2", "Conv-4", "Ticket", "Random reinit"]
    tables = {name: outcome.table for name, outcome in _outcomes(settings, "conv2", "conv4").items()}
    lines = [("conv2", ["dense", "ticket"]), ("conv2", ["reinit"]), ("conv4", ["dense", "ticket"])]
    for axes, measure, scale in zip(figure.axes, ("stop", "value"), (1, 100), strict=True):
        looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
        assert looks == [(style.BLUE, "-"), (style.BLUE, "--"), (style.VERMILLION, "-")]
        for line, (name, arms) in zip(axes.lines, lines, strict=True):
            rows = tables[name][tables[name]["arm"].isin(arms)].sort_values("density")
            np.testing.assert_allclose(np.asarray(line.get_ydata()), scale * rows[f"{measure}_mean"])
        assert axes.get_xscale() == "log"
        assert axes.get_xlim()[0] > 1 > 0.6**4 > axes.get_xlim()[1]
    assert figure.axes[0].get_ylim()[0] == 0
    assert "2 replicates (2 to 4 trainings at a point)" in str(figure.get_supxlabel())


def test_early_stops_at_the_end_of_training_are_marked(settings: Config) -> None:
    figure = _draw(settings, "conv2", stop=synthetic.LATER)["conv"]
    assert _legend(figure)[-1] == "Early stop cut off: a lower bound"
    assert "early stops cannot be compared" in str(figure.get_supxlabel())
    whole = _outcomes(settings, "conv4") | _outcomes(settings, "conv2", stop=synthetic.LATER)
    figure = files.drawn(registry.drawings_over(settings, whole))["conv"]
    assert "Early stops cannot be compared in conv2" in str(figure.get_supxlabel())


def test_an_experiment_with_another_metric_is_left_out_of_the_axes(settings: Config) -> None:
    mixed = _outcomes(settings, "conv2") | _outcomes(settings, "conv4", metric=RMSE)
    assert _legend(files.drawn(registry.drawings_over(settings, mixed))["conv"]) == ["Conv-2", "Ticket", "Random reinit"]
    figure = _draw(settings, "conv4", metric=RMSE)["conv"]
    assert figure.axes[1].get_ylabel() == "Test RMSE at early stop"


def test_the_same_network_twice_is_told_apart_by_name(settings: Config) -> None:
    assert _legend(_draw(settings, "conv2", "conv2_small")["conv"])[:2] == ["Conv-2 (conv2)", "Conv-2 (conv2_small)"]
    assert _legend(_draw(settings, "conv2_small")["conv"]) == ["Conv-2", "Ticket"]


def test_a_network_with_dropout_keeps_its_colour_without_it(settings: Config) -> None:
    figure = _draw(settings, "conv2", "conv2_dropout")["dropout"]
    assert _legend(figure) == ["Conv-2, dropout 0.5", "Ticket", "Random reinit", "The same without dropout"]
    for axes in figure.axes:
        assert [(line.get_color(), line.get_linestyle()) for line in axes.lines] == [(style.BLUE, s) for s in ("-", "--", ":")]
    alone = _draw(settings, "conv2_dropout")["dropout"]
    assert _legend(alone) == ["Conv-2, dropout 0.5", "Ticket", "Random reinit"]
    assert len(alone.axes[0].lines) == 2


LONG = {"reinit": {"rounds": [2, 4], "draws": 2}, "dense_long": {"rounds": [4]}}


def _longer(settings: Config, name: str) -> Outcome:
    """The lanes of an experiment, with an arm that trains the dense network five times as long."""
    lanes = synthetic.of_params(settings, name, stop=500)
    return synthetic.outcome(
        [
            each | {"density": 1.0, "final_iteration": 5 * synthetic.LATER} if each["arm"] == "dense_long" else each
            for each in lanes
        ]
    )


@pytest.fixture
def long(settings: Config) -> Config:
    content = copy.deepcopy(CONTENT)
    for name in ("conv2", "resnet"):
        content["experiments"][name]["arms"] = LONG
    lottery.write_params(paths.PARAMS, content)
    return config.load()


def test_a_longer_training_of_the_dense_network_is_a_level_line_in_the_colour_of_its_experiment(long: Config) -> None:
    outcomes = {"conv4": _outcomes(long, "conv4")["conv4"], "conv2": _longer(long, "conv2")}
    figure = files.drawn(registry.drawings_over(long, outcomes))["conv"]
    assert _legend(figure) == ["Conv-4", "Conv-2", "Ticket", "Random reinit", "Dense, trained as long as all rounds"]
    stops, values = figure.axes
    assert [(line.get_color(), line.get_linestyle()) for line in stops.lines] == [
        (style.BLUE, "-"), (style.VERMILLION, "-"), (style.VERMILLION, "--"),
    ]  # fmt: skip
    level = values.lines[-1]
    assert (level.get_color(), level.get_linestyle()) == (style.VERMILLION, "-.")
    row = outcomes["conv2"].rows("dense_long").iloc[0]
    assert set(np.asarray(level.get_ydata())) == {100 * row["value_mean"]}


def test_deep_networks_have_it_at_the_end_of_training_and_keep_the_points_of_the_others(long: Config) -> None:
    outcomes = {"resnet": _longer(long, "resnet")}
    figure = files.drawn(registry.drawings_over(long, outcomes))["deep"]
    assert [axes.get_title() for axes in figure.axes] == [
        "A third of training\n1,500 iterations", "Two thirds\n3,500 iterations", "The end\n5,000 iterations",
    ]  # fmt: skip
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 3]
    points = outcomes["resnet"].points()
    end = points[(points["arm"] == "dense_long") & (points["point"] == 2)].iloc[0]
    assert end["iteration"] == 5 * synthetic.LATER
    assert set(np.asarray(figure.axes[2].lines[-1].get_ydata())) == {100 * end["value_mean"]}


def test_what_the_time_of_all_rounds_gains_is_said_of_each_experiment(long: Config) -> None:
    shown = registry.shown_over(long, {"resnet": _longer(long, "resnet")}, _figure("deep"))
    deep = " ".join(over.deep(shown, ("lr",)))
    assert "25,000 iterations" in deep
    shown = registry.shown_over(long, {"conv2": _longer(long, "conv2")}, _figure("conv"))
    assert "25,000 iterations" in " ".join(over.convolutions(shown, ()))


def test_deep_networks_are_shown_at_three_points_of_training(settings: Config) -> None:
    figure = _draw(settings, "resnet", "vgg", final_iteration=30_000)["deep"]
    labels = ["ResNet-20, lr 0.1, warmup 100it, rewound to 500it", "VGG-19, lr 0.01"]
    assert _legend(figure) == [*labels, "Ticket", "Random reinit"]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["A third of training\n9,000 iterations", "Two thirds\n21,000 iterations", "The end\n30,000 iterations"]
    assert figure.axes[0].get_ylabel() == "Test accuracy (%)"
    curves = _outcomes(settings, "resnet", final_iteration=30_000)["resnet"].curves
    assert curves is not None
    for axes, iteration in zip(figure.axes, (9000, 21_000, 30_000), strict=True):
        for line, arms in zip(axes.lines, (["dense", "ticket"], ["reinit"]), strict=False):
            rows = curves[curves["arm"].isin(arms) & (curves["iteration"] == iteration)].sort_values("density")
            np.testing.assert_allclose(np.asarray(line.get_ydata()), 100 * rows["test_accuracy_mean"])
