"""Tables and the numbers drawn from them against hand-made numbers and against numpy."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.results import numbers, statistics
from pipeline.results.metric import Metric
from pipeline.results.numbers import Numbers
from pipeline.values.errors import UserError
from tests import synthetic
from tests.synthetic import RMSE, lane

ACCURACY = Metric("accuracy", "higher", "fraction")
LANES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 10_000), st.integers(0, 12_000)),
    min_size=1,
    max_size=25,
    unique_by=lambda drawn: drawn[:2],
).map(lambda drawn: [lane("ticket", k, seed, value=right / 10_000, stop=stop) for k, seed, right, stop in drawn])


def _metrics(found: list[dict[str, Any]]) -> Numbers:
    return numbers.metrics(synthetic.outcome(found))


def _dense_and_ticket(dense: dict[str, Any], ticket: dict[str, Any], density: float = 0.21, *more: dict[str, Any]) -> Numbers:
    return _metrics([lane("dense", 0, **dense), lane("ticket", 3, density=density, **ticket), *more])


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
@given(LANES)
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


# --- metrics.json


def test_metrics_of_a_small_experiment_by_hand() -> None:
    found = [
        lane("dense", 0, 1, stop=4000, value=0.97),
        lane("dense", 0, 2, stop=4600, value=0.98),
        lane("ticket", 1, 1, density=0.5, value=0.99),
        lane("ticket", 2, 1, density=0.2, stop=3000, value=0.985),
        lane("ticket", 3, 1, density=0.1, value=0.975),
        lane("ticket", 4, 1, density=0.05, value=0.974),
        lane("reinit", 2, 1, 1, density=0.2, stop=4000, value=0.96),
        lane("reinit", 2, 1, 2, density=0.2, stop=4500, value=0.97),
        lane("reinit", 2, 2, 1, density=0.2, stop=4700, value=0.98),
    ]
    found_numbers = _metrics(found)
    assert (found_numbers["metric"], found_numbers["void"]) == ("accuracy", None)
    assert {key: value for key, value in found_numbers.items() if key not in ("metric", "void")} == pytest.approx(
        {
            "dense_accuracy": 0.975,
            "best_ticket_accuracy": 0.99,
            "best_ticket_density": 0.5,
            "smallest_winning_density": 0.1,
            "density_near_21": 0.2,
            "early_stop_speedup_at_21": 4300 / 3000,
            "reinit_early_stop_ratio_at_21": 4400 / 3000,
            "reinit_accuracy_gap_at_21": 0.015,
        }
    )


def test_where_lower_is_better_the_best_ticket_is_the_lowest_and_equal_is_no_worse() -> None:
    values = {0: 0.50, 1: 0.48, 2: 0.46, 3: 0.50, 4: 0.55}
    found = [lane("ticket", k, metric=RMSE, value=value) for k, value in values.items()]
    found.append(lane("reinit", 3, 1, 1, metric=RMSE, value=0.53))
    found_numbers = _metrics(found)
    assert found_numbers["dense_rmse"] == 0.50
    assert (found_numbers["best_ticket_rmse"], found_numbers["best_ticket_density"]) == (0.46, 0.6**2)
    assert found_numbers["smallest_winning_density"] == 0.6**3
    assert found_numbers["reinit_rmse_gap_at_21"] == pytest.approx(-0.03)
    assert not [key for key in found_numbers if "accuracy" in key]
    worse = _metrics([lane("ticket", k, metric=RMSE, value=0.5 + 0.1 * k) for k in range(3)])
    assert worse["smallest_winning_density"] == 1.0


@settings(max_examples=25, deadline=None)  # a group-by takes milliseconds
@given(LANES)
def test_the_smallest_winning_ticket_is_no_worse_than_dense_and_every_smaller_one_is(found: list[dict[str, Any]]) -> None:
    table = synthetic.outcome([lane("dense", 0, 10), lane("dense", 0, 11), *found]).table
    smallest = _metrics([lane("dense", 0, 10), lane("dense", 0, 11), *found])["smallest_winning_density"]
    by_density = dict(zip(table["density"], table["value_mean"], strict=True))
    assert isinstance(smallest, float) and ACCURACY.no_worse(by_density[smallest], by_density[1.0])
    assert all(value < by_density[1.0] for density, value in by_density.items() if density < smallest)


def test_the_same_accuracies_in_another_order_are_no_worse() -> None:
    values = (0.1, 0.2, 0.3)
    assert sum(values) != sum(reversed(values))  # what a plain sum makes of them
    found = [lane("dense", 0, seed, value=a) for seed, a in enumerate(values)]
    found += [lane("ticket", 1, seed, value=a) for seed, a in enumerate(reversed(values))]
    assert _metrics(found)["smallest_winning_density"] == 0.6


@pytest.mark.parametrize(("density", "near"), [(0.17, True), (0.25, True), (0.167, False), (0.253, False), (0.6, False)])
def test_at_21_is_a_round_within_a_fifth_of_it_or_null(density: float, near: bool) -> None:
    found = _dense_and_ticket({"stop": 400}, {"stop": 200}, density)
    assert found["early_stop_speedup_at_21"] == (2.0 if near else None)
    assert found["density_near_21"] == (density if near else None)  # which the report names, not 21%
    assert found["void"] is None


def test_reinit_counts_only_in_the_round_of_the_ticket_it_is_compared_with() -> None:
    other = lane("reinit", 2, 1, 1, density=0.22)
    for more in ([], [other]):
        found = _dense_and_ticket({}, {}, 0.21, *more)
        assert found["reinit_early_stop_ratio_at_21"] is None
        assert found["reinit_accuracy_gap_at_21"] is None
    assert _dense_and_ticket({}, {}, 0.21, lane("reinit", 3, 1, 1, density=0.21))["reinit_accuracy_gap_at_21"] is not None


def test_an_early_stop_at_iteration_0_gives_null_and_not_a_crash() -> None:
    reinit = lane("reinit", 3, 1, 1, density=0.21)
    found = _dense_and_ticket({}, {"stop": 0}, 0.21, reinit)
    assert found["early_stop_speedup_at_21"] is None
    assert found["reinit_early_stop_ratio_at_21"] is None
    assert _dense_and_ticket({"stop": 0}, {})["early_stop_speedup_at_21"] == 0.0


def test_without_tickets_only_the_dense_network_is_told() -> None:
    for more in ([], [lane("own_arm", 3, density=0.21)]):
        found = _metrics([lane("dense", 0), *more])
        assert found["dense_accuracy"] == pytest.approx(0.961)
        assert found["smallest_winning_density"] == 1.0
        assert [key for key, value in found.items() if value is None] == [
            "best_ticket_accuracy", "best_ticket_density", "density_near_21", "early_stop_speedup_at_21",
            "reinit_early_stop_ratio_at_21", "reinit_accuracy_gap_at_21", "void",
        ]  # fmt: skip


def test_without_the_dense_network_metrics_are_refused() -> None:
    with pytest.raises(UserError, match="no lane of the arm dense"):
        _metrics([lane("ticket", 1)])


def test_of_equally_good_tickets_the_smallest_is_best() -> None:
    assert _metrics([lane("ticket", k, value=0.98) for k in range(3)])["best_ticket_density"] == 0.6**2


# --- Early stops that the end of training cuts off

AT_THE_END, IN_TIME = 0.95 * synthetic.LATER, 0.9 * synthetic.LATER


def test_one_cut_off_replicate_of_the_dense_network_makes_its_ratio_void() -> None:
    late = lane("dense", 0, 2, stop=int(AT_THE_END))
    found = _dense_and_ticket({"stop": 400}, {"stop": 200}, 0.21, late, lane("reinit", 3, 1, 1, density=0.21, stop=300))
    assert found["early_stop_speedup_at_21"] is None
    assert "early_stop_speedup_at_21: the dense network's early stop" in str(found["void"])
    assert "in 1 of 2 replicates" in str(found["void"])
    assert found["reinit_early_stop_ratio_at_21"] == 1.5  # neither of its arms is cut off
    in_time = lane("dense", 0, 2, stop=int(AT_THE_END) - 1)
    assert _dense_and_ticket({"stop": 400}, {"stop": 200}, 0.21, in_time)["early_stop_speedup_at_21"] is not None


@pytest.mark.parametrize(("late", "is_void"), [(0, False), (2, False), (3, True), (4, True)])
def test_another_arm_makes_a_ratio_void_when_most_of_its_lanes_are_cut_off(late: int, is_void: bool) -> None:
    stops = [int(AT_THE_END)] * late + [int(IN_TIME)] * (4 - late)
    reinits = [lane("reinit", 3, 1, draw, density=0.21, stop=stop) for draw, stop in enumerate(stops)]
    found = _dense_and_ticket({"stop": 400}, {"stop": 200}, 0.21, *reinits)
    assert (found["reinit_early_stop_ratio_at_21"] is None) == is_void
    assert found["early_stop_speedup_at_21"] == 2.0
    assert (f"reinit at 21.0% is cut off by the end of training in {late} of 4 lanes" in str(found["void"])) == is_void


def test_metrics_are_flat_with_numbers_and_strings_only_as_dvc_reads_them() -> None:
    for found in (synthetic.lanes(), [each | {"early_stop_iteration": synthetic.LATER} for each in synthetic.lanes()]):
        assert {type(value) for value in _metrics(found).values()} <= {float, str, type(None)}


# --- Words


@given(st.floats(1e-6, 1.0))
def test_percent_reads_back_as_the_density(density: float) -> None:
    assert math.isclose(float(statistics.percent(density)), 100 * density, rel_tol=0.051)


def test_percent_is_written_as_in_the_paper() -> None:
    assert [statistics.percent(d) for d in (1.0, 0.5128, 0.07, 0.0358, 0.00147)] == ["100", "51.3", "7.0", "3.6", "0.15"]
