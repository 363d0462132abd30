"""Writes reports/index.md and the pages of further reports, with the claims of the paper beside what was measured.

Every statement about a result is computed from the tables; only the paper's own claims are fixed text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.claims.verdicts import Verdicts
from pipeline.figures.shown import Shown
from pipeline.report import recipe, registry, table, verdicts
from pipeline.report.content import FIGURES
from pipeline.report.figure import Figure, Subject
from pipeline.report.findings import findings
from pipeline.report.wording import ticked
from pipeline.results.outcome import Outcome
from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values import paths

INTRODUCTION = """# Lottery tickets: what was run and what came out

"The paper" is Frankle & Carbin, *The Lottery Ticket Hypothesis*, ICLR 2019. Its figures are cited in brackets. Its results for
LeNet-300-100 on MNIST are means of 5 trials of 50,000 iterations; those for the other networks on CIFAR-10 are means of 5 trials
too. On this page, networks are compared at their early stop, the iteration of minimum validation loss, and on the test set,
unless stated otherwise. Numbers are means over replicates; bands in figures and ranges in brackets extend from the smallest to
the largest value. A lane is a single training run. Intervals are paired t intervals: they are computed from the differences
between lanes with the same seed, after averaging over the draws of a seed."""


def index(config: Config, name: str, outcomes: Mapping[str, Outcome], found: Verdicts | None = None) -> str:
    """The Markdown page of a report: the verdicts on the paper's claims, if there are any, its experiments in their order, then
    figures over several.
    """
    sections = [_section(name, Shown(config, {experiment: outcome})) for experiment, outcome in outcomes.items()]
    judged = [] if found is None else _judged(config, name, outcomes, found)
    return "\n\n".join([INTRODUCTION, *judged, *sections, *_over(config, name, outcomes)]) + "\n"


def _judged(config: Config, report: str, outcomes: Mapping[str, Outcome], found: Verdicts) -> list[str]:
    links = {name: f"{_link(report, places.report(name))}/figures" for name in outcomes}
    links[""] = _link(report, places.comparison(report))
    sections = [verdicts.claims(config, report, outcomes, found), verdicts.discussion(config, links, outcomes, found)]
    return [section for section in sections if section]


def _section(report: str, shown: Shown) -> str:
    experiment, name = shown.experiment(shown.name), shown.name
    folder = _link(report, places.report(name))
    reduced = recipe.reduced(shown.config, name)
    parts = [
        f"## {name}",
        recipe.what_ran(experiment, shown.labels),
        *([reduced] if reduced else []),
        "\n".join(f"- {line}" for line in findings(shown)),
        *_figures(shown, folder),
        "### All rounds",
        f"[rounds.csv]({folder}/{places.rounds(name).name}) has every lane of `{name}`, and "
        f"[metrics.json]({folder}/{places.metrics(name).name}) the headline numbers. {table.explained(shown.outcome)}",
        table.markdown(shown),
    ]
    return "\n\n".join(parts)


def _figures(shown: Shown, folder: str) -> list[str]:
    """The paper's figure numbers and claims appear only beside the networks to which they apply."""
    found = []
    for figure in FIGURES:
        if figure.arms is None:
            continue
        arms = figure.arms(shown.outcome)
        is_subject = figure.subject.shows(shown.experiment(shown.name))
        heading = figure.heading if is_subject else figure.title
        if arms:
            claims = _claims(figure, arms) if is_subject else []
            lines = [*claims, *(f"Here: {line}" for line in figure.here(shown, arms))]
            found.append(_figure(f"{folder}/figures/{figure.file}", f"{heading}: {shown.name}", lines))
        elif is_subject and figure.missing:
            found.append(f"**Figure {figure.number} is not drawn:** {figure.missing}")
    return found


def _claims(figure: Figure, arms: list[str]) -> list[str]:
    claims = [figure.claim, *(text for arm, text in figure.arm_claims.items() if arm in arms)]
    return [f"The paper {claim}" for claim in claims if claim]


def _figure(files: str, title: str, lines: list[str]) -> str:
    return "\n\n".join(
        [f"![{title}]({files}.svg)", f"**{title}** ([PNG]({files}.png))", "\n".join(f"- {line}" for line in lines)]
    )


def _over(config: Config, report: str, outcomes: Mapping[str, Outcome]) -> list[str]:
    """A section for each subject of numbered figures, unless its figures stand in the sections of its experiments; then one for
    each figure of later work that the report draws.
    """
    found = []
    for subject in dict.fromkeys(figure.subject for figure in FIGURES if figure.number):
        figures = [figure for figure in FIGURES if figure.subject is subject and figure.number]
        if not registry.of_subject(config, list(outcomes), subject):
            found.append(f"## {_numbers(figures)}. {subject.title}\n\n{_not_drawn(config, report, subject, figures)}")
            continue
        found += [_drawn_over(config, report, outcomes, figure) for figure in figures if figure.arms is None]
    unnumbered = [figure for figure in registry.over(config, list(outcomes)) if not figure.number]
    return found + [_drawn_over(config, report, outcomes, figure) for figure in unnumbered]


def _drawn_over(config: Config, report: str, outcomes: Mapping[str, Outcome], figure: Figure) -> str:
    shown = registry.shown_over(config, outcomes, figure)
    files = f"{_link(report, places.comparison(report))}/{figure.file}"
    lines = [*_claims(figure, []), *(f"Here: {line}" for line in figure.here(shown, figure.details))]
    others = [name for name in registry.members(config, list(outcomes), figure) if name not in shown.outcomes]
    if others:
        lines.append(f"Here: {ticked(others)} cannot be drawn in this figure, because the metric is not {shown.metric.words}.")
    parts = [f"## {figure.heading}", _figure(files, figure.heading, lines)]
    small = [name for name in shown.outcomes if recipe.reduced(config, name)]
    if small:
        budgets = f"budget of {ticked(small)} is" if len(small) == 1 else f"budgets of {ticked(small)} are"
        parts.append(f"The {budgets} reduced, as stated above. {_at_full_budget(config, figure.subject)}".strip())
    return "\n\n".join(parts)


def _not_drawn(config: Config, report: str, subject: Subject, figures: list[Figure]) -> str:
    one = len(figures) == 1
    sentences = [
        f"**{_numbers(figures)} {'is' if one else 'are'} not drawn here:** this report has no experiment with {subject.network}."
    ]
    for other, names in config.all_reports().items():
        found = registry.members(config, names, figures[0])
        if found and other != report:
            command = f"dvc repro {places.report_target(other)}".strip()
            sentences.append(f"`{command}` draws {'it' if one else 'them'} in {places.index(other)}, from {ticked(found)}.")
    return " ".join([*sentences, _at_full_budget(config, subject)]).strip()


def _at_full_budget(config: Config, subject: Subject) -> str:
    names = [name for name in subject.experiments if name in config.experiments]
    if not names:
        return ""
    return (
        f"For the paper's own budget, name {ticked(names)} in `report:` of {paths.PARAMS} (or in a report NAME of your own in "
        f"`reports:`), then run `{places.REMEDY}` and `dvc repro` (or `dvc repro {places.report_target('NAME')}`)."
    )


def _numbers(figures: list[Figure]) -> str:
    first, *rest = [figure.number for figure in figures]
    return f"Figures {first} to {rest[-1]}" if rest else f"Figure {first}"


def _link(report: str, path: Path) -> str:
    return Path(os.path.relpath(path, places.overview(report))).as_posix()
