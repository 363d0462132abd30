"""The commit that is checked out, for notes about a training and for MLflow, never for a result."""

import subprocess
from contextlib import suppress
from typing import TypedDict


class Checkout(TypedDict, total=False):
    """is_dirty: whether files that git knows differ from the commit."""

    commit: str
    is_dirty: bool


def now() -> Checkout:
    """Empty outside git."""
    with suppress(OSError):
        head = _git("rev-parse", "--verify", "HEAD")
        if head.returncode == 0:
            changed = _git("status", "--porcelain", "--untracked-files=no")
            return {"commit": head.stdout.strip(), "is_dirty": bool(changed.stdout.strip())}
    return {}


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    # Without the lock that git takes to refresh its index: the user, or DVC, may be using git at this moment.
    return subprocess.run(["git", "--no-optional-locks", *arguments], capture_output=True, text=True, check=False)
