"""What stands on and below the axes of a figure: ticks, limits, marks, and over what its means are."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import axes, files, learning_curves
from pipeline.report import registry
from pipeline.results.metric import Metric
from pipeline.results.statistics import percent
from tests import synthetic
from tests.synthetic import lane

ACCURACY = Metric("accuracy", "higher", "fraction")


def _drawn(lanes: list[dict[str, Any]], **figures: Any) -> dict[str, Figure]:
    """By file. figures: changes of that section of params.yaml."""
    return files.drawn(registry.drawings(synthetic.shown(lanes, **figures)))


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _line_below(figure: Figure) -> str:
    return str(figure.get_supxlabel())


def test_the_line_below_says_over_what_means_and_bands_are() -> None:
    three = [lane("ticket", k, seed) for k in range(3) for seed in (1, 2, 3)]
    assert _line_below(_drawn(three)["early_stop"]) == "Lines show the mean and bands the range of 3 replicates."
    draws = [lane("reinit", 1, seed, draw) for seed in (1, 2, 3) for draw in (1, 2)]
    below = _line_below(_drawn([*three, *draws])["early_stop"])
    assert "3 replicates (3 to 6 trainings at a point)" in below
    assert "3 replicates." in _line_below(_drawn([*three, *draws])["learning_curves"])
    assert "1 to 3 replicates" in _line_below(_drawn([*three, lane("ticket", 4, 1)])["early_stop"])


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return _drawn(synthetic.lanes(one_shot_reinit=True))


def _open_markers(figure: Figure) -> list[list[tuple[float, float]]]:
    """Of each panel, the points with white markers."""
    found = []
    for panel in figure.axes:
        lines = [line for line in panel.lines if isinstance(line, Line2D) and line.get_linestyle() == "None"]
        white = [line for line in lines if to_hex(line.get_markerfacecolor()) == "#ffffff"]
        found.append([(float(x), float(y)) for line in white for x, y in zip(*line.get_data(), strict=True)])
    return found


def test_early_stops_at_the_end_of_training_have_open_markers_and_the_legend_says_so(drawn: dict[str, Figure]) -> None:
    end = synthetic.LATER
    lanes = [lane("ticket", k, seed, stop=1000, value=0.9) for k in range(3) for seed in (1, 2)]
    lanes += [lane("reinit", k, seed, 1, stop=end if k == seed == 2 else 1000, value=0.8) for k in (1, 2) for seed in (1, 2)]
    figure = _drawn(lanes)["early_stop"]
    assert _open_markers(figure) == [[(0.36, (1000 + end) / 2)], [(0.36, 80.0)]]
    assert _legend(figure)[-1] == "Early stop cut off: a lower bound"
    assert "cannot be compared" not in _line_below(figure)
    assert _open_markers(drawn["early_stop"]) == [[], []]
    assert "Early stop cut off: a lower bound" not in _legend(drawn["early_stop"])


def test_where_the_dense_network_is_cut_off_the_figure_says_that_nothing_is_compared() -> None:
    lanes = [lane("ticket", k, seed, stop=synthetic.LATER) for k in range(3) for seed in (1, 2)]
    figure = _drawn(lanes)["early_stop"]
    assert len(_open_markers(figure)[0]) == 3
    assert "The dense network's early stop is cut off" in _line_below(figure)
    assert "early stops cannot be compared" in _line_below(figure)


# --- Ticks and zoom


def test_ticks_are_the_papers_densities() -> None:
    lenet = [(235_200 * 0.8**k + 30_000 * 0.8**k + 1_000 * 0.9**k) / 266_200 for k in range(19)]
    assert [percent(d) for d in axes.ticks(lenet)] == ["100", "51.3", "26.3", "13.5", "7.0", "3.6", "1.9"]
    assert axes.ticks([1.0]) == [1.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.1, 0.9), min_size=1, max_size=30))
def test_ticks_are_few_and_start_at_dense(rates: list[float]) -> None:
    densities = [1.0, *np.cumprod(rates)]
    ticks = axes.ticks(densities)
    assert ticks[0] == 1.0
    assert 2 <= len(ticks) <= 7
    assert set(ticks) <= set(densities)


CURVE = st.tuples(st.floats(0.1, 1.0), st.floats(1, 300))


@settings(max_examples=50, deadline=None)
@given(st.lists(CURVE, min_size=1, max_size=6))
def test_the_zoom_hides_no_curves_end(drawn: list[tuple[float, float]]) -> None:
    curves = [_curve(end, pace) for end, pace in drawn]
    low, high = learning_curves.zoom(curves, ACCURACY)
    assert 0 <= low < high <= 100
    for lines in curves:
        assert low <= 100 * lines["test_accuracy_min"].iloc[-1]
        assert 100 * lines["test_accuracy_max"].max() <= high


def test_the_zoom_leaves_the_climb_out() -> None:
    low, high = learning_curves.zoom([_curve(0.980, 150), _curve(0.984, 100), _curve(0.976, 300)], ACCURACY)
    assert 94 <= low <= 97.5
    assert high < 99


@settings(max_examples=50, deadline=None)
@given(st.lists(CURVE, min_size=1, max_size=6))
def test_where_lower_is_better_the_zoom_is_the_mirror_image(drawn: list[tuple[float, float]]) -> None:
    curves = [_curve(end, pace) for end, pace in drawn]
    mirrored = []
    for lines in curves:
        values = {f"test_error_{how}": 2 - lines["test_accuracy_mean"] for how in ("mean", "min", "max")}
        mirrored.append(pd.DataFrame({"iteration": lines["iteration"], **values}))
    low, high = learning_curves.zoom(mirrored, Metric("error", "lower", "m"))
    assert 0 <= low < high
    for lines in mirrored:
        assert low <= lines["test_error_min"].min()
        assert lines["test_error_max"].iloc[-1] <= high


def _curve(end: float, pace: float) -> pd.DataFrame:
    iterations = np.arange(0, 12_001, 100)
    accuracy: Any = end - (end - 0.1) * np.exp(-iterations / pace)
    return pd.DataFrame({"iteration": iterations} | {f"test_accuracy_{how}": accuracy for how in ("mean", "min", "max")})
