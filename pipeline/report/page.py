"""Writes a report as Markdown: reports/index.md and the pages of further reports."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report import table
from pipeline.report.document import INTRODUCTION, Comparison, Document, Drawing, Section, title
from pipeline.report.verdicts import Judged, Judgement
from pipeline.settings import places


def markdown(report: Document) -> str:
    """The page, whose charts are the files of the figures."""
    tally = [f"{report.judged.tally} They are [below](#claims)."] if report.judged and report.judged.rows else []
    short = ["## In short", *tally, *(_short(section, len(report.sections) > 1) for section in report.sections)]
    judged = [_claims(report.judged, len(report.sections) > 1)] if report.judged else []
    discussion = ["## Discussion", *report.discussion] if report.discussion else []
    sections = [_section(section) for section in report.sections]
    over = [_comparison(comparison) for comparison in report.comparisons]
    return "\n\n".join([f"# {title(report.report)}", *short, INTRODUCTION, *judged, *discussion, *sections, *over]) + "\n"


def _short(section: Section, several: bool) -> str:
    """several: whether the experiment has to be named."""
    answer = section.answer
    lines = [f"**{tile.question}** **{tile.answer}.** {tile.sentence}" for tile in answer.tiles]
    commands = "; ".join(f"{name}: `{command}`" for name, command in answer.commands.items())
    lines.append(f"**To run again:** {commands}. {table.AGAIN}")
    return "\n\n".join([*([f"### {answer.experiment}"] if several else []), section.brief, _listed(lines)])


def _claims(judged: Judged, several: bool) -> str:
    """several: whether the table says which experiment a claim is about."""
    found = [judged.tally, _table(judged.rows, several), judged.method] if judged.rows else []
    untested = ["Not tested in this report:", _listed(judged.untested)] if judged.untested else []
    return "\n\n".join(["## Claims", *found, *untested])


def _table(rows: Sequence[Judgement], several: bool) -> str:
    head = ["verdict", "claim", *(["experiment"] if several else []), "published", "here (95% interval)", "q", "n"]
    lines = ["| " + " | ".join(head) + " |", "| --- | --- | " + "--- | " * several + "--- | --- | ---: | ---: |"]
    for row in rows:
        verdict = f"**{row.verdict}**" if row.is_decided else row.with_detectable
        experiment = [f"`{row.experiment}`"] if several else []
        cells = [verdict, row.claim, *experiment, f"{row.paper} ({row.source})", row.here, row.q, row.n]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _section(section: Section) -> str:
    shown, folder = section.shown, section.folder
    parts = [
        f"## {shown.name}",
        *section.about,
        _listed(section.findings),
        *(figure if isinstance(figure, str) else _figure(figure) for figure in section.figures),
        "### All rounds",
        f"[rounds.csv]({folder}/{places.rounds(shown.name).name}) has every lane of `{shown.name}`, and "
        f"[metrics.json]({folder}/{places.metrics(shown.name).name}) the headline numbers. {table.explained(shown.outcome)}",
        table.markdown(shown),
    ]
    return "\n\n".join(parts)


def _figure(drawing: Drawing) -> str:
    files, title = drawing.files, drawing.title
    return "\n\n".join([f"![{title}]({files}.svg)", f"**{title}** ([PNG]({files}.png))", _listed(drawing.lines)])


def _comparison(comparison: Comparison) -> str:
    drawing = [_figure(comparison.drawing)] if comparison.drawing else []
    return "\n\n".join([f"## {comparison.heading}", *drawing, *([comparison.note] if comparison.note else [])])


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
