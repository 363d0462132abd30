"""A comparison as text for the terminal, or as Markdown for the summary of a pull request."""

from collections.abc import Sequence

from tabulate import tabulate

from pipeline.compare.comparison import Changed, Compared, Comparison

EXPLAINED = (
    "The change is the mean over seeds of the difference within each seed. It is within the noise if its 95% interval has zero "
    "in it; of twenty rows in which nothing has changed, one is expected to be called a change. ≥ marks an early stop that was "
    "cut off by the end of training and may come later."
)
MOST_CODE = 5  # files of code that are named; the others are counted


def text(found: Comparison) -> str:
    return _page(found, is_markdown=False)


def markdown(found: Comparison) -> str:
    return _page(found, is_markdown=True)


def _page(found: Comparison, is_markdown: bool) -> str:
    titles = found.before.title, found.after.title
    parts = [_heading(1, f"From {found.before.label} to {found.after.label}", is_markdown)]
    if found.settings:
        parts += [_heading(2, "Settings", is_markdown), _changed("setting", titles, found.settings, is_markdown)]
    else:
        parts.append("The settings are the same.")
    parts.append(_code(found.code, is_markdown))
    for experiment in found.experiments:
        parts += [_heading(2, _title(experiment), is_markdown), _results(titles, experiment, is_markdown)]
        parts += [experiment.drawn] if is_markdown and experiment.drawn else []
    if found.experiments:
        parts.append(EXPLAINED)
    if found.verdicts:
        parts += [_heading(2, "Verdicts on claims", is_markdown), _changed("claim", titles, found.verdicts, is_markdown)]
    same = f"{found.unchanged} experiment{' has' if found.unchanged == 1 else 's have'} the same results."
    parts.append(same)
    parts += [f"{'**Note:** ' if is_markdown else 'note: '}{note}" for note in found.notes]
    return "\n\n".join(parts) + "\n"


def _title(experiment: Compared) -> str:
    return f"{experiment.name}: {experiment.seeds} seed{'' if experiment.seeds == 1 else 's'} in both"


def _heading(level: int, words: str, is_markdown: bool) -> str:
    return f"{'#' * (level + 1)} {words}" if is_markdown else words


def _changed(what: str, titles: tuple[str, str], rows: Sequence[Changed], is_markdown: bool) -> str:
    return _table([what, *titles], [[row.what, row.before, row.after] for row in rows], is_markdown)


def _results(titles: tuple[str, str], experiment: Compared, is_markdown: bool) -> str:
    cells = [[c.what, c.before, c.after, c.change, c.interval, c.verdict] for c in experiment.changes]
    return _table(["", *titles, "change", "95% interval", "verdict"], cells, is_markdown)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], is_markdown: bool) -> str:
    if not is_markdown:
        return str(tabulate(rows, titles, tablefmt="simple", disable_numparse=True))
    # A bar would begin another cell, and what looks like HTML would be taken for it.
    safe = [[cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in (titles, *rows)]
    return str(tabulate(safe[1:], safe[0], tablefmt="github", disable_numparse=True))


def _code(files: Sequence[str], is_markdown: bool) -> str:
    if not files:
        return "The code is the same."
    named = [f"`{file}`" if is_markdown else file for file in files[:MOST_CODE]]
    more = f" and {len(files) - MOST_CODE} more" if len(files) > MOST_CODE else ""
    return f"The code differs in {len(files)} file{'' if len(files) == 1 else 's'}: {', '.join(named)}{more}."
