"""Each figure has a chart, which is valid and shows the numbers of the table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.figures.shown import Shown
from pipeline.page import inside, single, vega
from pipeline.page.chart import Bars, Panel, Picture
from pipeline.page.charts import CHARTS
from pipeline.report import content, registry
from pipeline.settings import config
from pipeline.values import paths
from tests import lottery, pages, synthetic
from tests.several import CONTENT
from tests.synthetic import trio


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(synthetic.PARAMS)


def test_each_figure_has_a_chart() -> None:
    assert {*CHARTS} == {figure.file for figure in content.FIGURES}


def _drawn(shown: Shown, file: str, parts: Any) -> list[Panel | Picture | Bars]:
    return list(CHARTS[file](shown, parts).panels)


def test_charts_show_the_numbers_of_the_table() -> None:
    shown = synthetic.shown(synthetic.lanes())
    left, right = _drawn(shown, "early_stop", ["ticket", "reinit"])
    assert isinstance(left, Panel) and isinstance(right, Panel)
    table = shown.outcome.table
    points = next(line for line in right.lines if line.label == "Ticket").points
    rows = table[table["arm"].isin(["dense", "ticket"])].sort_values("density")
    assert points["y"].tolist() == (100 * rows["value_mean"]).tolist()
    assert points["low"].tolist() == (100 * rows["value_min"]).tolist()
    assert points["round"].tolist() == rows["round"].tolist() == [4, 3, 2, 1, 0]
    drawn = vega.drawn(right)
    assert [line.label for line in right.lines] == ["Ticket", "Random reinit"]
    assert [y for y, line in zip(drawn.data["y"], drawn.data["line"], strict=True) if line == 1] == [93.15]
    assert drawn.spec["params"] == [{"name": "round", "value": 0}]
    assert "Ticket, Random reinit" in drawn.alt


def test_a_lower_bound_is_one_in_the_tooltip_and_under_the_slider_too() -> None:
    late = [lane | ({"early_stop_iteration": synthetic.LATER} if lane["arm"] == "reinit" else {}) for lane in synthetic.lanes()]
    for lanes, is_open in ((synthetic.lanes(), False), (late, True)):
        left, right = (vega.drawn(panel).spec for panel in _drawn(synthetic.shown(lanes), "early_stop", ["ticket", "reinit"]))
        assert "datum.open ? '≥ '" in json.dumps(left, ensure_ascii=False)
        assert "≥" not in json.dumps(right, ensure_ascii=False)
        hollow = [layer for layer in left["layer"] if layer.get("encoding", {}).get("fill")]
        assert len(hollow) == 2 * is_open


def test_every_chart_is_valid_vega_lite(tmp_path: Path) -> None:
    """Altair checks a specification against its schema only here, because that takes a second for each."""
    import altair

    lottery.write_params(paths.PARAMS, CONTENT)
    settings, parts = config.load(), []
    for name, figure in (("conv2_dropout", "dropout"), ("vgg", "deep")):
        outcomes = {name: synthetic.outcome(synthetic.of_params(settings, name))}
        record = next(each for each in content.FIGURES if each.file == figure)
        parts += _drawn(registry.shown_over(settings, outcomes, record), figure, record.details)[:1]
    shown = pages.examined_toy()
    for file in ("learning_curves", "early_stop", "survivors", "overlap"):
        parts += _drawn(shown, file, ["ticket"])[:1]
    picture = inside.picture(shown, {2: {1: np.arange(64), 2: np.arange(64)}})
    assert picture is not None and picture.side == 8
    for part in [*parts, picture]:
        drawn = vega.drawn(part)
        altair.LayerChart.from_dict(drawn.spec) if "layer" in drawn.spec else altair.Chart.from_dict(drawn.spec)
        assert len({len(column) for column in drawn.data.values()}) == 1
    assert len(parts) == 6


@pytest.mark.parametrize(("file", "panels"), [("overlap", 2), ("connections", 2)])
def test_panels_of_the_same_quantity_have_the_same_axis(file: str, panels: int) -> None:
    drawn = _drawn(pages.examined_toy(), file, ["ticket"])[:panels]
    axes = [panel.y for panel in drawn if isinstance(panel, Panel)]
    assert len(axes) == panels and len({axis.limits for axis in axes}) == 1
    assert axes[0].limits is not None
    low, high = axes[0].limits
    values = [value for panel in drawn if isinstance(panel, Panel) for line in panel.lines for value in line.points["y"]]
    assert low < min(values) and max(values) < high
    assert low == 0 or axes[0].kind == "share"


def test_differences_from_the_ticket_are_points_with_intervals() -> None:
    arms = ("survivors", "permuted", "same_sign")
    lanes = [*trio("dense", 0, 0.95), *trio("ticket", 1, 0.96)]
    lanes += [each for place, arm in enumerate(arms) for each in trio(arm, 1, 0.94 - 0.01 * place, 0.001)]
    (bars,) = single.intervals(synthetic.shown(lanes), arms).panels
    assert isinstance(bars, Bars) and bars.title == "60.0% of the weights"
    assert bars.rows["mean"].round(6).tolist() == [-2.0, -3.0, -4.0]
    assert (bars.rows["low"] < bars.rows["mean"]).all() and (bars.rows["mean"] < bars.rows["high"]).all()
    drawn = vega.drawn(bars)
    assert drawn.data["label"] == [*bars.order] and "95% intervals" in drawn.alt
