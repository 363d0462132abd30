"""`python -m pipeline.send [REPORT] --to FILE`: a copy of a report's page that also says what the page cannot say itself, because
it is the same byte for byte wherever it is made: its commit and the hardware.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipeline.executors import checkout, notes
from pipeline.files.whole import replacing
from pipeline.settings import config, places
from pipeline.values import paths
from pipeline.values.errors import UserError

PLACE = "<div data-provenance></div>"  # in the template; autoescape keeps a user's text from being the same


def main(arguments: list[str] | None = None) -> int:
    about = "Writes a copy of a report's page that also names the commit and the hardware of the trainings in this clone."
    parser = argparse.ArgumentParser(prog="python -m pipeline.send", description=about)
    parser.add_argument("report", nargs="?", default=places.MAIN, help="a report of params.yaml (default: %(default)s)")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the file of the copy, such as page.html")
    given = parser.parse_args(arguments)
    try:
        text = copy(given.report, config.load().report_of(given.report))
        if given.to.resolve() == places.page(given.report).resolve() or given.to.is_dir():
            raise UserError(f"--to is {given.to}, but should be a new file, such as page.html")
        with replacing(given.to) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def copy(report: str, experiments: Sequence[str]) -> str:
    """The page of a report with its provenance in the tab About. Raises: UserError when there is no page of this version."""
    path = places.page(report)
    again = f"`{f'dvc repro {places.report_target(report)}'.strip()}` writes it"
    if not path.is_file():
        raise UserError(f"{path} is missing; {again}")
    text = path.read_text(encoding="utf-8")
    if text.count(PLACE) != 1:
        raise UserError(f"{path} was written by an older version and has no place for its commit; {again} anew")
    lines = "".join(f"<li>{escape(line)}</li>" for line in (_commit(), *map(_trained, experiments)))
    return text.replace(PLACE, f"<ul>{lines}</ul>")


def _commit() -> str:
    found = checkout.now()
    if not found:
        return "This copy was made outside git, so its commit is not known."
    changed = ", with changes that were not committed" if found["is_dirty"] else ""
    return f"This copy was made from commit {found['commit']}{changed}."


def _trained(experiment: str) -> str:
    files = sorted(paths.runtimes(experiment).glob("*.json"))
    found = [note for file in files if (note := notes.read(file))]
    if not found:
        return f"{experiment}: on what it was trained is not known in this clone, because its results came from elsewhere."
    hours = sum(note["training_seconds"] for note in found) / 3600
    return f"{experiment}: {len(found)} stages were trained here, in {hours:.1f} hours, {'; '.join(_machines(found))}."


def _machines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The kinds of machines, those of most stages first."""
    for words, count in Counter(" ".join(_machine(note)) for note in found).most_common():
        yield words if count == len(found) else f"{count} of them {words}"


def _machine(note: Mapping[str, Any]) -> Iterator[str]:
    hardware, versions = note["hardware"], note["versions"]
    if not hardware:
        yield f"on a cluster ({note['executor']})"
    else:
        on = hardware.get("gpus") or [f"{hardware['cores']} cores of {hardware['processor']}"]
        yield f"on {', '.join(dict.fromkeys(on))} with {hardware['memory_gigabytes']} GB of memory"
    yield f"with {', '.join(f'{name} {version}' for name, version in versions.items())}"
    if "commit" in note:
        yield f"from commit {note['commit']}{' and changes to it' if note.get('is_dirty') else ''}"


if __name__ == "__main__":
    sys.exit(main())
