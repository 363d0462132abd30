"""Tables and metrics against hand-made numbers and against numpy."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.results import statistics
from tests import synthetic
from tests.synthetic import summary

LANES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 10_000), st.integers(0, 12_000)),
    min_size=1,
    max_size=25,
    unique_by=lambda lane: lane[:2],
).map(
    lambda drawn: [
        summary("ticket", k, seed, accuracy_at_early_stop=right / 10_000, early_stop_iteration=stop)
        for k, seed, right, stop in drawn
    ]
)


def _pair(dense: dict[str, Any], ticket: dict[str, Any], density: float = 0.21, *more: dict[str, Any]) -> statistics.Metrics:
    found = [summary("ticket", 0, **dense), summary("ticket", 3, density=density, **ticket), *more]
    return statistics.metrics(statistics.rounds(found))


@settings(max_examples=25, deadline=None)
@given(st.permutations(synthetic.lanes(one_shot_reinit=True)))
def test_the_order_in_which_lanes_are_read_changes_nothing(shuffled: list[dict[str, Any]]) -> None:
    table = statistics.rounds(shuffled)
    pd.testing.assert_frame_equal(table, statistics.rounds(synthetic.lanes(one_shot_reinit=True)))
    assert list(table["arm"].unique()) == ["ticket", "one_shot", "reinit", "one_shot_reinit"]
    for _, rows in table.groupby("arm"):
        keys = list(zip(rows["round"], rows["seed"], rows["draw"].fillna(0), strict=True))
        assert keys == sorted(keys)


def test_rounds_has_the_columns_of_the_design_and_an_empty_draw_outside_controls() -> None:
    table = statistics.rounds(synthetic.lanes())
    assert ",".join(table.columns) == (
        "round,density,arm,seed,draw,early_stop_iteration,accuracy_at_early_stop,"
        "validation_loss_at_early_stop,final_accuracy,final_iteration,target"
    )
    assert table[table["arm"] == "ticket"]["draw"].isna().all()
    assert table[table["arm"] == "reinit"]["draw"].tolist() == [1, 2, 1, 2]
    assert set(table["density"]) == {0.6**k for k in range(5)}


@settings(max_examples=25, deadline=None)  # a group-by takes milliseconds
@given(LANES)
def test_summary_agrees_with_numpy(found: list[dict[str, Any]]) -> None:
    table = statistics.summary(statistics.rounds(found))
    assert table["n"].sum() == len(found)
    for _, row in table.iterrows():
        accuracies = [lane["accuracy_at_early_stop"] for lane in found if lane["round"] == row["round"]]
        stops = [lane["early_stop_iteration"] for lane in found if lane["round"] == row["round"]]
        assert row["n"] == len(accuracies)
        assert row["accuracy_at_early_stop_mean"] == pytest.approx(np.mean(accuracies))
        assert row["early_stop_iteration_mean"] == pytest.approx(np.mean(stops))
        assert (row["accuracy_at_early_stop_min"], row["accuracy_at_early_stop_max"]) == (min(accuracies), max(accuracies))


def test_curves_are_mean_min_and_max_over_the_lanes_of_an_item() -> None:
    pairs = [(lane, synthetic.history(lane)) for lane in synthetic.lanes()]
    table = statistics.curves(pairs)
    reinit = table[table["arm"] == "reinit"].reset_index(drop=True)
    values = np.array([history["test_accuracy"] for lane, history in pairs if lane["arm"] == "reinit"])
    assert reinit["iteration"].tolist() == list(range(0, 1001, 100))
    assert values.shape == (4, 11)  # two seeds, two draws
    for how, expected in (("mean", values.mean(0)), ("min", values.min(0)), ("max", values.max(0))):
        np.testing.assert_allclose(reinit[f"test_accuracy_{how}"], expected, rtol=1e-12)
    assert reinit["train_loss_mean"].isna().tolist() == [True] + [False] * 10
    assert len(table) == 7 * 11
    assert set(reinit["density"]) == {0.6**3}


def test_metrics_of_a_small_experiment_by_hand() -> None:
    found = [
        summary("ticket", 0, 1, early_stop_iteration=4000, accuracy_at_early_stop=0.97),
        summary("ticket", 0, 2, early_stop_iteration=5000, accuracy_at_early_stop=0.98),
        summary("ticket", 1, 1, density=0.5, accuracy_at_early_stop=0.99),
        summary("ticket", 2, 1, density=0.2, early_stop_iteration=3000, accuracy_at_early_stop=0.985),
        summary("ticket", 3, 1, density=0.1, accuracy_at_early_stop=0.975),
        summary("ticket", 4, 1, density=0.05, accuracy_at_early_stop=0.974),
        summary("reinit", 2, 1, 1, density=0.2, early_stop_iteration=5000, accuracy_at_early_stop=0.96),
        summary("reinit", 2, 1, 2, density=0.2, early_stop_iteration=6000, accuracy_at_early_stop=0.97),
        summary("reinit", 2, 2, 1, density=0.2, early_stop_iteration=7000, accuracy_at_early_stop=0.98),
    ]
    assert statistics.metrics(statistics.rounds(found)) == pytest.approx(
        {
            "dense_accuracy": 0.975,
            "best_ticket_accuracy": 0.99,
            "best_ticket_density": 0.5,
            "smallest_winning_density": 0.1,
            "density_near_21": 0.2,
            "early_stop_speedup_at_21": 1.5,
            "reinit_early_stop_ratio_at_21": 2.0,
            "reinit_accuracy_gap_at_21": 0.015,
        }
    )


@settings(max_examples=25, deadline=None)  # a group-by takes milliseconds
@given(LANES)
def test_the_smallest_winning_ticket_is_no_worse_than_dense_and_every_smaller_one_is(found: list[dict[str, Any]]) -> None:
    dense = [summary("ticket", 0, 10), summary("ticket", 0, 11)]
    rounds = statistics.rounds([*dense, *found])
    table = statistics.summary(rounds)
    by_density = dict(zip(table["density"], table["accuracy_at_early_stop_mean"], strict=True))
    smallest = statistics.metrics(rounds)["smallest_winning_density"]
    assert smallest is not None and by_density[smallest] >= by_density[1.0]
    assert all(accuracy < by_density[1.0] for density, accuracy in by_density.items() if density < smallest)


def test_the_same_accuracies_in_another_order_are_no_worse() -> None:
    values = (0.1, 0.2, 0.3)
    assert sum(values) != sum(reversed(values))  # what a plain sum makes of them
    found = [summary("ticket", 0, seed, accuracy_at_early_stop=a) for seed, a in enumerate(values)]
    found += [summary("ticket", 1, seed, accuracy_at_early_stop=a) for seed, a in enumerate(reversed(values))]
    assert statistics.metrics(statistics.rounds(found))["smallest_winning_density"] == 0.6


@pytest.mark.parametrize(("density", "near"), [(0.17, True), (0.25, True), (0.167, False), (0.253, False), (0.6, False)])
def test_at_21_is_a_round_within_a_fifth_of_it_or_null(density: float, near: bool) -> None:
    found = _pair({"early_stop_iteration": 400}, {"early_stop_iteration": 200}, density)
    assert found["early_stop_speedup_at_21"] == (2.0 if near else None)
    assert found["density_near_21"] == (density if near else None)  # which the report names, not 21%


def test_reinit_counts_only_in_the_round_of_the_ticket_it_is_compared_with() -> None:
    other = summary("reinit", 2, 1, 1, density=0.22)
    for more in ([], [other]):
        found = _pair({}, {}, 0.21, *more)
        assert found["reinit_early_stop_ratio_at_21"] is None
        assert found["reinit_accuracy_gap_at_21"] is None
    assert _pair({}, {}, 0.21, summary("reinit", 3, 1, 1, density=0.21))["reinit_accuracy_gap_at_21"] is not None


def test_an_early_stop_at_iteration_0_gives_null_and_not_a_crash() -> None:
    reinit = summary("reinit", 3, 1, 1, density=0.21)
    found = _pair({}, {"early_stop_iteration": 0}, 0.21, reinit)
    assert found["early_stop_speedup_at_21"] is None
    assert found["reinit_early_stop_ratio_at_21"] is None
    assert _pair({"early_stop_iteration": 0}, {})["early_stop_speedup_at_21"] == 0.0


def test_without_tickets_only_the_dense_network_is_told() -> None:
    found = statistics.metrics(statistics.rounds([summary("ticket", 0)]))
    assert found["dense_accuracy"] == pytest.approx(0.961)
    assert found["smallest_winning_density"] == 1.0
    assert [key for key, value in found.items() if value is None] == [
        "best_ticket_accuracy", "best_ticket_density", "density_near_21", "early_stop_speedup_at_21",
        "reinit_early_stop_ratio_at_21", "reinit_accuracy_gap_at_21",
    ]  # fmt: skip


def test_without_the_dense_network_metrics_are_refused() -> None:
    with pytest.raises(ValueError, match="round 0"):
        statistics.metrics(statistics.rounds([summary("ticket", 1)]))


def test_of_equally_good_tickets_the_smallest_is_best() -> None:
    found = [summary("ticket", k, accuracy_at_early_stop=0.98) for k in range(3)]
    assert statistics.metrics(statistics.rounds(found))["best_ticket_density"] == 0.6**2


@given(st.floats(1e-6, 1.0))
def test_percent_reads_back_as_the_density(density: float) -> None:
    assert math.isclose(float(statistics.percent(density)), 100 * density, rel_tol=0.051)


def test_percent_is_written_as_in_the_paper() -> None:
    assert [statistics.percent(d) for d in (1.0, 0.5128, 0.07, 0.0358, 0.00147)] == ["100", "51.3", "7.0", "3.6", "0.15"]
