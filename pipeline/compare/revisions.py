"""Revisions of git: the files that they have, which are read without checking anything out."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.files.store import write_bytes
from pipeline.values.errors import UserError

CODE = ("pipeline", "stages", "constraints.txt", "requirements.txt")  # what can change results beside the settings


def commit(name: str) -> str:
    """The commit of a revision of git, or of an experiment of DVC. Raises: UserError when there is no such revision."""
    _git("rev-parse", "--git-dir", problem="this folder is in no repository of git, so there is no revision to compare with")
    found = _run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode == 0 and re.fullmatch(rb"[0-9a-f]+\n", found.stdout):  # not ^main, which is all but main
        return found.stdout.decode().strip()
    if re.fullmatch(r"[\w.-]+", name):  # DVC keeps its experiments as refs/exps/<commit they began from>/<name>
        experiments = _git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}").split()
        if experiments:
            return experiments[-1]
    raise UserError(f"git knows no revision {name!r}; it should be one like HEAD~1, main or 1a2b3c4, or a name of `dvc exp show`")


def copy(commit: str, wanted: Callable[[str], bool], folder: Path) -> None:
    """Writes the files of a commit into an empty folder: those below the working directory whose path is wanted."""
    for path in filter(wanted, _git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")):
        done = _run("cat-file", "blob", f"{commit}:./{path}")
        if done.returncode:
            raise UserError(f"git cannot read {path} of {commit[:7]}: {_said(done)}")
        write_bytes(folder / path, done.stdout)


def changed_code(before: str, after: str | None) -> list[str]:
    """The files of code that differ between two commits, or between a commit and the working tree, new files included."""
    commits = [before] if after is None else [before, after]
    found = _git("diff", "--name-only", "--relative", "-z", *commits, "--", *CODE).split("\0")
    if after is None:
        found += _git("ls-files", "--others", "--exclude-standard", "-z", "--", *CODE).split("\0")
    return sorted({path for path in found if path})


def _git(*arguments: str, problem: str = "") -> str:
    done = _run(*arguments)
    if done.returncode:
        raise UserError(problem or f"git failed: {_said(done)}")
    return done.stdout.decode("utf-8", "surrogateescape")


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "--no-optional-locks", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed, but other revisions are read through it") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode(errors="replace").split())[:300] or f"it ended with exit code {done.returncode}"
