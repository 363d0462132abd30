"""The descriptions of runs and experiments, as Markdown: what MLflow's pages say before anybody has opened a chart."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.figures import style
from pipeline.results.metric import Metric
from pipeline.settings import places
from pipeline.tracking.arms import Arm
from pipeline.tracking.record import Record
from pipeline.tracking.tables import EFFECT
from pipeline.values.lanes import DENSE, TICKET

MOST_ROWS = 30  # rounds in a table; a description of MLflow has an end
FIRST = ("early_stop.png", "learning_curves.png", "one_shot.png")  # of the figures; the others are among the artifacts
MOST_FIGURES = 3
HOW = (
    "Each arm is one run. Its points are means over its lanes, which are the runs below it, and their step is the round of "
    "pruning, so that charts overlay the arms. Open the run of an arm for its table, figures and files."
)


def of_lane(record: Record, changed: Mapping[str, str]) -> str:
    """changed: the settings that are not the committed ones."""
    training = record.training
    took = f"It was trained in {_time(training.seconds)}, side by side with the other lanes of {record.item.name}. " if (
        training.is_known
    ) else "It was not trained here but came from a cache, so its times are those of its logging. "  # fmt: skip
    stamps = "Between the beginning and the end of the training, which were measured, the times of its points are spread evenly."
    return "\n\n".join(
        [
            f"{_who(record.item.arm)}, round {record.item.round}, {_percent(record.about.get('density'))} of the weights, "
            f"{record.lane.replace('_', ', ').replace('seed', 'seed ').replace('draw', 'draw ')}.",
            took + (stamps if training.is_known else ""),
            *_changed(changed),
            f"`dvc repro {record.stage}` trains it.",
        ]
    )


def of_arm(arm: Arm, changed: Mapping[str, str]) -> str:
    metric = metric_of(arm.first)
    best = _best(arm, metric)
    shown = next((record for record in arm.records if record.item.round == best), arm.first)
    told = "" if best is None else _told(arm, metric, best)
    return "\n\n".join(
        [
            f"**{_who(arm.name)}**: {_count(len(arm.records), 'lane')} in {_count(len(arm.rounds), 'round')}. {told}".strip(),
            *_changed(changed),
            _table(arm, metric),
            "Values are means over the lanes on the test set, with the smallest and the largest in brackets."
            + (" Step 0 is the dense network." if any(step == 0 for _, step in arm.curve) and arm.name != DENSE else ""),
            f"`dvc repro {shown.stage}` makes the row of round {shown.item.round} again, once DVC has it with "
            "`--force --single-item`.",
        ]
    )


def of_report(experiment: str, metric: Metric, verdicts: Mapping[str, float], run: str) -> tuple[str, str]:
    """What the report of an experiment says first, and its first figures. run: the id of the run that has its artifacts."""
    return "\n\n".join(filter(None, (headline(experiment, metric), tally(verdicts)))), pictures(experiment, run)


def colour(arm: str) -> str:
    """The colour of an arm in figures; empty for an arm that has none of its own."""
    return style.GREY if arm == DENSE else style.LOOKS[arm].colour if arm in style.LOOKS else ""


def headline(experiment: str, metric: Metric) -> str:
    """From metrics.json; empty when there is none, or it is of another version."""
    try:
        found = json.loads(places.metrics(experiment).read_bytes())[experiment]
        dense, best = found[f"dense_{metric.name}"], found[f"best_ticket_{metric.name}"]
        if best is None:
            return ""
        smallest = found["smallest_winning_density"]
        lines = [
            f"**The best ticket keeps {_percent(found['best_ticket_density'])} of the weights; its test {metric.words} is "
            f"{metric.text(best)}, and the dense network's {metric.text(dense)}.**"
        ]
        if smallest is not None and smallest < 1:
            lines.append(
                "The smallest ticket that is shown to be no worse than the dense network (with a margin of "
                f"{metric.size(found['margin'])}) keeps {_percent(smallest)}; the 95% interval of its "
                f"difference is {metric.between(found['smallest_winning_low'], found['smallest_winning_high'])}."
            )
        elif smallest is not None:
            lines.append("No ticket is shown to be no worse than the dense network.")
        gap = found.get(f"ticket_minus_reinit_{metric.name}_at_21")
        if gap is not None:
            at = _percent(found["density_near_21"])
            than = "the same masks with fresh weights"
            lines.append(f"At {at} of the weights, the tickets differ from {than} by {metric.gap(gap)}.")
        return " ".join(lines)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def tally(verdicts: Mapping[str, float]) -> str:
    """verdicts: as `tables.claims` returns them."""
    if not verdicts:
        return ""
    found = Counter(value for key, value in verdicts.items() if not key.endswith(EFFECT))
    parts = [f"{found[1.0]} hold", f"{found[-1.0]} do not hold", f"{found[0.0]} are undecided"]
    return f"Of {_count(found.total(), 'claim')} about it that were tested, {parts[0]}, {parts[1]} and {parts[2]}."


def pictures(experiment: str, run: str) -> str:
    """The first figures, as MLflow's server delivers the artifacts of a run; its pages have addresses below the server's."""
    names = sorted(path.name for path in places.figures(experiment).glob("*.png"))
    chosen = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    folder = Path("report", places.figures(experiment).name)
    return "\n\n".join(
        f"![{name}](get-artifact?path={(folder / name).as_posix().replace('/', '%2F')}&run_uuid={run})"
        for name in chosen[:MOST_FIGURES]
    )


def metric_of(record: Record) -> Metric:
    about: Mapping[str, Any] = record.about["metric"]
    return Metric(str(about["name"]), about["better"], str(about.get("unit", "")))


def _best(arm: Arm, metric: Metric) -> int | None:
    """The round with the best mean at the early stop."""
    if arm.name == DENSE:
        return None
    values = {step: value for (key, step), value in arm.curve.items() if key == metric.at_early_stop and step in arm.rounds}
    if not values or any(map(math.isnan, values.values())):
        return None
    rounds = list(values)
    return rounds[metric.best([values[number] for number in rounds])]


def _told(arm: Arm, metric: Metric, best: int) -> str:
    value, density = metric.text(arm.curve[metric.at_early_stop, best]), _percent(arm.curve.get(("density", best)))
    return f"Its best {metric.words}, {value}, is that of round {best}, with {density} of the weights."


def _table(arm: Arm, metric: Metric) -> str:
    rows = [f"| round | weights | {metric.words} at early stop | early stop | {metric.words} at the end | lanes |"]
    rows.append("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for number in arm.rounds[:MOST_ROWS]:
        lanes = [record for record in arm.records if record.item.round == number]
        cells = [_spread(lanes, metric.at_early_stop, metric.text), _spread(lanes, "early_stop_iteration", "{:,.0f}".format)]
        cells.append(_spread(lanes, metric.final, metric.text))
        weights = _percent(arm.curve.get(("density", number)))
        rows.append(f"| {number} | {weights} | {' | '.join(cells)} | {len(lanes)} |")
    if len(arm.rounds) > MOST_ROWS:
        rows.append(f"| and {len(arm.rounds) - MOST_ROWS} more | | | | | |")
    return "\n".join(rows)


def _spread(lanes: Sequence[Record], key: str, text: Callable[[float], str]) -> str:
    values = [float(record.about[key]) for record in lanes if record.about.get(key) is not None]
    if not values:
        return ""
    return text(fmean(values)) + (f" ({text(min(values))} to {text(max(values))})" if len(values) > 1 else "")


def _changed(changed: Mapping[str, str]) -> list[str]:
    listed = ", ".join(f"`{key}: {value[:100]}`" for key, value in changed.items())
    return [f"Unlike in the committed settings: {listed}."] if changed else []


def _who(arm: str) -> str:
    return {DENSE: "Dense network", TICKET: "Ticket"}.get(arm) or style.capital(style.label(arm, {}))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _percent(density: Any) -> str:
    return f"{100 * density:.3g}%" if isinstance(density, float | int) else "an unknown share"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
