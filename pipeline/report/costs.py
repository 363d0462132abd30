"""The sentences below the figure of structures: what tickets cost, from examined.csv, and how good they are at this cost."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.figures import structures as drawn
from pipeline.figures import style
from pipeline.figures.shown import Shown
from pipeline.report.wording import difference
from pipeline.results import examined, statistics
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import percent
from pipeline.settings import measured
from pipeline.values.lanes import TICKET

BYTES = (drawn.BITMAP, "bytes_csr", drawn.COMPACTED)


def structures(shown: Shown, details: Sequence[str]) -> list[str]:
    """Each arm of another structure beside the ticket of single weights in the same round, and beside its own reinit."""
    name, outcome = next(iter(shown.outcomes.items()))
    masks = measured.masks_of(shown.experiment(name))
    found = [
        "In these networks, every weight is used once for each input, so the share of the multiplications that a ticket needs is "
        "its density. Dense operations save multiplications only where whole units are removed; masks of single weights and of "
        "blocks need sparse operations."
    ]
    for arm, (of, structure) in masks.items():
        if structure != "weight" and arm == of:
            found += [_beside(shown, outcome, arm, [a for a, (its, _) in masks.items() if its == of and a != arm])]
    found += [_bytes(shown, outcome, arm) for arm, (of, _) in masks.items() if arm == of]
    return [line for line in found if line]


def _beside(shown: Shown, outcome: Outcome, arm: str, reinits: Sequence[str]) -> str:
    parts = []
    for _, row in outcome.rows(arm).iterrows():
        number = int(row["round"])
        others = {other: statistics.at_round(outcome.table, other, number) for other in (TICKET, *reinits)}
        told = [
            difference(outcome, row, other, f"that of the {shown.label(beside)} at {percent(other['density'])}%")
            for beside, other in others.items()
            if other is not None
        ]
        parts += [f"at {percent(row['density'])}%, it is {' and '.join(told)}"] if told else []
    if not parts:
        return ""
    return f"The {outcome.metric.words} of the {shown.label(arm)}, by the share of the multiplications: {'; '.join(parts)}."


def _bytes(shown: Shown, outcome: Outcome, arm: str) -> str:
    """In the last round of an arm."""
    if outcome.examined is None or outcome.rows(arm).empty:
        return ""
    row = outcome.rows(arm).sort_values("round").iloc[-1]
    shares = []
    for quantity in BYTES:
        table = examined.of(outcome.examined, quantity, arm)
        shares.append(f"{percent(float(table.loc[table['round'] == row['round'], 'value'].mean()))}%")
    return (
        f"{style.capital(shown.label(arm))} at {percent(row['density'])}% of the weights: the weights take {shares[0]} of the "
        f"dense network's bytes as a bitmap with the surviving values, {shares[1]} as compressed sparse rows, and {shares[2]} as "
        "dense layers without dead units."
    )
