"""reports/index.md and the headline numbers: what the paper claims beside what was measured.

Every statement about a result is worked out from the tables; only the paper's own claims are fixed text.
"""

from collections.abc import Mapping

import pandas as pd

from pipeline.results import statistics
from pipeline.results.statistics import Metrics, at_density, at_round, percent
from pipeline.values import paths
from pipeline.values.clock import Step
from pipeline.values.schema import Arm, Chain, Config, Control, Experiment

ARMS = {
    "ticket": "ticket",
    "one_shot": "one-shot ticket",
    "reinit": "random reinit",
    "one_shot_reinit": "random reinit, one-shot mask",
}
FIGURES = (  # file, title, what the paper claims
    (
        "learning_curves",
        "Figure 1. Learning curves of tickets",
        "tickets learn faster as density falls from 100% to 21.1%, then slower; at 3.6% they are back at the dense network.",
    ),
    (
        "early_stop",
        "Figure 2. Early stop of tickets and of reinitialised controls",
        "at 21.1% of the weights early stop comes 38% earlier than dense; accuracy is over 0.3 points higher at 13.5% and back "
        "at the dense level at 3.6%. With fresh weights the same masks learn ever slower and lose accuracy from 21.1% on: at 21% "
        "the ticket is 2.51× sooner and half a point more accurate.",
    ),
    (
        "one_shot",
        "Figure 3. One-shot pruning",
        "one-shot tickets stop earlier than dense from 67.5% to 17.6% of the weights and are more accurate from 95.0% to 5.17%; "
        "iterative pruning finds smaller tickets.",
    ),
)
INTRODUCTION = f"""# Lottery tickets: what was run and what came out

"The paper" is Frankle & Carbin, *The Lottery Ticket Hypothesis*, ICLR 2019; its figures here are those of LeNet-300-100
on MNIST, from 5 trials of 50,000 iterations. Accuracies are of the test images, at the early-stop iteration (minimum
validation loss) unless it says otherwise; means over replicates, bands and brackets from the smallest to the largest.
The headline numbers are in [{paths.metrics().name}]({paths.metrics().name})."""


def index(settings: Config, rounds: Mapping[str, pd.DataFrame], metrics: Mapping[str, Metrics]) -> str:
    """The Markdown page over the experiments in `report:`, in that order."""
    sections = [_section(settings, name, statistics.summary(rounds[name]), metrics[name]) for name in settings.report]
    return "\n\n".join([INTRODUCTION, *sections]) + "\n"


def headline(metrics: Mapping[str, Metrics]) -> str:
    """A few lines for the terminal."""
    return "\n".join("\n".join([name, *(f"  {line}" for line in findings(numbers))]) for name, numbers in metrics.items())


def findings(numbers: Metrics) -> list[str]:
    """metrics.json in plain words; what is null there is left out."""
    dense, best, density = (numbers[key] for key in ("dense_accuracy", "best_ticket_accuracy", "best_ticket_density"))
    smallest, speedup = numbers["smallest_winning_density"], numbers["early_stop_speedup_at_21"]
    slowdown, gap = numbers["reinit_early_stop_ratio_at_21"], numbers["reinit_accuracy_gap_at_21"]
    lines = [f"Dense network: {dense:.2%} of the test images right."]
    if best is not None and density is not None and dense is not None:
        lines.append(f"Best ticket: {best:.2%} ({_points(best - dense)}), with {percent(density)}% of the weights.")
    if smallest is not None and smallest < 1:
        lines.append(f"Smallest ticket no worse than dense: {percent(smallest)}% of the weights.")
    elif best is not None:
        lines.append("No ticket is as accurate as the dense network.")
    if speedup is not None:
        lines.append(f"At 21% of the weights a ticket's early stop comes {_times(speedup)} the dense network's.")
    if slowdown is not None and gap is not None:
        lines.append(
            f"There a ticket's early stop comes {_times(slowdown)} that of the same masks with fresh weights (reinit), "
            f"and its accuracy is {_level(gap)} theirs."
        )
    return lines


def _section(settings: Config, name: str, table: pd.DataFrame, numbers: Metrics) -> str:
    experiment = settings.experiment(name)
    return "\n\n".join(
        [
            f"## {name}",
            _what_ran(experiment),
            "\n".join(f"- {line}" for line in findings(numbers)),
            _figure(name, *FIGURES[0], _seen_in_curves(settings, table)),
            _figure(name, *FIGURES[1], _seen_in_early_stop(table, experiment.training.iterations)),
            _figure(name, *FIGURES[2], _seen_in_one_shot(table))
            if "one_shot" in set(table["arm"])
            else "**Figure 3 is not drawn:** the experiment has no one-shot tickets (`arms.one_shot` in params.yaml).",
            "### All rounds",
            f"Every lane stands in [rounds.csv]({name}/{paths.rounds(name).name}). Percent of the test images, "
            "mean (min–max). The last column's command makes a row's lanes again when something they depend on has changed; "
            "with `--force --single-item` it does in any case.",
            _table(table),
        ]
    )


def _what_ran(experiment: Experiment) -> str:
    """One sentence from params.yaml."""
    data, model, training, pruning = experiment.data, experiment.model, experiment.training, experiment.pruning
    options = ", ".join(f"{key} {value}" for key, value in model.options.items())
    scope = "layer-wise" if pruning.scope == "layer" else "global"
    rates = ", ".join(f"{kind} {rate:.0%}" for kind, rate in pruning.rates.items())
    step = Step.parse(experiment.rewind)
    rewind = f"{'iteration' if step.unit == 'it' else 'epoch'} {step.count}"
    arms = [
        f"{ARMS[arm]}s in {_count(len(experiment.rounds_of(arm)), 'round')}{_draws(getattr(experiment.arms, arm))}"
        for arm in ("one_shot", "reinit", "one_shot_reinit")
        if experiment.rounds_of(arm)
    ]
    return (
        f"`{model.name}`{f' ({options})' if options else ''} on `{data.name}`, {data.validation:,} training images kept for "
        f"validation, {training.iterations:,} iterations of batch {training.batch_size} with {experiment.optimizer.name} at "
        f"{experiment.optimizer.lr:g}; {_count(pruning.rounds, 'round')} of {scope} {pruning.criterion} pruning "
        f"({rates} of the surviving weights a round), tickets rewound to {rewind}; "
        f"{_count(len(experiment.seeds), 'replicate')}{'; ' if arms else ''}{'; '.join(arms)}."
    )


def _figure(name: str, figure: str, title: str, paper: str, here: str) -> str:
    files = f"{name}/figures/{figure}"
    return f"![{title}]({files}.svg)\n\n**{title}** ([PNG]({files}.png))\n\n- The paper: {paper}\n- Here: {here}"


def _seen_in_curves(settings: Config, table: pd.DataFrame) -> str:
    tickets = (at_density(table, "ticket", density) for density in settings.figures.densities)
    rows = list({int(row["round"]): row for row in tickets if row is not None}.values())
    if not rows:
        return "the experiment has no ticket near the densities of `figures` in params.yaml."
    stops = ", ".join(f"{row['early_stop_iteration_mean']:,.0f} at {percent(row['density'])}%" for row in rows)
    first = min(rows, key=lambda row: float(row["early_stop_iteration_mean"]))
    top = max(rows, key=lambda row: float(row["accuracy_at_early_stop_mean"]))
    return (
        f"the mean early-stop iteration is {stops}. The earliest is at {percent(first['density'])}%, "
        f"the highest accuracy, {top['accuracy_at_early_stop_mean']:.2%}, at {percent(top['density'])}%."
    )


def _seen_in_early_stop(table: pd.DataFrame, iterations: int) -> str:
    dense = at_round(table, "ticket", 0)
    seen = []
    for row in (at_density(table[table["round"] > 0], "ticket", density) for density in (0.211, 0.135, 0.036)):
        if row is None or dense is None:
            continue
        reinit = at_round(table, "reinit", int(row["round"]))
        against = "" if reinit is None else f", against reinit: {_against(row, reinit)}"
        seen.append(f"at {percent(row['density'])}% of the weights, against dense: {_against(row, dense)}{against}")
    controls = (
        "" if "reinit" in set(table["arm"]) else " The experiment has no reinitialised controls (`arms.reinit` in params.yaml)."
    )
    return f"{'; '.join(seen) or 'the experiment has no ticket near these densities'}.{controls}{_at_the_end(table, iterations)}"


def _at_the_end(table: pd.DataFrame, iterations: int) -> str:
    """Early stops that the end of training may have cut off: their true values are later."""
    late = table[table["early_stop_iteration_max"] >= 0.95 * iterations]
    arms = [f"{ARMS[str(arm)]} at {_densities(rows)}" for arm, rows in late.groupby("arm", sort=False)]
    return (
        f" Some lanes' validation loss was lowest in the last 5% of the {iterations:,} iterations: {'; '.join(arms)}."
        if arms
        else ""
    )


def _seen_in_one_shot(table: pd.DataFrame) -> str:
    rows, dense = table[table["arm"] == "one_shot"], table[table["round"] == 0].iloc[0]
    earlier = rows[rows["early_stop_iteration_mean"] < dense["early_stop_iteration_mean"]]
    better = rows[rows["accuracy_at_early_stop_mean"] > dense["accuracy_at_early_stop_mean"]]
    # The same rounds for both: one-shot tickets are trained in some rounds only.
    same = table[table["round"].isin(list(rows["round"]))]
    winning = same[same["accuracy_at_early_stop_mean"] >= dense["accuracy_at_early_stop_mean"]]
    smallest = {
        arm: f"{percent(found.min())}%" if len(found := winning.loc[winning["arm"] == arm, "density"]) else "none"
        for arm in ("one_shot", "ticket")
    }
    return (
        f"of one-shot tickets at {_densities(rows)}, early stop is earlier than dense at {_densities(earlier)} "
        f"and accuracy higher at {_densities(better)}. In these rounds the smallest ticket no worse than dense is "
        f"{smallest['one_shot']} one-shot, {smallest['ticket']} iterative."
    )


def _table(table: pd.DataFrame) -> str:
    lines = [
        "| density % | arm | lanes | early-stop iteration | accuracy at early stop | final accuracy | to reproduce |",
        "| ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for _, row in table.iterrows():
        stop, *stops = (f"{row[f'early_stop_iteration_{how}']:,.0f}" for how in ("mean", "min", "max"))
        accuracy, *accuracies = (f"{100 * row[f'accuracy_at_early_stop_{how}']:.2f}" for how in ("mean", "min", "max"))
        lines.append(
            f"| {percent(row['density'])} | {'dense' if row['round'] == 0 else ARMS[row['arm']]} | {row['n']} "
            f"| {stop} ({'–'.join(stops)}) | {accuracy} ({'–'.join(accuracies)}) | {100 * row['final_accuracy_mean']:.2f} "
            f"| `dvc repro {row['target']}` |"
        )
    return "\n".join(lines)


def _densities(rows: pd.DataFrame) -> str:
    return ", ".join(map(percent, rows["density"])) + "%" if len(rows) else "none"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f} points"


def _level(gap: float) -> str:
    return f"{abs(100 * gap):.2f} points {'above' if gap >= 0 else 'below'}"


def _times(ratio: float) -> str:
    """How many times sooner, for a ratio of another's early-stop iteration to the ticket's."""
    return f"{ratio:.2f}× sooner than" if ratio >= 1 else f"{1 / ratio:.2f}× later than" if ratio else "after"


def _against(ticket: pd.Series, other: pd.Series) -> str:
    """How much earlier the ticket's early stop comes, in percent of the other's iterations, and what it gains in accuracy."""
    its, theirs = float(ticket["early_stop_iteration_mean"]), float(other["early_stop_iteration_mean"])
    earlier = (
        f"{abs(theirs - its) / theirs:.0%} {'earlier' if its <= theirs else 'later'}" if theirs else "not before iteration 0"
    )
    return (
        f"early stop {earlier}, accuracy {_points(ticket['accuracy_at_early_stop_mean'] - other['accuracy_at_early_stop_mean'])}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _draws(arm: Arm | Chain) -> str:
    return f", {_count(arm.draws, 'draw')} a seed" if isinstance(arm, Control) else ""
