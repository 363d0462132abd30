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


def lock_files(repo: Repo) -> list[Path]:
    """Mends the lock files that do not end with a line: some of them DVC would read, and fail later. Returns: those."""
    found = [path for pattern in ("dvc.lock", "*/dvc.lock", "*/*/dvc.lock") for path in Path(repo.root_dir).glob(pattern)]
    return [path for path in found if (text := path.read_bytes()) and not text.endswith(b"\n") and lock_file(path)]


def lock_file(path: Path) -> bool:
    """Keeps the entries of a truncated dvc.lock that precede the last one.

    Returns: whether the file was truncated; what is damaged in another way, such as by a conflict of a merge, stays as it is.
    """
    if path.name != "dvc.lock" or (kept := _whole_entries(path.read_bytes())) is None:
        return False
    if kept:
        with replacing(path) as temporary:
            temporary.write_text(kept, encoding="utf-8")
    else:
        path.unlink()
    return True


def _whole_entries(content: bytes) -> str | None:
    """Returns: the text before the last entry, empty if there is no entry before it; None if the file is not one that was cut in
    its last entry. One that was cut is valid YAML up to its last newline.
    """
    try:
        text = content[: content.rfind(b"\n") + 1].decode()
        parse_yaml(text, "dvc.lock")
        kept = text[: max((match.start() for match in ENTRY.finditer(content.decode(errors="replace"))), default=0)]
        if START.startswith(kept):
            return "" if START.startswith(text) or kept == START else None
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(kept, "dvc.lock"))
    except (UnicodeDecodeError, ParseError, Invalid):
        return None
    return kept
