"""The headline numbers of metrics.json, and which of them are void."""

from typing import Any

import pytest
from hypothesis import given, settings

from pipeline.results import numbers
from pipeline.results.metric import Metric
from pipeline.results.numbers import Numbers
from pipeline.values.errors import UserError
from tests import synthetic
from tests.synthetic import ACCURACY as ACCURACIES
from tests.synthetic import RMSE, TICKETS, lane, trio

ACCURACY = Metric("accuracy", "higher", "fraction")


def _metrics(found: list[dict[str, Any]]) -> Numbers:
    return numbers.metrics(synthetic.outcome(found))


def _dense_and_ticket(dense: dict[str, Any], ticket: dict[str, Any], density: float = 0.21, *more: dict[str, Any]) -> Numbers:
    return _metrics([lane("dense", 0, **dense), lane("ticket", 3, density=density, **ticket), *more])


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
    assert found_numbers["void"] == "smallest_winning_density: 1 replicate is too few for an interval"
    absent = [key for key in found_numbers if key.startswith("smallest_winning")]
    assert {found_numbers[key] for key in absent} == {None}
    assert {key: value for key, value in found_numbers.items() if key not in ("metric", "void", *absent)} == pytest.approx(
        {
            "dense_accuracy": 0.975,
            "best_ticket_accuracy": 0.99,
            "best_ticket_density": 0.5,
            "margin": 0.05 * 0.025,
            "density_near_21": 0.2,
            "early_stop_speedup_at_21": 4300 / 3000,
            "reinit_early_stop_ratio_at_21": 4400 / 3000,
            "ticket_minus_reinit_accuracy_at_21": 0.015,
        }
    )


def test_where_lower_is_better_the_best_ticket_is_the_lowest_and_equal_is_no_worse() -> None:
    values = {0: 0.50, 1: 0.48, 2: 0.46, 3: 0.50, 4: 0.55}
    found = [each for k, value in values.items() for each in trio("ticket", k, value, metric=RMSE)]
    found += trio("reinit", 3, 0.53, draw=1, metric=RMSE)
    found_numbers = _metrics(found)
    assert found_numbers["dense_rmse"] == 0.50
    assert (found_numbers["best_ticket_rmse"], found_numbers["best_ticket_density"]) == (pytest.approx(0.46), 0.6**2)
    assert found_numbers["smallest_winning_density"] == 0.6**3
    assert found_numbers["ticket_minus_reinit_rmse_at_21"] == pytest.approx(-0.03)
    assert not [key for key in found_numbers if "accuracy" in key]
    worse = _metrics([each for k in range(3) for each in trio("ticket", k, 0.5 + 0.1 * k, metric=RMSE)])
    assert worse["smallest_winning_density"] == 1.0


@settings(max_examples=25, deadline=None)  # a group-by takes milliseconds
@given(TICKETS)
def test_the_smallest_winning_ticket_is_shown_no_worse_than_dense_and_no_smaller_one_is(found: list[dict[str, Any]]) -> None:
    dense = [lane("dense", 0, seed) for seed in range(10, 14)]
    outcome = synthetic.outcome([*dense, *(each for each in found if each["round"])])
    smallest = numbers.metrics(outcome)["smallest_winning_density"]
    if smallest is None:
        return
    for _, row in outcome.tickets.iterrows():
        bounds = outcome.difference(row, outcome.dense).bounds
        if row["density"] <= smallest:
            assert ACCURACY.no_worse(bounds, outcome.margin()) == (row["density"] == smallest)


@pytest.mark.parametrize(("metric", "sign"), [(ACCURACIES, 1), (RMSE, -1)])
def test_no_worse_needs_the_worse_end_of_the_interval_above_minus_the_margin(metric: dict[str, str], sign: int) -> None:
    def smallest(gains: tuple[float, ...]) -> Numbers:
        dense = [lane("dense", 0, seed, metric=metric, value=0.5) for seed in range(len(gains))]
        return _metrics([*dense, *(lane("ticket", 1, s, metric=metric, value=0.5 + sign * g) for s, g in enumerate(gains))])

    assert smallest((-0.01, -0.011, -0.009))["smallest_winning_density"] == 0.6  # the margin is 5% of 0.5
    assert smallest((-0.03, 0.03, 0.04))["smallest_winning_density"] == 1.0  # better on average, but not surely
    assert smallest((0.02, 0.02, 0.02))["smallest_winning_density"] == 1.0  # no spread, no interval
    few = smallest((0.1, 0.11))
    assert few["smallest_winning_density"] is None
    assert few["void"] == "smallest_winning_density: 2 replicates are too few for an interval"
    shown = smallest((0.01, 0.02, 0.03))
    low, high = sorted(sign * b for b in (0.02 - 4.302653 * 0.01 / 3**0.5, 0.02 + 4.302653 * 0.01 / 3**0.5))
    assert shown["smallest_winning_low"] == pytest.approx(low, rel=1e-6)
    assert shown["smallest_winning_high"] == pytest.approx(high, rel=1e-6)
    assert shown["margin"] == pytest.approx(0.025)


@pytest.mark.parametrize(("density", "near"), [(0.17, True), (0.25, True), (0.167, False), (0.253, False), (0.6, False)])
def test_at_21_is_a_round_within_a_fifth_of_it_or_null(density: float, near: bool) -> None:
    found = _dense_and_ticket({"stop": 400}, {"stop": 200}, density)
    assert found["early_stop_speedup_at_21"] == (2.0 if near else None)
    assert found["density_near_21"] == (density if near else None)  # which the report names, not 21%
    assert found["void"] == "smallest_winning_density: 1 replicate is too few for an interval"


def test_reinit_counts_only_in_the_round_of_the_ticket_it_is_compared_with() -> None:
    other = lane("reinit", 2, 1, 1, density=0.22)
    for more in ([], [other]):
        found = _dense_and_ticket({}, {}, 0.21, *more)
        assert found["reinit_early_stop_ratio_at_21"] is None
        assert found["ticket_minus_reinit_accuracy_at_21"] is None
    same = lane("reinit", 3, 1, 1, density=0.21)
    assert _dense_and_ticket({}, {}, 0.21, same)["ticket_minus_reinit_accuracy_at_21"] is not None


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
            "best_ticket_accuracy", "best_ticket_density", "smallest_winning_low", "smallest_winning_high",
            "density_near_21", "early_stop_speedup_at_21",
            "reinit_early_stop_ratio_at_21", "ticket_minus_reinit_accuracy_at_21", "void",
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
