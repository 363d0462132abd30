"""The table of all rounds in an experiment's section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.figures.shown import Shown
from pipeline.report.wording import stop
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from pipeline.results.outcome import Row


def explained(outcome: Outcome) -> str:
    """What the cells say."""
    metric = outcome.metric
    unit = f"{metric.words.capitalize() if metric.words.islower() else metric.words} is in percent of the test set. "
    mark = (
        "An early stop marked ≥ is a lower bound, because the validation loss of some lanes was lowest in the last 5% of "
        "training and might have fallen further. "
    )
    return (
        f"The table gives means, with the smallest and the largest in brackets. {unit if metric.is_fraction else ''}"
        f"{mark if (outcome.table['censored'] > 0).any() else ''}The command in the last column retrains the lanes of a "
        "row if something that they depend on has changed; with `--force --single-item`, it always does."
    )


def markdown(shown: Shown) -> str:
    metric = shown.outcome.metric
    unit = " (%)" if metric.is_fraction else f" ({metric.unit})" if metric.unit else ""
    head = [
        "density (%)", "arm", "lanes", "early-stop iteration", f"{metric.words} at early stop{unit}",
        f"final {metric.words}{unit}", "to reproduce",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| ---: | --- | ---: | ---: | ---: | ---: | --- |"]
    return "\n".join([*lines, *(_row(shown, row) for _, row in shown.outcome.table.iterrows())])


def _row(shown: Shown, row: Row) -> str:
    metric = shown.outcome.metric
    stops = "–".join(f"{row[f'stop_{how}']:,.0f}" for how in ("min", "max"))
    values = "–".join(metric.number(row[f"value_{how}"]) for how in ("min", "max"))
    cells = [
        percent(row["density"]), "dense" if row["arm"] == DENSE else shown.label(row["arm"]), str(row["n"]),
        f"{stop(row)} ({stops})", f"{metric.number(row['value_mean'])} ({values})", metric.number(row["final_mean"]),
        f"`dvc repro {row['target']}`",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"
