"""The table of all rounds of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.figures.shown import Shown
from pipeline.report.wording import stop
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from pipeline.results.metric import Metric
    from pipeline.results.outcome import Row

AGAIN = (
    "Each command trains the networks of its row, after those that they come from; what DVC has in its cache is not trained "
    "again. With `--force --single-item` at its end, a command trains the networks of its row in any case."
)


def command(row: Row) -> str:
    """Trains the lanes of a row, as AGAIN says."""
    return f"dvc repro {row['target']}"


def explained(outcome: Outcome) -> str:
    """What the cells say."""
    metric = outcome.metric
    unit = f"{metric.words.capitalize() if metric.words.islower() else metric.words} is in percent of the test set. "
    mark = (
        "An early stop marked ≥ is a lower bound, because the validation loss of some lanes was lowest in the last 5% of "
        "training and might have fallen further. "
    )
    return (
        "The table gives means over lanes, with the smallest and the largest value in brackets. "
        f"{unit if metric.is_fraction else ''}"
        f"{mark if (outcome.table['censored'] > 0).any() else ''}The last column has the command that trains a row. {AGAIN}"
    )


@dataclass(frozen=True)
class Line:
    """An arm in a round, in words. row: its numbers. stops, values: from the smallest to the largest."""

    row: Row
    density: str
    arm: str
    lanes: str
    stop: str
    stops: str
    value: str
    values: str
    final: str
    command: str


def lines(shown: Shown) -> list[Line]:
    return [_line(shown, row) for _, row in shown.outcome.table.iterrows()]


def _line(shown: Shown, row: Row) -> Line:
    metric = shown.outcome.metric
    return Line(
        row, percent(row["density"]), "dense" if row["arm"] == DENSE else shown.label(row["arm"]), str(row["n"]), stop(row),
        "–".join(f"{row[f'stop_{how}']:,.0f}" for how in ("min", "max")), metric.number(row["value_mean"]),
        "–".join(metric.number(row[f"value_{how}"]) for how in ("min", "max")), metric.number(row["final_mean"]),
        command(row),
    )  # fmt: skip


def heads(metric: Metric) -> tuple[str, str]:
    """The headings of the columns of the metric: at early stop and at the end of training."""
    unit = " (%)" if metric.is_fraction else f" ({metric.unit})" if metric.unit else ""
    return f"{metric.words} at early stop{unit}", f"final {metric.words}{unit}"


def markdown(shown: Shown) -> str:
    head = ["density (%)", "arm", "lanes", "early-stop iteration", *heads(shown.outcome.metric), "to reproduce"]
    found = ["| " + " | ".join(head) + " |", "| ---: | --- | ---: | ---: | ---: | ---: | --- |"]
    for line in lines(shown):
        cells = [
            line.density, line.arm, line.lanes, f"{line.stop} ({line.stops})", f"{line.value} ({line.values})", line.final,
            f"`{line.command}`",
        ]  # fmt: skip
        found.append("| " + " | ".join(cells) + " |")
    return "\n".join(found)
