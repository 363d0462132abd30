"""How quality is measured: direction, unit and words come from the metric, and one rule says what is no worse."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.results.metric import Metric
from pipeline.values.errors import UserError

ACCURACY, RMSE, LENGTH = Metric("accuracy", "higher", "fraction"), Metric("rmse", "lower", ""), Metric("error", "lower", "mm")


def test_fractions_are_percent_and_other_units_are_kept() -> None:
    assert [metric.text(0.512) for metric in (ACCURACY, RMSE, LENGTH)] == ["51.20%", "0.512", "0.512 mm"]
    assert [metric.gap(-0.03) for metric in (ACCURACY, RMSE, LENGTH)] == ["-3.00 points", "-0.03", "-0.03 mm"]
    assert [metric.axis("Test") for metric in (ACCURACY, RMSE, LENGTH)] == ["Test accuracy (%)", "Test RMSE", "Test error (mm)"]
    assert [metric.shown(0.5) for metric in (ACCURACY, RMSE)] == [50, 0.5]
    assert ACCURACY.between(-0.01, 0.02) == "-1.00 to +2.00 points"


def test_the_direction_decides_which_is_better_and_is_said_where_it_is_not_obvious() -> None:
    values = [0.3, 0.1, 0.5, 0.5, 0.1]
    assert (ACCURACY.best(values), RMSE.best(values)) == (2, 1)
    assert ACCURACY.compared(0.5, 0.4) == "10.00 points higher"
    assert RMSE.compared(0.5, 0.4) == "0.1 higher (worse)"
    assert RMSE.compared(0.4, 0.5, "the dense network's") == "0.1 lower (better) than the dense network's"
    assert ACCURACY.compared(0.5, 0.5, "another") == "the same as another"


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.001, 0.5))
def test_no_worse_is_an_interval_whose_worse_end_is_within_the_margin(mean: float, half: float, margin: float) -> None:
    bounds = (mean - half, mean + half)
    assert ACCURACY.no_worse(bounds, margin) == (bounds[0] > -margin)
    assert RMSE.no_worse(bounds, margin) == (bounds[1] < margin)
    assert not ACCURACY.no_worse(None, margin) and not RMSE.no_worse(None, margin)


def test_the_margin_is_a_share_of_the_error() -> None:
    assert ACCURACY.margin(0.05, 0.98) == pytest.approx(0.001)
    assert RMSE.margin(0.05, 0.5) == pytest.approx(0.025)
    assert Metric("error_rate", "lower", "fraction").margin(0.05, 0.02) == pytest.approx(0.001)
    assert Metric("score", "higher", "").margin(0.1, -3.0) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ({"arm": ["dense"]}, "no column metric"),
        ({"metric": ["accuracy", "rmse"], "better": ["higher", "lower"], "unit": ["", ""]}, "should have one metric"),
        ({"metric": ["accuracy"], "better": ["more"], "unit": [""]}, "'more' is better; should be higher or lower"),
    ],
)
def test_a_table_that_does_not_say_how_lanes_are_measured_is_refused(rows: dict[str, list[str]], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        Metric.of(pd.DataFrame(rows))
