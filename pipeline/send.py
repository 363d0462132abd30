"""`python -m pipeline.send [REPORT] --to FILE` copies a report's page and adds the commit and the hardware, which the page cannot
name because it is the same byte for byte wherever it is made.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from pipeline.executors import checkout
from pipeline.files.whole import replacing
from pipeline.settings import check, config, places
from pipeline.settings.config import Config
from pipeline.tracking.training import COMMIT, DIRTY, Training
from pipeline.values.errors import UserError

PLACE = "<div data-provenance></div>"  # in the template; autoescape keeps a user's text from being the same


def main(arguments: list[str] | None = None) -> int:
    about = "Writes a copy of a report's page that also names the commit and the hardware of the trainings in this clone."
    parser = argparse.ArgumentParser(prog="python -m pipeline.send", description=about)
    parser.add_argument("report", nargs="?", default=places.MAIN, help="a report of params.yaml (default: %(default)s)")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the file of the copy, such as page.html")
    given = parser.parse_args(arguments)
    try:
        text = copy(config.load(), given.report)
        if given.to.exists():
            raise UserError(f"--to is {given.to}, which exists, but should be a new file, such as page.html")
        with replacing(given.to) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def copy(settings: Config, report: str) -> str:
    """The page of a report with its provenance in the tab About. Raises: UserError when there is no page of this version."""
    experiments, path = settings.report_of(report), places.page(report)
    again = f"`{places.report_command(report)}` writes it"
    if not path.is_file():
        raise UserError(f"{path} is missing; {again}")
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.count(PLACE) != 1:
        raise UserError(f"{path} was written by an older version and has no place for its commit; {again} anew")
    lines = (_commit(), *(_trained(settings, name) for name in experiments))
    return text.replace(PLACE, f"<p>This copy does:</p><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>")


def _commit() -> str:
    found = checkout.now()
    if not found:
        return "The commit of this copy is not known, because git names none here."
    changed = ", with changes that were not committed" if found["is_dirty"] else ""
    return f"This copy was made from commit {found['commit']}{changed}."


def _trained(settings: Config, experiment: str) -> str:
    """Of the last training of each stage: nothing says whether DVC has since put another result in its place."""
    items = check.settings(experiment, settings.experiment(experiment)).lottery.items()
    found = [training for item in items if (training := Training.of(item)).is_known]
    if not found:
        return f"{experiment}: no note in this clone says on what it was trained."
    minutes = sum(training.seconds for training in found) / 60
    return (
        f"{experiment}: the last trainings in this clone, of {len(found)} of its {len(items)} stages that train, took "
        f"{minutes:.0f} minutes (where stages ran side by side, each counts): {_machines(found)}. Results that DVC has restored "
        "may come from others."
    )


def _machines(found: Sequence[Training]) -> str:
    """The kinds of machines, those of most stages first."""
    kinds = Counter(_machine(training.tags) for training in found)
    return "; ".join(f"{count} {words}" for words, count in kinds.most_common())


def _machine(tags: dict[str, str]) -> str:
    on = tags.get("hardware.gpus") or f"{tags.get('hardware.cores', '?')} cores of {tags.get('hardware.processor', '?')}"
    versions = [f"{key.removeprefix('versions.')} {text}" for key, text in tags.items() if key.startswith("versions.")]
    changed = " and changes to it" if tags.get(DIRTY) == "True" else ""
    return f"on {on}, with {', '.join(versions) or 'unknown versions'}, from commit {tags.get(COMMIT, '?')}{changed}"


if __name__ == "__main__":
    sys.exit(main())
