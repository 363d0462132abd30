"""DVC's own commands in this process, which saves a second of imports for each; and a small repository of git and DVC."""

import subprocess
import warnings
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.cli import main

STAGES = "stages:\n  made:\n    cmd: cp params.yaml out && echo >> ran\n    deps: [params.yaml]\n    outs: [out]\n"
NEVER_RUN = "stages:\n  other:\n    cmd: 'true'\n    outs: [lost]\n"
LOCK = """schema: '2.0'
stages:
  other:
    cmd: 'true'
    outs:
    - path: lost
      hash: md5
      md5: {md5}
      size: 3
"""


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


def dvc(folder: Path, *arguments: str, code: int = 0) -> None:
    with chdir(folder), pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DVC's own
        patch.setenv("DVC_NO_ANALYTICS", "1")
        assert main([*arguments]) == code


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a revision")


def repository(folder: Path) -> Path:
    """One stage that has run, and one whose lock is in git and whose output is nowhere, as of a chain that was never run here."""
    (folder / "never").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder, "init", "--quiet")
    files = {"dvc.yaml": STAGES, "params.yaml": "lr: 1\n", ".gitignore": "/out\n/ran\n/never/lost\n"}
    for name, text in (files | {"never/dvc.yaml": NEVER_RUN, "never/dvc.lock": LOCK.format(md5="a" * 32)}).items():
        (folder / name).write_text(text)
    dvc(folder, "repro", "--quiet")
    commit(folder)
    return folder
