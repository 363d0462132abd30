"""reports/index.md, the pages of further reports and the headline numbers: what the paper claims beside what was measured.

Every statement about a result is worked out from the tables; only the paper's own claims are fixed text.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.results import family, figures, paper, recipe, seen, statistics
from pipeline.results.statistics import Metrics, percent
from pipeline.results.wording import several
from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.lanes import ARMS

TITLES = {  # of the figures in an experiment's section, by the name of their files
    "learning_curves": "Learning curves of tickets",
    "early_stop": "Early stop of tickets and of reinitialised controls",
    "one_shot": "One-shot pruning",
    "arms": "Other arms beside tickets",
}
ASKED = (0.211, 0.135, 0.036)  # densities that the paper speaks of where it compares LeNet's tickets with dense and reinit
INTRODUCTION = """# Lottery tickets: what was run and what came out

"The paper" is Frankle & Carbin, *The Lottery Ticket Hypothesis*, ICLR 2019, whose figures are cited in brackets: those of
LeNet-300-100 on MNIST are means of 5 trials of 50,000 iterations, those of the other networks, on CIFAR-10, of 5 trials too.
Accuracies are of the test images, at the early-stop iteration (minimum validation loss) unless it says otherwise; means over
replicates, bands and brackets from the smallest to the largest. The headline numbers are in [metrics.json](metrics.json)."""


def index(
    config: Config,
    name: str,
    rounds: Mapping[str, pd.DataFrame],
    curves: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, Metrics],
) -> str:
    """The Markdown page of a report: its experiments in their order, then figures over several. curves: of deep networks."""
    tables = {experiment: statistics.summary(table) for experiment, table in rounds.items()}
    sections = [_section(config, name, experiment, table, metrics[experiment]) for experiment, table in tables.items()]
    compared = [_comparison(config, name, number, tables, curves) for number in paper.COMPARISONS]
    return "\n\n".join([INTRODUCTION, *sections, *filter(None, compared)]) + "\n"


def headline(metrics: Mapping[str, Metrics]) -> str:
    """A few lines for the terminal."""
    return "\n".join("\n".join([name, *(f"  {line}" for line in seen.findings(numbers))]) for name, numbers in metrics.items())


def _section(config: Config, report: str, name: str, table: pd.DataFrame, numbers: Metrics) -> str:
    experiment = config.experiment(name)
    folder = _link(report, places.report(name))
    return "\n\n".join(
        [
            f"## {name}",
            recipe.what_ran(experiment),
            *filter(None, [recipe.reduced(config, name)]),
            "\n".join(f"- {line}" for line in seen.findings(numbers)),
            *_figures(config, name, table, folder),
            "### All rounds",
            f"Every lane of `{name}` stands in [rounds.csv]({folder}/{places.rounds(name).name}). Percent of the test images, "
            "mean (min–max). The last column's command makes a row's lanes again when something they depend on has changed; "
            "with `--force --single-item` it does in any case.",
            _table(table),
        ]
    )


def _figures(config: Config, name: str, table: pd.DataFrame, folder: str) -> list[str]:
    """Only a LeNet's are numbered and stand beside claims of the paper, which are about LeNet."""
    experiment, trained = config.experiment(name), set(table["arm"])
    is_lenet = family.figure(experiment) == family.LENET
    others = [arm for arm in ARMS if arm in trained.intersection(figures.OTHERS)]
    here = {
        "learning_curves": seen.in_curves(table, config.figures.densities),
        "early_stop": seen.in_early_stop(table, experiment.training.iterations, ASKED if is_lenet else ()),
        "one_shot": seen.in_one_shot(table) if "one_shot" in trained else "",
        "arms": seen.in_arms(table, [*others, *(["reinit"] if "reinit" in trained else [])]) if others else "",
    }
    found = []
    for file, title in TITLES.items():
        number, claim = paper.LENET.get(file, (0, "")) if is_lenet else (0, "")
        numbered = f"Figure {number}. {title}" if number else title
        if file == "arms" and family.figure(experiment) in (family.LENET, family.CONV, family.DROPOUT):
            claims = [paper.ARMS[arm] for arm in others if arm in paper.ARMS]
            claim = f"{'; '.join(claims)}." if claims else ""
        if here[file]:
            found.append(_figure(f"{folder}/figures/{file}", f"{numbered}: {name}", claim, [here[file]]))
        elif number:
            found.append(
                f"**Figure {number} is not drawn:** the experiment has no one-shot tickets (`arms.one_shot` in params.yaml)."
            )
    return found


def _figure(files: str, title: str, claim: str, here: list[str]) -> str:
    claims = [f"- The paper {claim}"] if claim else []
    return "\n\n".join(
        [
            f"![{title}]({files}.svg)",
            f"**{title}** ([PNG]({files}.png))",
            "\n".join([*claims, *(f"- Here: {line}" for line in here)]),
        ]
    )


def _comparison(
    config: Config, report: str, number: int, tables: Mapping[str, pd.DataFrame], curves: Mapping[str, pd.DataFrame]
) -> str:
    """The section of a figure over several experiments, which says what to run where there are none."""
    about, names = paper.COMPARISONS[number], family.members(config, list(tables), number)
    if number == family.LENET and names:
        return ""  # drawn in their sections
    heading = f"## {about.figure}. {about.title}"
    if not names:
        return f"{heading}\n\n{_not_drawn(config, report, number)}"
    here = []
    for name in names:
        iterations = config.experiment(name).training.iterations
        label = f"`{name}` ({recipe.described(config.experiment(name))})"
        if number == family.DEEP:
            here.append(f"{label}: {seen.in_deep(curves[name])}.")
        elif number == family.CONV:
            here.append(f"{label}: {seen.in_convolutions(tables[name], iterations)}.")
        elif family.figure(config.experiment(name)) == number:
            twin = family.without_dropout(config, names, name)
            here.append(f"{label}: {seen.in_dropout(tables[name], tables[twin] if twin else None, iterations)}.")
    files = f"{_link(report, places.comparison(report))}/{about.file}"
    small = [f"`{name}`" for name in names if recipe.reduced(config, name)]
    budget = [f"Reduced budgets, as their sections say: {several(small)}. {_at_full_budget(config, number)}"] if small else []
    return "\n\n".join([heading, _figure(files, f"{about.figure}. {about.title}", about.claim, here), *budget])


def _not_drawn(config: Config, report: str, number: int) -> str:
    about = paper.COMPARISONS[number]
    have = [
        f"`{f'dvc repro {places.report_target(other)}'.strip()}` draws {'them' if number == family.LENET else 'it'} in "
        f"{places.index(other)}, from {several([f'`{name}`' for name in members])}."
        for other, names in config.all_reports().items()
        if other != report and (members := family.members(config, names, number))
    ]
    are = "are" if number == family.LENET else "is"
    return " ".join(
        [
            f"**{about.figure} {are} not drawn here:** this report has no experiment with {about.network}.",
            *have,
            *filter(None, [_at_full_budget(config, number)]),
        ]
    )


def _at_full_budget(config: Config, number: int) -> str:
    names = [f"`{name}`" for name in paper.COMPARISONS[number].experiments if name in config.experiments]
    if not names:
        return ""
    return (
        f"For the paper's own budget name {several(names)} in `report:` of {paths.PARAMS} (or in a report NAME of your own in "
        f"`reports:`), then `{places.REMEDY}` and `dvc repro` (or `dvc repro {places.report_target('NAME')}`)."
    )


def _link(report: str, path: Path) -> str:
    return Path(os.path.relpath(path, places.overview(report))).as_posix()


def _table(table: pd.DataFrame) -> str:
    lines = [
        "| density % | arm | lanes | early-stop iteration | accuracy at early stop | final accuracy | to reproduce |",
        "| ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for _, row in table.iterrows():
        stop, *stops = (f"{row[f'early_stop_iteration_{how}']:,.0f}" for how in ("mean", "min", "max"))
        accuracy, *accuracies = (f"{100 * row[f'accuracy_at_early_stop_{how}']:.2f}" for how in ("mean", "min", "max"))
        lines.append(
            f"| {percent(row['density'])} | {'dense' if row['round'] == 0 else ARMS[row['arm']].label} | {row['n']} "
            f"| {stop} ({'–'.join(stops)}) | {accuracy} ({'–'.join(accuracies)}) | {100 * row['final_accuracy_mean']:.2f} "
            f"| `dvc repro {row['target']}` |"
        )
    return "\n".join(lines)
