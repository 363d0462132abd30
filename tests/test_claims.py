"""Verdicts on planted truths, the choice of rounds, and what cannot be tested."""

import json
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from pipeline.claims import judge
from pipeline.claims.claim import Claim
from pipeline.claims.quantities import Source, samples
from pipeline.results.metric import Metric
from tests import planted, synthetic
from tests.synthetic import ACCURACY, LATER, RMSE, lane, trio

METRICS = [(ACCURACY, 1), (RMSE, -1)]


def five(arm: str, number: int, gains: tuple[float, ...], sign: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Lanes of seeds 0 to 4, which are better than 0.5 by these gains."""
    return [lane(arm, number, seed, value=0.5 + sign * gain, **changes) for seed, gain in enumerate(gains)]


@pytest.mark.parametrize(("metric", "sign"), METRICS)
@pytest.mark.parametrize(
    ("gains", "comparison", "verdict"),
    [
        ((0.10, 0.11, 0.09, 0.10, 0.12), "greater", "holds"),
        ((-0.10, -0.11, -0.09, -0.10, -0.12), "greater", "does not hold"),
        ((-0.10, 0.11, 0.09, -0.10, 0.02), "greater", "undecided"),
        ((-0.10, -0.11, -0.09, -0.10, -0.12), "less", "holds"),
        ((-0.010, -0.011, -0.009, -0.010, -0.012), "no_worse", "holds"),  # the margin is 5% of 0.5
        ((-0.10, -0.11, -0.09, -0.10, -0.12), "no_worse", "does not hold"),
        ((0.001, -0.001, 0.002, 0.0, -0.002), "same", "holds"),
        ((0.10, 0.11, 0.09, 0.10, 0.12), "same", "does not hold"),
    ],
)
def test_planted_truths_get_their_verdicts(
    metric: dict[str, str], sign: int, gains: tuple[float, ...], comparison: str, verdict: str
) -> None:
    lanes = [*five("dense", 0, (0.0,) * 5, metric=metric), *five("ticket", 1, gains, sign, metric=metric)]
    found = planted.row(lanes, comparison=comparison)
    assert found["verdict"] == verdict
    assert found["effect"] == pytest.approx(np.mean(gains), rel=1e-4)  # positive is better, whatever the direction
    assert found["low"] < found["effect"] < found["high"]
    assert (found["n"], found["rounds"], found["density"]) == (5, 1, 0.6)


def test_of_the_end_of_training_and_of_early_stops() -> None:
    dense = [lane("dense", 0, seed, stop=1000 + 10 * seed, final_accuracy=0.9) for seed in range(5)]
    tickets = [lane("ticket", 1, seed, stop=500 + 6 * seed, final_accuracy=0.8 + 0.001 * seed) for seed in range(5)]
    final = planted.row([*dense, *tickets], quantity="final")
    assert (final["verdict"], final["effect"], final["unit"]) == ("does not hold", -0.098, "fraction")
    stop = planted.row([*dense, *tickets], quantity="early_stop", comparison="less")
    logs = [np.log((500 + 6 * s) / (1000 + 10 * s)) for s in range(5)]
    assert (stop["verdict"], stop["unit"]) == ("holds", "ratio")
    assert stop["effect"] == pytest.approx(np.exp(np.mean(logs)), rel=1e-4)
    assert stop["detectable"] < 1  # as a ratio in the direction of the claim


def test_draws_of_a_seed_are_one_value() -> None:
    lanes = [*five("dense", 0, (0.0,) * 5), *five("ticket", 1, (0.1, 0.2, 0.1, 0.2, 0.1))]
    for draw, shift in ((1, -0.1), (2, 0.1)):
        lanes += [lane("reinit", 1, seed, draw, value=0.5 + shift + 0.01 * seed) for seed in range(5)]
    found = planted.row(lanes, against="reinit")
    assert found["n"] == 5
    assert found["effect"] == pytest.approx(0.14 - 0.02, rel=1e-4)


def test_three_replicates_are_needed_and_only_common_ones_count() -> None:
    lanes = [*five("dense", 0, (0.0,) * 5), *[lane("ticket", 1, seed, value=0.6 + 0.001 * seed) for seed in (3, 4, 5, 6)]]
    found = planted.row(lanes)
    assert (found["verdict"], found["n"], found["p"], found["low"]) == ("not enough replicates", 2, None, None)
    none = planted.row([*five("dense", 0, (0.0,) * 5), lane("ticket", 1, 9)])
    assert (none["verdict"], none["effect"], none["n"]) == ("not enough replicates", None, 0)


def test_equal_differences_are_undecided_with_five_replicates() -> None:
    lanes = [*five("dense", 0, (0.0,) * 5), *five("ticket", 1, (0.3,) * 5)]
    found = planted.row(lanes)
    assert (found["verdict"], found["p"], found["low"], found["detectable"]) == ("undecided", 2 / 32, None, None)


def test_a_cut_off_early_stop_is_void() -> None:
    def verdict(dense: list[int], tickets: list[int], **changes: Any) -> dict[str, Any]:
        found = [lane("dense", 0, seed, stop=stop) for seed, stop in enumerate(dense)]
        found += [lane("ticket", 1, seed, stop=stop) for seed, stop in enumerate(tickets)]
        return planted.row(found, quantity="early_stop", comparison="less", **changes)

    early, in_time = [900, 1000, 1100], [500, 480, 520]
    assert verdict(early, in_time)["verdict"] == "holds"
    assert verdict([900, 1000, LATER], in_time)["reason"] == "the end of training cuts off the early stop of dense"
    assert verdict(early, [500, LATER, LATER])["reason"] == "the end of training cuts off the early stop of ticket at 60.0%"
    assert verdict(early, [500, 400, LATER])["verdict"] == "undecided"  # one in three lanes of an arm may be
    assert verdict(early, [500, LATER, LATER], density="best")["verdict"] == "void"
    assert "iteration 0" in verdict(early, [500, 0, 500])["reason"]


# --- Rounds


def test_a_range_has_to_hold_in_every_round_and_shows_the_weakest() -> None:
    dense = five("dense", 0, (0.0,) * 5)
    strong, weak = (0.10, 0.11, 0.09, 0.10, 0.12), (0.01, 0.02, 0.015, 0.012, 0.018)
    bad = tuple(-gain for gain in strong)
    three = [*dense, *five("ticket", 1, strong), *five("ticket", 2, weak), *five("ticket", 3, bad)]
    both = planted.row(three, density=[0.6, 0.36])
    alone = planted.row(three, density=0.36)
    assert (both["verdict"], both["rounds"], both["density"], both["effect"]) == ("holds", 2, 0.36, alone["effect"])
    assert both["p"] == alone["p"]
    every = planted.row(three, density=[0.6, 0.2])
    assert (every["verdict"], every["rounds"], every["density"]) == ("does not hold", 3, 0.216)
    assert every["p"] == pytest.approx(3 * planted.row(three, density=0.216)["p"], rel=1e-4)  # somewhere among three rounds
    for low, rounds in ((0.2164, 2), (0.218, 2), (0.219, 1)):  # 0.6 ** 3 is written as 21.6%, and is within 1% of 21.8%
        assert planted.row(three, density=[0.36, low])["rounds"] == rounds
    small = [*dense, *five("ticket", 1, strong), *[each | {"density": 0.0186} for each in five("ticket", 2, weak)]]
    assert planted.row(small, density=[0.6, 0.019])["rounds"] == 2  # both are written as 1.9%
    assert "between 20.0% and 10.0%" in planted.row(three, density=[0.2, 0.1])["reason"]


def test_a_density_is_that_of_a_near_round_of_both_sides() -> None:
    lanes = [*trio("dense", 0, 0.5), *trio("ticket", 1, 0.6), *trio("ticket", 2, 0.7), *trio("reinit", 2, 0.5, draw=1)]
    assert planted.row(lanes, density=0.4)["density"] == 0.36
    assert planted.row(lanes, density=0.25)["reason"] == (
        "there is no round with a density within 20% of 25.0% in which both sides were trained"
    )
    assert planted.row(lanes, density="last")["density"] == 0.36
    assert planted.row(lanes, against="reinit", density="last")["effect"] == pytest.approx(0.2)
    assert planted.row(lanes, against="reinit", density=0.6)["verdict"] == "not run"
    assert planted.row(lanes, arm="one_shot")["reason"] == "the tables have no one_shot"


def test_longer_training_is_compared_in_its_last_round() -> None:
    lanes = [*trio("dense", 0, 0.5), *trio("ticket", 1, 0.6)]
    lanes += [*trio("dense_long", 1, 0.51, density=1.0), *trio("dense_long", 4, 0.55, density=1.0)]
    assert planted.row(lanes, against="dense_long")["effect"] == pytest.approx(0.05)
    assert planted.row(lanes, arm="dense_long", density=1.0)["effect"] == pytest.approx(0.05)


def test_a_number_and_another_experiment_may_be_the_other_side() -> None:
    lanes = [*trio("dense", 0, 0.5), *trio("ticket", 1, 0.6)]
    assert planted.row(lanes, against=0.52)["effect"] == pytest.approx(0.08)
    others = [*trio("dense", 0, 0.4), *trio("ticket", 2, 0.45, density=0.55)]
    found = planted.of(planted.claim(against=None, against_experiment={"toy": "other"}))
    sources = {"toy": Source(synthetic.outcome(lanes)), "other": Source(synthetic.outcome(others))}
    (row,) = judge.judge(found, ["toy", "other"], sources).values()
    assert row["effect"] == pytest.approx(0.15)  # at the density that is nearest there
    assert judge.judge(found, ["toy"], sources) == {}


def _noise(rng: np.random.Generator) -> Source:
    """Eight rounds of tickets that are no better than the dense network."""
    rows = [("ticket" if k else "dense", k, seed, 0.6**k) for k in range(9) for seed in range(6)]
    table = pd.DataFrame(rows, columns=["arm", "round", "seed", "density"])
    table["accuracy_at_early_stop"] = rng.normal(0.0, 1.0, len(table))
    metric = Metric("accuracy", "higher", "fraction")
    return Source(cast(Any, SimpleNamespace(metric=metric, lanes=table)))


def test_the_best_round_is_chosen_on_the_other_seeds_without_which_it_would_look_better() -> None:
    rng, chosen, naive = np.random.default_rng(5), [], []
    claim = Claim.model_validate_json(json.dumps(planted.claim(density="best")))
    for _ in range(40):
        source = _noise(rng)
        (sample,) = samples(claim, "toy", {"toy": source})
        assert len(sample.effects) == 6
        chosen.append(np.mean(sample.effects))
        means = source.outcome.lanes.groupby(["arm", "round"])["accuracy_at_early_stop"].mean()
        naive.append(means["ticket"].max() - means["dense"].iloc[0])
    error = np.std(chosen) / np.sqrt(len(chosen))
    assert abs(np.mean(chosen)) < 3 * error
    assert np.mean(naive) > 0.4 > 4 * error


def test_the_best_early_stop_is_the_earliest_and_the_best_error_the_lowest() -> None:
    lanes = [lane("dense", 0, seed, metric=RMSE, value=0.5, stop=1000) for seed in range(3)]
    for k, value, stop in ((1, 0.4, 700), (2, 0.3, 900), (3, 0.6, 600)):
        lanes += [lane("ticket", k, s, metric=RMSE, value=value + 0.001 * s, stop=stop + s) for s in range(3)]
    assert planted.row(lanes, density="best")["density"] == 0.36
    assert planted.row(lanes, density="best", quantity="early_stop", comparison="less")["density"] == 0.216


# --- Tables of masks and weights


def _examined() -> pd.DataFrame:
    rows = [("bimodality", "dense", 0, 1.0, layer, seed, 0.33) for layer in ("fc1.weight", None) for seed in range(3)]
    for seed in range(3):
        rows += [("bimodality", "ticket", 1, 0.6, "fc1.weight", seed, 0.4 + 0.01 * seed)]
        rows += [("bimodality", "ticket", 1, 0.6, None, seed, 0.5 + 0.01 * seed)]
        rows += [("spread", "ticket", 1, 0.6, None, seed, 0.45)]
    return pd.DataFrame(rows, columns=["quantity", "arm", "round", "density", "layer", "seed", "value"])


def test_any_quantity_of_the_tidy_tables_may_be_claimed() -> None:
    lanes, table = [*trio("dense", 0, 0.5), *trio("ticket", 1, 0.6)], _examined()
    whole = planted.row(lanes, table, quantity="bimodality")
    assert (whole["effect"], whole["unit"]) == (pytest.approx(0.18), "")
    assert planted.row(lanes, table, quantity="bimodality", layer="fc1.weight")["effect"] == pytest.approx(0.08)
    chance = planted.row(lanes, table, quantity="bimodality", against=None, against_quantity="spread")
    assert chance["effect"] == pytest.approx(0.06)
    constant = planted.row(lanes, table, quantity="bimodality", against=0.6, comparison="less")
    assert constant["effect"] == pytest.approx(-0.09)
    assert planted.row(lanes, table, quantity="valley")["reason"] == "the tables have no valley of ticket"
    assert planted.row(lanes, quantity="valley")["reason"] == "no table of masks and weights was made"
