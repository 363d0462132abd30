"""What the figures show, and that their bytes depend on the tables alone."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection

from pipeline.results import figures, statistics
from pipeline.values.lanes import ARMS
from tests import synthetic

Tables = tuple[pd.DataFrame, pd.DataFrame]


def _tables(**arms: bool) -> Tables:
    lanes = synthetic.lanes(**arms)
    return statistics.rounds(lanes), statistics.curves((lane, synthetic.history(lane)) for lane in lanes)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return _tables(one_shot_reinit=True)


def _save(folder: Path) -> dict[str, str]:
    figures.save(figures.draw(*_tables(one_shot_reinit=True), (1.0, 0.2)), folder, 60)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("saved") / "figures"
    return folder, _save(folder)


def test_the_same_tables_give_the_same_bytes(saved: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    names = ("early_stop", "learning_curves", "one_shot")
    assert sorted(saved[1]) == [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    assert _save(tmp_path / "again") == saved[1]


def test_so_does_another_process_with_settings_of_the_users(saved: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 20\nsvg.hashsalt: other\nlines.linewidth: 5\nsavefig.bbox: tight\nxtick.direction: in\n"
    )
    code = f"from pathlib import Path; from tests.test_figures import _save; print(_save(Path({str(tmp_path / 'other')!r})))"
    settings = {
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "SOURCE_DATE_EPOCH": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(saved[1])


def test_files_name_no_date_and_no_program(saved: tuple[Path, dict[str, str]]) -> None:
    for path in saved[0].iterdir():
        content = path.read_bytes().lower()
        assert b"dc:date" not in content
        assert b"dc:creator" not in content
        assert b"software" not in content
        assert len(content) > 5000


def test_saving_leaves_no_figure_of_an_earlier_run(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one_shot.svg").write_text("old")
    figures.save(figures.draw(*_tables(one_shot=False), (1.0, 0.2)), tmp_path / "figures", 60)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"learning_curves", "early_stop"}


@pytest.mark.parametrize(
    ("arms", "labels"),
    [
        ({"one_shot": False, "reinit": False}, ["Ticket", "Dense network"]),
        ({"reinit": False}, ["Ticket", "Dense network"]),
        ({}, ["Ticket", "Random reinit", "Dense network"]),
    ],
)
def test_an_arm_that_was_not_trained_is_left_out(arms: dict[str, bool], labels: list[str]) -> None:
    drawn = figures.draw(*_tables(**arms), (1.0, 0.2))
    assert ("one_shot" in drawn) == arms.get("one_shot", True)
    assert [text.get_text() for text in drawn["early_stop"].legends[0].get_texts()] == labels


def test_figure_3_shows_every_arm(tables: Tables) -> None:
    legend = figures.draw(*tables, (1.0, 0.2))["one_shot"].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "Ticket", "One-shot ticket", "Random reinit", "Random reinit, one-shot mask", "Dense network",
    ]  # fmt: skip


def test_other_arms_have_a_figure_of_their_own_and_only_when_there_are_some(tables: Tables) -> None:
    others = [synthetic.summary(arm, k, 1) for arm in ("lr_rewind", "shuffled_mask") for k in (1, 2)]
    lanes = [*synthetic.lanes(one_shot_reinit=True), *others]
    drawn = figures.draw(
        statistics.rounds(lanes), statistics.curves((lane, synthetic.history(lane)) for lane in lanes), (1.0, 0.2)
    )
    assert "arms" not in figures.draw(*tables, (1.0, 0.2))
    assert [text.get_text() for text in drawn["arms"].legends[0].get_texts()] == [
        "Ticket", "Learning-rate rewinding", "Random reinit", "Shuffled mask", "Dense network",
    ]  # fmt: skip
    unchanged = drawn["early_stop"].legends[0].get_texts()
    assert [text.get_text() for text in unchanged] == ["Ticket", "Random reinit", "Dense network"]
    # With all its weights, what has the dense network's own is the dense network; fresh weights are not.
    most = {line.get_label(): max(np.asarray(line.get_xdata())) for line in drawn["arms"].axes[0].lines}
    assert (most["Learning-rate rewinding"], most["Shuffled mask"], most["Random reinit"]) == (1.0, 1.0, 0.6**3)


@pytest.mark.parametrize("shown", [figures.ONE_SHOT, ("ticket", "reinit", *figures.OTHERS)])
def test_arms_that_are_in_one_figure_look_different(shown: tuple[str, ...]) -> None:
    assert set(figures.LOOKS) == set(ARMS) == {*figures.ONE_SHOT, *figures.OTHERS}
    for looks in zip(*(figures.LOOKS[arm][:2] for arm in shown), strict=True):  # colours, markers
        assert len(set(looks)) == len(shown)


def test_panels_have_the_papers_axes_and_density_falls_from_left_to_right(tables: Tables) -> None:
    drawn = figures.draw(*tables, (1.0, 0.2))
    for name in ("early_stop", "one_shot"):
        left, right = drawn[name].axes
        assert left.get_ylabel() == "Early-Stop Iteration (Val.)"
        assert right.get_ylabel() == "Accuracy at Early-Stop (Test)"
        for axes in (left, right):
            assert axes.get_xlabel() == "Percent of Weights Remaining"
            assert axes.get_xscale() == "log"
            assert axes.get_xlim()[0] > 1 > 0.6**4 > axes.get_xlim()[1]
    curves = drawn["learning_curves"].axes[0]
    assert (curves.get_xlabel(), curves.get_ylabel()) == ("Training Iterations", "Test Accuracy")


def test_lines_are_means_and_bands_reach_from_min_to_max(tables: Tables) -> None:
    expected = statistics.summary(tables[0])
    for axes, measure in zip(
        figures.draw(*tables, (1.0,))["early_stop"].axes, ("early_stop_iteration", "accuracy_at_early_stop"), strict=True
    ):
        bands = [c for c in axes.collections if isinstance(c, PolyCollection)]
        for line, band, arm in zip(axes.lines, bands, ("ticket", "reinit"), strict=False):
            rows = expected[expected["arm"] == arm].sort_values("density")
            np.testing.assert_allclose(np.asarray(line.get_ydata()), rows[f"{measure}_mean"])
            heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
            assert heights.min() == pytest.approx(rows[f"{measure}_min"].min())
            assert heights.max() == pytest.approx(rows[f"{measure}_max"].max())
        dense = expected[expected["round"] == 0].iloc[0]
        assert set(np.asarray(axes.lines[-1].get_ydata())) == {dense[f"{measure}_mean"]}


def test_learning_curves_are_of_the_nearest_rounds_each_once(tables: Tables) -> None:
    figure = figures.draw(*tables, (0.2, 1.0, 0.22, 0.01))["learning_curves"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["100", "21.6", "13.0"]
    line = figure.axes[0].lines[1]
    curves = tables[1]
    expected = curves[(curves["arm"] == "ticket") & (curves["round"] == 3)]
    np.testing.assert_allclose(np.asarray(line.get_ydata()), expected["test_accuracy_mean"])
    heights = np.asarray(figure.axes[0].collections[1].get_paths()[0].vertices)[:, 1]
    assert heights.min() == pytest.approx(expected["test_accuracy_min"].min())
    assert heights.max() == pytest.approx(expected["test_accuracy_max"].max())


def test_ticks_are_the_papers_densities() -> None:
    lenet = [(235_200 * 0.8**k + 30_000 * 0.8**k + 1_000 * 0.9**k) / 266_200 for k in range(19)]
    assert [statistics.percent(d) for d in figures._ticks(lenet)] == ["100", "51.3", "26.3", "13.5", "7.0", "3.6", "1.9"]
    assert figures._ticks([1.0]) == [1.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.1, 0.9), min_size=1, max_size=30))
def test_ticks_are_few_and_start_at_dense(rates: list[float]) -> None:
    densities = [1.0, *np.cumprod(rates)]
    ticks = figures._ticks(densities)
    assert ticks[0] == 1.0
    assert 2 <= len(ticks) <= 7
    assert set(ticks) <= set(densities)


CURVE = st.tuples(st.floats(0.1, 1.0), st.floats(1, 300))


@settings(max_examples=50, deadline=None)
@given(st.lists(CURVE, min_size=1, max_size=6))
def test_the_zoom_hides_no_curves_end(drawn: list[tuple[float, float]]) -> None:
    curves = [_curve(end, pace) for end, pace in drawn]
    low, high = figures._zoom(curves)
    assert 0 <= low < high <= 1
    for lines in curves:
        assert low <= lines["test_accuracy_min"].iloc[-1]
        assert lines["test_accuracy_max"].max() <= high


def test_the_zoom_leaves_the_climb_out() -> None:
    low, high = figures._zoom([_curve(0.980, 150), _curve(0.984, 100), _curve(0.976, 300)])
    assert 0.94 <= low <= 0.975
    assert high < 0.99


def _curve(end: float, pace: float) -> pd.DataFrame:
    iterations = np.arange(0, 12_001, 100)
    accuracy: Any = end - (end - 0.1) * np.exp(-iterations / pace)
    return pd.DataFrame({"iteration": iterations} | {f"test_accuracy_{how}": accuracy for how in ("mean", "min", "max")})
