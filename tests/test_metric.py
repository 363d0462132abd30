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


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_no_worse_is_better_or_equal_in_the_direction_of_the_metric(value: float, than: float) -> None:
    assert ACCURACY.no_worse(value, value) and RMSE.no_worse(value, value)
    if abs(value - than) > 1e-6:
        assert ACCURACY.no_worse(value, than) == (value > than)
        assert RMSE.no_worse(value, than) == (value < than)


def test_means_that_differ_in_the_order_of_their_sums_are_equal() -> None:
    forth, back = (0.1 + 0.2 + 0.3) / 3, (0.3 + 0.2 + 0.1) / 3
    assert forth != back
    for metric in (ACCURACY, RMSE):
        assert metric.no_worse(forth, back) and metric.no_worse(back, forth)


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
