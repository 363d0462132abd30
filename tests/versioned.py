"""A small repository of git with settings and tables of made-up lanes, as `python -m stages.diff` reads them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from pipeline.results import statistics, tables
from pipeline.settings import places
from pipeline.values import paths
from stages import diff
from tests import lottery

Lanes = list[dict[str, Any]]


class Versioned:
    """Files are written into the working tree; `commit` makes a revision of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}  # `git status` writes into the index otherwise
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a revision")
        return self.git("rev-parse", "HEAD")

    def settings(self, content: Mapping[str, Any] | None = None, **toy: Any) -> None:
        """toy: changes of its experiment."""
        lottery.write_params(self.folder / paths.PARAMS, content or lottery.params(toy=lottery.experiment(**toy)))

    def results(self, lanes: Lanes, experiment: str = "toy") -> None:
        tables.write(self.folder / places.rounds(experiment), statistics.rounds(lanes))

    def verdicts(self, found: Mapping[str, str], report: str = places.MAIN) -> None:
        file = self.folder / places.verdicts(report)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))

    def damage(self, experiment: str = "toy") -> None:
        file = self.folder / places.rounds(experiment)
        file.write_text(file.read_text().replace("accuracy", "accuracies", 1))

    def files(self) -> dict[str, bytes]:
        """All that git and the user have, and which revision is checked out."""
        kept = {name: content for name, content in lottery.files(self.folder).items() if not name.startswith(".git/objects")}
        return kept | {"status": self.git("status", "--porcelain").encode()}

    def diff(self, *arguments: str) -> str:
        """What `python -m stages.diff` prints. Raises: SystemExit as it does."""
        with chdir(self.folder), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["diff", *arguments])
            return diff.run()


def rows(text: str) -> dict[str, Sequence[str]]:
    """The cells of all tables of a Markdown page, by their first cell."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return {first: more for first, *more in cells}
