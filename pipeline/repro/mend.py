"""Mends what DVC leaves behind if it is killed while it writes one of its files, because it writes them in place."""

import re
from pathlib import Path

from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import ParseError, parse_yaml
from voluptuous import Invalid

from pipeline.files.whole import replacing

START = "schema: '2.0'\nstages:\n"
ENTRY = re.compile(r"^  \S", re.MULTILINE)


def running_stages(repo: Repo) -> None:
    """Removes an empty list of running stages, which no DVC can read. Call it only with `repo.lock`: no DVC is writing then."""
    path = Path(repo.tmp_dir or "") / RWLOCK_FILE
    if path.is_file() and path.stat().st_size == 0:
        path.unlink()


def lock_file(path: Path) -> bool:
    """Keeps the whole entries of a truncated dvc.lock. What is lost is in DVC's run cache, and is recorded again from there.

    Returns: whether the file was truncated; what is damaged in another way, such as by a conflict of a merge, stays as it is.
    """
    if path.name != "dvc.lock" or (kept := _whole_entries(path.read_text(encoding="utf-8", errors="replace"))) is None:
        return False
    if kept:
        with replacing(path) as temporary:
            temporary.write_text(kept, encoding="utf-8")
    else:
        path.unlink()
    return True


def _whole_entries(text: str) -> str | None:
    """Returns: what precedes the last entry, and None if the file is wrong there or has more than an entry after it."""
    starts = [match.start() for match in ENTRY.finditer(text)]
    if not starts:
        return "" if START.startswith(text) else None
    kept, (_, *rest) = text[: starts[-1]], text[starts[-1] :].splitlines()
    if any(line.strip() and not line.startswith("    ") for line in rest):
        return None
    if kept == START:
        return ""
    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(kept, "dvc.lock"))
    except (ParseError, Invalid):
        return None
    return kept
