"""The effect that a claim is about, in each round and replicate: the difference of two sides, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.claims.claim import METRIC, OF_LANES, STOP, Claim
from pipeline.results import statistics, tables
from pipeline.results.examined import COLUMNS, TEXTS
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import NEAR, percent
from pipeline.settings import places

if TYPE_CHECKING:
    import pandas as pd

ROUNDED = 0.01  # by which share a density may lie outside a range, because the ends of ranges are written with three digits


class NotTestedError(Exception):
    """Says why a claim cannot be tested. verdict: `not run` or `void`."""

    def __init__(self, reason: str, verdict: str = "not run") -> None:
        super().__init__(reason)
        self.verdict = verdict


@dataclass(frozen=True, eq=False)
class Source:
    """The tables of one experiment. examined: quantity,arm,round,density,layer,seed,value of masks and weights, if any."""

    outcome: Outcome
    examined: pd.DataFrame | None = None

    @classmethod
    def read(cls, experiment: str, share: float, measured: Iterable[Path]) -> Source:
        """measured: the tables of masks and weights. Raises: UserError that names a missing or damaged file and what makes it."""
        import pandas as pd

        found = [_measured(path, experiment) for path in measured]
        return cls(Outcome.read(experiment, share), pd.concat(found, ignore_index=True) if found else None)


def _measured(path: Path, experiment: str) -> pd.DataFrame:
    """Raises: UserError when a table is damaged: a claim that is not tested for that reason would change the others' verdicts."""
    numbers = [column for column in COLUMNS if column not in TEXTS]
    return tables.read(path, str(places.chain(experiment)), TEXTS, numbers)


@dataclass(frozen=True)
class Sample:
    """effects: one for each seed. density: that of their round, or of the most frequent one of the seeds' best rounds."""

    density: float
    effects: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Side:
    """values: a table of seeds by rounds. densities: by round."""

    values: pd.DataFrame
    densities: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class _Rounds:
    """effects, own: tables of seeds by rounds, with the effects and with the first side alone. densities: by round. void: why the
    effects of a round are void, by round.
    """

    effects: pd.DataFrame
    own: pd.DataFrame
    densities: Mapping[int, float]
    void: Mapping[int, str]


def samples(claim: Claim, name: str, sources: Mapping[str, Source]) -> list[Sample]:
    """The samples of the rounds of an experiment that a claim is about. Raises: NotTestedError."""
    found = _rounds(claim, name, sources)
    if claim.density == "best":
        return [_best(claim, found, sources[name].outcome)]
    chosen = _chosen(claim, found)
    void = [found.void[k] for k in chosen if k in found.void]
    if void:
        raise NotTestedError(void[0], "void")
    return [Sample(found.densities[k], tuple(found.effects[k].dropna())) for k in chosen]


def _rounds(claim: Claim, name: str, sources: Mapping[str, Source]) -> _Rounds:
    mine = _side(sources[name], claim.quantity, claim.arm, claim.layer)
    if claim.is_constant:
        effects = mine.values.apply(lambda column: _effect(claim, sources[name].outcome, column, claim.against))
        return _Rounds(effects, mine.values, mine.densities, _cut_off(claim, [(sources[name].outcome, claim.arm, mine)], {}))
    other = claim.against_experiment.get(name, name)
    theirs = _side(sources[other], claim.other_quantity, claim.other_arm, claim.layer)
    pairs = _pairs(mine, theirs, same=other == name)
    if not pairs:
        raise NotTestedError(f"{claim.other_arm} was not trained in any round of {claim.arm}")
    effects = mine.values[[*pairs]].apply(
        lambda column: _effect(claim, sources[name].outcome, column, theirs.values[pairs[column.name]])
    )
    sides = [(sources[name].outcome, claim.arm, mine), (sources[other].outcome, claim.other_arm, theirs)]
    return _Rounds(effects, mine.values[[*pairs]], mine.densities, _cut_off(claim, sides, pairs))


def _side(source: Source, quantity: str, arm: str, layer: str | None) -> _Side:
    """Draws of a seed are averaged."""
    metric = source.outcome.metric
    if quantity in OF_LANES:
        column = {METRIC: metric.at_early_stop, STOP: "early_stop_iteration"}.get(quantity, metric.final)
        rows = source.outcome.lanes
    elif source.examined is None:
        raise NotTestedError("no table of masks and weights was made")
    else:
        column, rows = "value", source.examined[source.examined["quantity"] == quantity]
        rows = rows[rows["layer"].isna() if layer is None else rows["layer"] == layer]
    rows = rows[rows["arm"] == arm]
    if rows.empty:
        raise NotTestedError(f"the tables have no {arm}" if quantity in OF_LANES else f"the tables have no {quantity} of {arm}")
    values = rows.pivot_table(index="seed", columns="round", values=column, aggfunc="mean")
    densities = rows.drop_duplicates("round")
    return _Side(values, dict(zip(map(int, densities["round"]), map(float, densities["density"]), strict=True)))


def _pairs(mine: _Side, theirs: _Side, same: bool) -> dict[int, int]:
    """For each round of the first side, the round of the other side: the same round in the same experiment, the round with the
    nearest density in another experiment, and the last round of an arm that keeps all weights, such as the dense network.
    """
    if all(density >= 1 for density in theirs.densities.values()):
        return dict.fromkeys(mine.densities, max(theirs.densities))
    if same:
        return {k: k for k in mine.densities if k in theirs.densities}
    nearest = {k: _nearest(theirs.densities, density) for k, density in mine.densities.items()}
    return {k: found for k, found in nearest.items() if found is not None}


def _nearest(densities: Mapping[int, float], asked: float) -> int | None:
    """The round whose density is nearest, or the last of several that are equally near; None when it is not within NEAR."""
    near = min(sorted(densities, reverse=True), key=lambda k: abs(densities[k] - asked))
    return near if abs(densities[near] - asked) <= NEAR * asked else None


def _effect(claim: Claim, outcome: Outcome, mine: pd.Series[float], theirs: Any) -> pd.Series[float]:
    import numpy as np

    if claim.quantity == STOP:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: pd.Series[float] = np.log(mine / theirs)
        return ratio
    return outcome.metric.gain(mine, theirs) if claim.quantity in OF_LANES else mine - theirs


def _cut_off(claim: Claim, sides: list[tuple[Outcome, str, _Side]], pairs: Mapping[int, int]) -> dict[int, str]:
    """The rounds whose early stops cannot be compared, each with the reason."""
    void: dict[int, str] = {}
    if claim.quantity != STOP:
        return void
    for place, (outcome, arm, side) in enumerate(sides):
        for k in pairs or side.densities:
            number = pairs.get(k, k) if place else k
            row = statistics.at_round(outcome.table, arm, number)
            if row is not None and outcome.cut_off([row]):
                which = arm if side.densities[number] >= 1 else f"{arm} at {percent(side.densities[number])}%"
                void[k] = f"the end of training cuts off the early stop of {which}"
            elif row is not None and not (side.values[number] > 0).all():
                void[k] = f"{arm} has an early stop at iteration 0, for which no ratio is defined"
    return void


def _chosen(claim: Claim, found: _Rounds) -> list[int]:
    rounds = [k for k in found.densities if k in found.effects]
    if claim.density == "last":
        return rounds[-1:]
    if isinstance(claim.density, tuple):
        high, low = claim.density
        ends = {percent(high), percent(low)}  # a density that is written like an end is one, such as 1.86% and 1.9%
        within = {k for k in rounds if low * (1 - ROUNDED) <= found.densities[k] <= high * (1 + ROUNDED)}
        inside = [k for k in rounds if k in within or percent(found.densities[k]) in ends]
        where = f"between {percent(high)}% and {percent(low)}%"
    else:
        near = _nearest({k: found.densities[k] for k in rounds}, float(claim.density))
        inside, where = ([] if near is None else [near]), f"within {NEAR:.0%} of {percent(float(claim.density))}%"
    if not inside:
        raise NotTestedError(f"there is no round with a density {where} in which both sides were trained")
    return inside


def _best(claim: Claim, found: _Rounds, outcome: Outcome) -> Sample:
    """The best round is chosen for each seed on the other seeds."""
    open_rounds = [k for k in found.effects if k not in found.void]
    if not open_rounds:
        raise NotTestedError(next(iter(found.void.values())), "void")
    own = found.own.loc[found.effects.dropna(how="all").index, open_rounds].dropna(axis="columns")
    if len(own) < 2 or own.empty:
        raise NotTestedError("there is no other replicate on which to choose the best round")
    picked = statistics.chosen_on_others(own, _best_place(claim, outcome))
    effects = {seed: float(found.effects[k][seed]) for seed, k in picked.items()}
    often = max(picked.values(), key=[*picked.values()].count)
    return Sample(found.densities[often], tuple(effect for effect in effects.values() if not math.isnan(effect)))


def _best_place(claim: Claim, outcome: Outcome) -> Callable[[pd.Series[float]], int]:
    """What tells the place of the best of several values of a claim's quantity."""
    if claim.quantity in OF_LANES and claim.quantity != STOP:
        return outcome.metric.best
    lowest = claim.quantity == STOP or claim.comparison == "less"
    return lambda values: int(values.argmin() if lowest else values.argmax())
