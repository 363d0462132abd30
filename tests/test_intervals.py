"""p values, power and false discovery rates against scipy, enumeration and simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from pipeline.claims import judge
from pipeline.results import intervals

VALUES = [(0.003, 0.001, 0.004), (0.01, -0.02, 0.03, 0.005, 0.012), (-1.0, -2.0, -1.5, -0.2)]
RNG = np.random.default_rng


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("border", [0.0, 0.002, -0.5])
def test_interval_and_p_are_those_of_scipys_paired_t_test(values: tuple[float, ...], border: float) -> None:
    other = [0.9] * len(values)
    mine = [0.9 + value for value in values]
    found = stats.ttest_rel(mine, [each + border for each in other], alternative="greater")
    assert intervals.p_above(values, border) == pytest.approx(found.pvalue, rel=1e-6)
    bounds = stats.ttest_rel(mine, other).confidence_interval(0.95)
    assert intervals.of(values).bounds == pytest.approx((bounds.low, bounds.high), rel=1e-6)


def _enumerated(values: tuple[float, ...], border: float) -> float:
    distances = np.array(values) - border
    sums = [float(np.dot(signs, distances)) for signs in product((1, -1), repeat=len(values))]
    return float(np.mean([total >= distances.sum() - 1e-12 for total in sums]))


def test_from_ten_replicates_on_p_counts_sign_flips() -> None:
    values = tuple(RNG(1).normal(0.3, 1.0, 10))
    for border in (0.0, 0.2, -0.4):
        assert intervals.p_above(values, border) == pytest.approx(_enumerated(values, border))
    nine = values[:9]
    assert intervals.p_above(nine, 0.0) != pytest.approx(_enumerated(nine, 0.0), abs=1e-3)


@pytest.mark.parametrize("n", [3, 5, 25])
def test_equal_differences_are_no_certainty(n: int) -> None:
    equal = [0.3 - 0.2] * n  # each subject to rounding
    assert intervals.p_above(equal, 0.0) == pytest.approx(0.5**n)
    assert intervals.p_above(equal, 0.5) == 1.0
    assert intervals.of(equal).bounds is None
    assert intervals.of(equal).detectable is None


def test_two_replicates_are_too_few_for_a_test() -> None:
    with pytest.raises(ValueError, match="2 differences are too few"):
        intervals.p_above([0.1, 0.2], 0.0)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_what_is_detectable_is_detected_in_four_of_five_trials(n: int) -> None:
    found = intervals.of(RNG(n).normal(0.0, 1.0, n).tolist())
    assert found.error and found.detectable
    shift = found.detectable / found.error
    assert stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, shift) == pytest.approx(0.8, abs=1e-4)
    trials = RNG(7).normal(shift / np.sqrt(n), 1.0, (4000, n))
    shown = stats.ttest_1samp(trials, 0.0, axis=1, alternative="greater").pvalue <= 0.025
    assert shown.mean() == pytest.approx(0.8, abs=0.02)


# --- Regions


@pytest.mark.parametrize(
    ("comparison", "mean", "holds"),
    [
        ("greater", 1.0, True), ("greater", -1.0, False), ("less", -1.0, True), ("less", 1.0, False),
        ("no_worse", -0.2, True), ("no_worse", 1.0, True), ("no_worse", -1.0, False),
        ("same", 0.1, True), ("same", 1.0, False), ("same", -1.0, False),
    ],
)  # fmt: skip
def test_each_region_is_shown_or_refuted_by_small_spreads(comparison: str, mean: float, holds: bool) -> None:
    effects = [mean - 0.01, mean, mean + 0.01, mean + 0.005]
    p_holds, p_fails = judge.p_values(effects, comparison, 0.5)
    assert (p_holds < 0.001) == holds and (p_fails < 0.001) == (not holds)
    wide = judge.p_values([effect * 1000 * (-1) ** i for i, effect in enumerate(effects)], comparison, 0.5)
    assert min(wide) > 0.05


def test_the_same_is_two_one_sided_tests() -> None:
    effects, margin = (0.1, 0.3, 0.15, -0.05), 0.4
    low = stats.ttest_1samp(effects, -margin, alternative="greater").pvalue
    high = stats.ttest_1samp(effects, margin, alternative="less").pvalue
    assert judge.p_values(effects, "same", margin)[0] == pytest.approx(max(low, high))


# --- Error rates


def test_of_null_claims_no_more_than_one_in_twenty_is_decided_singly() -> None:
    """With 1,000 claims, the standard error of the rate is 0.7%."""
    for n in (3, 5, 12):
        effects = RNG(n).normal(0.0, 1.0, (1000, n)).tolist()
        decided = [2 * min(judge.p_values(each, "greater", 0.0)) <= 0.05 for each in effects]
        assert np.mean(decided) <= 0.05 + 2 * 0.007
    at_margin = RNG(9).normal(-0.5, 1.0, (1000, 5)).tolist()
    assert np.mean([judge.p_values(each, "no_worse", 0.5)[0] <= 0.05 for each in at_margin]) <= 0.05 + 2 * 0.007


def test_false_discoveries_are_at_most_five_percent_of_all_on_average() -> None:
    """Families of 20 claims, 12 of which are null; false discoveries over discoveries, averaged over families."""
    rng, rates = RNG(3), []
    for _ in range(300):
        p = np.concatenate([rng.uniform(size=12), rng.uniform(size=8) * 1e-3])
        q = judge.discovery_rates({str(i): float(value) for i, value in enumerate(p)})
        found = [int(name) < 12 for name, value in q.items() if value <= judge.RATE]
        rates.append(np.mean(found) if found else 0.0)
    assert 0.01 < np.mean(rates) <= 0.05  # 5% times 12 of 20, and some error


def test_q_values_by_hand() -> None:
    q = judge.discovery_rates({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5})
    assert q == pytest.approx({"a": 0.04, "b": 0.16 / 3, "c": 0.16 / 3, "d": 0.5})
    assert judge.discovery_rates({}) == {}
