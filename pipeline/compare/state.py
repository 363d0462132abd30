"""What one revision, or the working tree, says: its settings, its verdicts, and the tables of its experiments."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.compare import revisions
from pipeline.files.store import DamagedError
from pipeline.results import tables
from pipeline.results.outcome import ROUNDS, Outcome
from pipeline.settings import document, places
from pipeline.values import paths
from pipeline.values.errors import UserError

WORKING_TREE = "working tree"
WANTED = re.compile(r"params\.yaml|experiments/[^/]+\.yaml|reports/[^/]+/rounds\.csv|reports/([^/]+/)?claims\.json")


@dataclass(frozen=True)
class State:
    """name: how it is called. commit: None for the working tree. folder: has its files, at their paths in the repository.

    settings: the content of params.yaml, with the experiments of all other files.
    """

    name: str
    commit: str | None
    folder: Path
    settings: dict[str, Any]

    @property
    def label(self) -> str:
        """The name with the commit, if the name does not say it."""
        return self.title if self.commit is None or self.commit.startswith(self.name) else f"{self.name} ({self.commit[:7]})"

    @property
    def title(self) -> str:
        """The name for the heading of a column, in which a whole hash would be wider than all numbers."""
        return self.name[:7] if self.name == self.commit else self.name

    @property
    def margin(self) -> object:
        return self.settings.get("margin")

    @property
    def experiments(self) -> dict[str, Any]:
        found = self.settings.get("experiments")
        return found if isinstance(found, dict) else {}

    def results(self) -> list[str]:
        """The experiments that have a table of rounds."""
        return sorted(path.parent.name for path in self.folder.glob(places.rounds("*").as_posix()))

    def rounds(self, experiment: str) -> bytes:
        return (self.folder / places.rounds(experiment)).read_bytes()

    def outcome(self, experiment: str) -> Outcome:
        """Raises: UserError that names the revision and the file when the table is damaged."""
        margin = self.margin
        with _told(self.name, self.folder):
            if not isinstance(margin, float) or not 0 < margin < 1:
                raise UserError(f"{paths.PARAMS} has no margin between 0 and 1, which says what counts as no worse")
            path = self.folder / places.rounds(experiment)
            table = tables.read(path, f"{places.chain(experiment)}:aggregate", ("arm", "target"), ROUNDS)
            return replace(Outcome.of(table, margin), annealed=self._is_annealed(experiment))

    def verdicts(self) -> dict[str, str]:
        """Of all reports, by report, claim and experiment. Raises: UserError that names the revision and the file."""
        found: dict[str, str] = {}
        for path in sorted({*self.folder.glob("reports/claims.json"), *self.folder.glob("reports/*/claims.json")}):
            report = places.MAIN if path.parent.name == places.REPORTS.name else path.parent.name
            try:
                content = json.loads(path.read_bytes())
                found |= {f"{report}: {claim}": str(verdict) for claim, verdict in content.items()}
            except (ValueError, AttributeError, RecursionError):
                name = path.relative_to(self.folder)
                raise UserError(f"{self.name}: {name} is damaged; `dvc repro {places.claims_target(report)}` makes it") from None
        return found

    def _is_annealed(self, experiment: str) -> bool:
        match self.experiments.get(experiment):
            case {"optimizer": {"decay": "cosine"}}:
                return True
        return False


@contextmanager
def of(revision: str | None) -> Iterator[State]:
    """A revision, or None for the working tree. Raises: UserError that names what is missing or cannot be read."""
    if revision is None:
        yield State(WORKING_TREE, None, Path(), _settings(WORKING_TREE, Path()))
        return
    commit = revisions.commit(revision)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        revisions.copy(commit, lambda path: WANTED.fullmatch(path) is not None, folder)
        if not (folder / paths.PARAMS).is_file():
            raise UserError(f"{revision} has no {paths.PARAMS}, so it cannot be compared")
        yield State(revision, commit, folder, _settings(revision, folder))


def _settings(name: str, folder: Path) -> dict[str, Any]:
    with _told(name, folder):
        found = document.read(folder / paths.PARAMS)
        if not isinstance(found, dict):
            raise UserError(f"{paths.PARAMS} should be a mapping with the key experiments")
        for path in places.more_params(folder):
            match document.read(path):
                case {"experiments": dict(more)}:
                    found["experiments"] = {**(found.get("experiments") or {}), **more}
    return found


@contextmanager
def _told(name: str, folder: Path) -> Iterator[None]:
    """Errors name the revision, and files by their paths in the repository. Nobody can delete a file of a revision."""
    try:
        yield
    except UserError as error:
        text = str(error)
        if folder != Path():
            text = text.replace(f"{folder}/", "")
            text = text.partition("; delete it and run")[0] if isinstance(error, DamagedError) else text
        raise UserError(f"{name}: {text}") from None
