"""A report as data: what it says, in its order. page.py writes it as Markdown and pipeline/page as one HTML file.

Texts are Markdown in a line: code, emphasis and links. Every statement about a result is computed from the tables; only the
paper's own claims are fixed text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.claims.verdicts import Verdicts
from pipeline.figures.shown import Shown
from pipeline.report import answers, recipe, registry, verdicts
from pipeline.report.answers import Answer
from pipeline.report.content import FIGURES
from pipeline.report.figure import Figure, Subject
from pipeline.report.findings import findings
from pipeline.report.links import link
from pipeline.report.verdicts import Judged
from pipeline.report.wording import ticked
from pipeline.results.outcome import Outcome
from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values import paths

INTRODUCTION = """
"The paper" is Frankle & Carbin, *The Lottery Ticket Hypothesis*, ICLR 2019. Its figures are cited in brackets. Its results for
LeNet-300-100 on MNIST are means of 5 trials of 50,000 iterations; those for the other networks on CIFAR-10 are means of 5 trials
too. On this page, networks are compared at their early stop, the iteration of minimum validation loss, and on the test set,
unless stated otherwise. Numbers are means over replicates; bands in figures and ranges in the tables of rounds extend from the
smallest to the largest value. Intervals are paired t intervals: they are computed from the differences
between lanes with the same seed, after averaging over the draws of a seed.

A round prunes the network and trains it again; its density is the share of the weights that are left. An arm is one way to
obtain masks and starting weights: the ticket's own, or those of a control. A replicate is one repetition of the experiment with a
seed of its own, a draw is one sample of an arm's random weights or masks, and a lane is a single training run.
""".strip()


@dataclass(frozen=True)
class Drawing:
    """A figure and all that is written below it.

    parts: the arms that it shows or, of one over experiments, the details. files: its files without their ending, relative to
    the page. lines: the paper's claims, then what was measured here.
    """

    figure: Figure
    shown: Shown
    parts: Sequence[str]
    files: str
    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Section:
    """An experiment. brief: what it is, in a line. answer: what is said of it first. about: what was run. figures: in their
    order; a text stands for one that is not drawn.
    """

    shown: Shown
    folder: str
    brief: str
    answer: Answer
    about: Sequence[str]
    findings: Sequence[str]
    figures: Sequence[Drawing | str]


@dataclass(frozen=True)
class Comparison:
    """A figure over experiments. note: on budgets; without a drawing, why there is none."""

    heading: str
    drawing: Drawing | None
    note: str


@dataclass(frozen=True)
class Document:
    """judged: the claims; None in a repository without any. discussion: its paragraphs."""

    report: str
    judged: Judged | None
    discussion: Sequence[str]
    sections: Sequence[Section]
    comparisons: Sequence[Comparison]


def of(config: Config, report: str, outcomes: Mapping[str, Outcome], found: Verdicts | None = None) -> Document:
    """The verdicts on the paper's claims, if there are any, the experiments in their order, then figures over several."""
    links = {name: f"{link(report, places.report(name))}/figures" for name in outcomes}
    links[""] = link(report, places.comparison(report))
    return Document(
        report,
        None if found is None else verdicts.claims(config, report, outcomes, found),
        [] if found is None else verdicts.discussion(config, links, outcomes, found),
        [_section(report, Shown(config, {name: outcome}), found) for name, outcome in outcomes.items()],
        _over(config, report, outcomes),
    )


def title(report: str) -> str:
    return f"Lottery tickets: {'what was run and what came out' if report == places.MAIN else report}"


def _section(report: str, shown: Shown, found: Verdicts | None) -> Section:
    folder, reduced = link(report, places.report(shown.name)), recipe.reduced(shown.config, shown.name)
    about = [recipe.what_ran(shown.experiment(shown.name), shown.labels), *([reduced] if reduced else [])]
    brief = recipe.brief(shown.config, shown.name)
    return Section(shown, folder, brief, answers.answer(shown, found), about, findings(shown), _figures(shown, folder))


def _figures(shown: Shown, folder: str) -> list[Drawing | str]:
    """The paper's figure numbers and claims appear only beside the networks to which they apply."""
    found: list[Drawing | str] = []
    for figure in FIGURES:
        if figure.arms is None:
            continue
        arms = figure.arms(shown.outcome)
        is_subject = figure.subject.shows(shown.experiment(shown.name))
        heading = figure.heading if is_subject else figure.title
        if arms:
            lines = [*(_claims(figure, arms) if is_subject else []), *(f"Here: {line}" for line in figure.here(shown, arms))]
            found.append(Drawing(figure, shown, arms, f"{folder}/figures/{figure.file}", f"{heading}: {shown.name}", lines))
        elif is_subject and figure.missing:
            found.append(f"**Figure {figure.number} is not drawn:** {figure.missing}")
    return found


def _claims(figure: Figure, arms: Sequence[str]) -> list[str]:
    claims = [figure.claim, *(text for arm, text in figure.arm_claims.items() if arm in arms)]
    return [f"The paper {claim}" for claim in claims if claim]


def _over(config: Config, report: str, outcomes: Mapping[str, Outcome]) -> list[Comparison]:
    """One for each subject of numbered figures, unless its figures stand in the sections of its experiments; then one for each
    figure of later work that the report draws.
    """
    found = []
    for subject in dict.fromkeys(figure.subject for figure in FIGURES if figure.number):
        figures = [figure for figure in FIGURES if figure.subject is subject and figure.number]
        if not registry.of_subject(config, list(outcomes), subject):
            heading = f"{_numbers(figures)}. {subject.title}"
            found.append(Comparison(heading, None, _not_drawn(config, report, subject, figures)))
            continue
        found += [_drawn_over(config, report, outcomes, figure) for figure in figures if figure.arms is None]
    unnumbered = [figure for figure in registry.over(config, list(outcomes)) if not figure.number]
    return found + [_drawn_over(config, report, outcomes, figure) for figure in unnumbered]


def _drawn_over(config: Config, report: str, outcomes: Mapping[str, Outcome], figure: Figure) -> Comparison:
    shown = registry.shown_over(config, outcomes, figure)
    lines = [*_claims(figure, []), *(f"Here: {line}" for line in figure.here(shown, figure.details))]
    others = [name for name in registry.members(config, list(outcomes), figure) if name not in shown.outcomes]
    if others:
        whose = "its" if len(others) == 1 else "their"
        lines.append(f"Here: {ticked(others)} cannot be drawn here, because {whose} metric is not {shown.metric.words}.")
    files = f"{link(report, places.comparison(report))}/{figure.file}"
    drawing = Drawing(figure, shown, figure.details, files, figure.heading, lines)
    small, note = [name for name in shown.outcomes if recipe.reduced(config, name)], ""
    if small:
        budgets = f"budget of {ticked(small)} is" if len(small) == 1 else f"budgets of {ticked(small)} are"
        note = f"The {budgets} reduced, as said of each experiment. {_at_full_budget(config, figure.subject)}".strip()
    return Comparison(figure.heading, drawing, note)


def _not_drawn(config: Config, report: str, subject: Subject, figures: Sequence[Figure]) -> str:
    one = len(figures) == 1
    sentences = [
        f"**{_numbers(figures)} {'is' if one else 'are'} not drawn here:** this report has no experiment with {subject.network}."
    ]
    for other, names in config.all_reports().items():
        found = registry.members(config, names, figures[0])
        if found and other != report:
            command, page = places.report_command(other), f"[{places.index(other)}]({link(report, places.index(other))})"
            sentences.append(f"`{command}` draws {'it' if one else 'them'} in {page}, from {ticked(found)}.")
    return " ".join([*sentences, _at_full_budget(config, subject)]).strip()


def _at_full_budget(config: Config, subject: Subject) -> str:
    names = [name for name in subject.experiments if name in config.experiments]
    if not names:
        return ""
    return (
        f"For the paper's own budget, name {ticked(names)} in `report:` of {paths.PARAMS} (or in a report NAME of your own in "
        f"`reports:`), then run `{places.REMEDY}` and `dvc repro` (or `dvc repro {places.report_target('NAME')}`)."
    )


def _numbers(figures: Sequence[Figure]) -> str:
    first, *rest = [figure.number for figure in figures]
    return f"Figures {first} to {rest[-1]}" if rest else f"Figure {first}"
