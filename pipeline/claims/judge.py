"""Verdicts on claims: tests of whether effects lie in the region that a claim names, at one false discovery rate for a ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.claims.claim import FINAL, OF_LANES, STOP, Claim, Ledger
from pipeline.claims.quantities import NotTestedError, Sample, Source, samples
from pipeline.results import intervals
from pipeline.results.intervals import FEWEST, Difference

RATE = 0.05  # of false discoveries among the verdicts `holds` and `does not hold` of a ledger
HOLDS, FAILS, UNDECIDED, FEW, VOID = "holds", "does not hold", "undecided", "not enough replicates", "void"
VERDICTS = (HOLDS, FAILS, UNDECIDED, VOID, FEW)  # in the order of the page; then `not run`
DIGITS = 5
Row = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Tested:
    """weakest: the sample that speaks most against the claim. p_holds: the p value of the hypothesis that the effect is outside
    the claimed region in some round. p_fails: that of the hypothesis that it is inside in every round. margin: None when the
    claim has none.
    """

    weakest: Sample
    rounds: int
    margin: float | None
    p_holds: float = math.nan
    p_fails: float = math.nan

    @property
    def p(self) -> float:
        """Two-sided, because either of two verdicts is possible."""
        return min(1.0, 2 * min(self.p_holds, self.p_fails))

    @property
    def enough(self) -> bool:
        return not math.isnan(self.p_holds)


def judge(ledger: Ledger, names: Sequence[str], sources: Mapping[str, Source]) -> dict[str, Row]:
    """The rows of effects.json for a report of these experiments, by "<id>/<experiment>".

    Units: effects are in the unit of the metric or quantity, and those of early stops are ratios of iterations; p and q are
    probabilities. `detectable` is the distance from the border of the claimed region that would have been shown with a
    probability of 80%.
    """
    found: dict[str, Tested | NotTestedError] = {}
    claims = {f"{claim.id}/{name}": (claim, name) for claim, name in ledger.within(tuple(names))}
    for key, (claim, name) in claims.items():
        try:
            found[key] = test(claim, samples(claim, name, sources), _margin(claim, sources[name]))
        except NotTestedError as reason:
            found[key] = reason
    q = discovery_rates({key: t.p for key, t in found.items() if isinstance(t, Tested) and t.enough})
    return {
        key: _row(claims[key][0], t, q.get(key), sources[claims[key][1]])
        if isinstance(t, Tested)
        else {"verdict": t.verdict, "reason": str(t)}
        for key, t in found.items()
    }


def test(claim: Claim, found: Sequence[Sample], margin: float | None) -> Tested:
    """If a claim is about several rounds, the effect of each has to lie in the region. This is an intersection-union test, in
    which the largest p decides. Whether the claim fails in some round is decided by the smallest p times the number of rounds.
    """
    if min(len(sample.effects) for sample in found) < FEWEST:
        return Tested(min(found, key=lambda sample: len(sample.effects)), len(found), margin)
    pairs = [p_values(sample.effects, claim.comparison, margin or 0.0) for sample in found]
    holds, fails = zip(*pairs, strict=True)
    weakest = found[holds.index(max(holds))]
    return Tested(weakest, len(found), margin, max(holds), min(1.0, len(found) * min(fails)))


def p_values(effects: Sequence[float], comparison: str, margin: float) -> tuple[float, float]:
    """The p values of two hypotheses: that the true effect is outside the region, and that it is inside."""

    def above(border: float) -> float:
        return intervals.p_above(effects, border)

    def below(border: float) -> float:
        return intervals.p_above([-effect for effect in effects], -border)

    match comparison:
        case "greater":
            return above(0.0), below(0.0)
        case "less":
            return below(0.0), above(0.0)
        case "no_worse":
            return above(-margin), below(-margin)
    return max(above(-margin), below(margin)), min(below(-margin), above(margin))  # two one-sided tests


def discovery_rates(p: Mapping[str, float]) -> dict[str, float]:
    """Benjamini and Hochberg's q values: the rate of false discoveries if every claim with this or a smaller p is a discovery."""
    if not p:
        return {}
    from scipy.stats import false_discovery_control  # type: ignore[import-untyped]

    return dict(zip(p, map(float, false_discovery_control([*p.values()])), strict=True))


def _margin(claim: Claim, source: Source) -> float | None:
    if claim.comparison not in ("no_worse", "same"):
        return None
    if claim.margin is None:
        return source.outcome.margin("final" if claim.quantity == FINAL else "value")
    return math.log1p(claim.margin) if claim.quantity == STOP else claim.margin


def _verdict(tested: Tested, q: float | None) -> str:
    if q is None:
        return FEW
    if q > RATE:
        return UNDECIDED
    return HOLDS if tested.p_holds < tested.p_fails else FAILS


def _row(claim: Claim, tested: Tested, q: float | None, source: Source) -> Row:
    difference = intervals.of(tested.weakest.effects)
    ratio = claim.quantity == STOP
    unit = "ratio" if ratio else source.outcome.metric.unit if claim.quantity in OF_LANES else ""
    low, high = difference.bounds or (None, None)
    numbers = {"effect": difference.mean, "low": low, "high": high, "detectable": _detectable(claim, difference)}
    shown = {key: _rounded(math.exp(value) if ratio and value is not None else value) for key, value in numbers.items()}
    margin = None if tested.margin is None else math.expm1(tested.margin) if ratio else tested.margin
    return {
        "verdict": _verdict(tested, q), "effect": shown["effect"], "low": shown["low"], "high": shown["high"], "unit": unit,
        "p": _rounded(tested.p) if tested.enough else None, "q": _rounded(q), "n": difference.n,
        "detectable": shown["detectable"], "margin": _rounded(margin), "density": _rounded(tested.weakest.density),
        "rounds": tested.rounds,
    }  # fmt: skip


def _detectable(claim: Claim, difference: Difference) -> float | None:
    """The detectable effect; for early stops its logarithm, which is negative if the claim is that one comes earlier."""
    found = difference.detectable
    return None if found is None else -found if claim.quantity == STOP and claim.comparison == "less" else found


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
