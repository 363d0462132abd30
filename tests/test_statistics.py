"""Tables and differences against hand-made numbers and against numpy."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.results import statistics
from pipeline.results.metric import Metric
from pipeline.values.errors import UserError
from tests import synthetic
from tests.synthetic import RMSE, TICKETS, lane

ACCURACY = Metric("accuracy", "higher", "fraction")


# --- Tables


def test_arms_stand_in_the_order_in_which_they_come_and_each_by_round_seed_and_draw() -> None:
    mixed = [lane("own_arm", 2, 2), lane("ticket", 1), lane("own_arm", 2, 1), lane("own_arm", 1), lane("reinit", 1, 1, 2)]
    table = statistics.rounds([lane("dense", 0), *mixed, lane("reinit", 1, 1, 1)])
    assert list(table["arm"].unique()) == ["dense", "own_arm", "ticket", "reinit"]
    own = table[table["arm"] == "own_arm"]
    assert list(zip(own["round"], own["seed"], strict=True)) == [(1, 1), (2, 1), (2, 2)]
    assert table[table["arm"] == "reinit"]["draw"].tolist() == [1, 2]


def test_rounds_has_the_columns_of_the_design_with_the_metric_in_them() -> None:
    table = statistics.rounds(synthetic.lanes())
    assert ",".join(table.columns) == (
        "round,density,arm,seed,draw,early_stop_iteration,accuracy_at_early_stop,"
        "validation_loss_at_early_stop,final_accuracy,final_iteration,metric,better,unit,target"
    )
    assert table[table["arm"] == "ticket"]["draw"].isna().all()
    assert table[table["arm"] == "reinit"]["draw"].tolist() == [1, 2, 1, 2]
    assert set(table["density"]) == {0.6**k for k in range(5)}
    regression = statistics.rounds([lane("dense", 0, metric=RMSE, value=0.5)])
    assert {"rmse_at_early_stop", "final_rmse"} < set(regression.columns)
    assert regression[["metric", "better", "unit"]].iloc[0].tolist() == ["rmse", "lower", ""]


def test_lanes_with_two_metrics_are_refused() -> None:
    with pytest.raises(UserError, match="should have one metric"):
        statistics.rounds([lane("dense", 0), lane("ticket", 1, metric=RMSE)])


@settings(max_examples=25, deadline=None)  # a group-by takes milliseconds
@given(TICKETS)
def test_summary_agrees_with_numpy(found: list[dict[str, Any]]) -> None:
    table = statistics.summary(statistics.rounds(found), ACCURACY)
    assert table["n"].sum() == len(found)
    for _, row in table.iterrows():
        values = [each["accuracy_at_early_stop"] for each in found if each["round"] == row["round"]]
        stops = [each["early_stop_iteration"] for each in found if each["round"] == row["round"]]
        assert row["n"] == row["seeds"] == len(values)
        assert row["value_mean"] == pytest.approx(np.mean(values))
        assert row["stop_mean"] == pytest.approx(np.mean(stops))
        assert (row["value_min"], row["value_max"]) == (min(values), max(values))
        assert row["censored"] == sum(stop >= 0.95 * synthetic.LATER for stop in stops)


def test_curves_are_mean_min_and_max_over_the_lanes_of_an_item() -> None:
    pairs = [(each, synthetic.history(each)) for each in synthetic.lanes()]
    table = statistics.curves(pairs)
    reinit = table[table["arm"] == "reinit"].reset_index(drop=True)
    values = np.array([history["test_accuracy"] for each, history in pairs if each["arm"] == "reinit"])
    assert reinit["iteration"].tolist() == list(range(0, synthetic.LATER + 1, synthetic.LATER // 10))
    assert values.shape == (4, 11)  # two seeds, two draws
    for how, expected in (("mean", values.mean(0)), ("min", values.min(0)), ("max", values.max(0))):
        np.testing.assert_allclose(reinit[f"test_accuracy_{how}"], expected, rtol=1e-12)
    assert reinit["train_loss_mean"].isna().tolist() == [True] + [False] * 10
    assert len(table) == 7 * 11
    assert set(reinit["density"]) == {0.6**3}
    assert list(table["arm"].unique()) == ["dense", "ticket", "one_shot", "reinit"]


def test_the_evaluations_at_three_points_are_the_nearest_of_each_training() -> None:
    rows = [("ticket", k, i, i / 100) for k, begin in ((0, 0), (1, 30)) for i in range(begin, 91, 20 if k == 0 else 15)]
    curves = pd.DataFrame(rows, columns=["arm", "round", "iteration", "test_accuracy_mean"])
    found = statistics.at_points(curves)
    assert found[found["round"] == 0]["iteration"].tolist() == [20, 60, 80]  # 20 and 40 are equally near to 30
    assert found[found["round"] == 1]["iteration"].tolist() == [30, 60, 90]
    assert found["point"].tolist() == [0, 1, 2] * 2
    assert found["test_accuracy_mean"].tolist() == [0.2, 0.6, 0.8, 0.3, 0.6, 0.9]


# --- Differences paired by seed


def test_a_difference_is_paired_by_seed_and_the_draws_of_a_seed_are_averaged() -> None:
    tickets, reinits = (0.90, 0.92, 0.97), ((0.80, 0.84), (0.83, 0.83), (0.85, 0.89))
    found = [lane("dense", 0, seed) for seed in range(3)]
    found += [lane("ticket", 1, seed, value=value) for seed, value in enumerate(tickets)]
    found += [lane("reinit", 1, seed, i, value=v) for seed, values in enumerate(reinits) for i, v in enumerate(values)]
    outcome = synthetic.outcome(found)
    difference = outcome.difference(outcome.rows("ticket").iloc[0], outcome.rows("reinit").iloc[0])
    paired = np.array([0.08, 0.09, 0.10])  # of each seed
    assert difference.n == 3
    assert difference.mean == pytest.approx(paired.mean())
    assert difference.half == pytest.approx(4.302653 * paired.std(ddof=1) / math.sqrt(3), rel=1e-6)  # t of 2 degrees, 97.5%
    assert difference.bounds == pytest.approx((0.09 - difference.half, 0.09 + difference.half))


def test_two_replicates_have_no_interval_and_only_common_seeds_count() -> None:
    found = [lane("dense", 0, seed, value=0.9) for seed in (1, 2)]
    found += [lane("ticket", 1, seed, value=0.91) for seed in (2, 3, 4)]
    outcome = synthetic.outcome(found)
    difference = outcome.difference(outcome.tickets.iloc[0], outcome.dense)
    assert (difference.n, difference.half, difference.bounds) == (1, None, None)
    assert difference.mean == pytest.approx(0.01)


# --- Words


@given(st.floats(1e-6, 1.0))
def test_percent_reads_back_as_the_density(density: float) -> None:
    assert math.isclose(float(statistics.percent(density)), 100 * density, rel_tol=0.051)


def test_percent_is_written_as_in_the_paper() -> None:
    assert [statistics.percent(d) for d in (1.0, 0.5128, 0.07, 0.0358, 0.00147)] == ["100", "51.3", "7.0", "3.6", "0.15"]
