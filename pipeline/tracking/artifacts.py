"""Files that MLflow stores. In a folder of this machine they are hard links, so that weights in MLflow take no more room.

A link is read-only, as DVC's are, because whoever wrote into one of its names would change the other. It is a link to the file in
work/ and never to DVC's cache, from which a damaged file can therefore always be restored; nothing in the pipeline writes into a
file in work/, which is always replaced.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.files import store
from pipeline.tracking import connection, database
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

READ_ONLY = 0o444
LINKED = {".safetensors"}
Files = Mapping[str, Path]


def put(client: "MlflowClient", run: "Run", files: Files) -> None:
    """files: by the paths that their artifacts get. Raises: FileNotFoundError when one is gone."""
    there = folder_of(run)
    if there is not None:
        for name, file in files.items():
            _link(file, there / name)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, file in files.items():
            link = Path(folder, name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve(strict=True))
        client.log_artifacts(run.info.run_id, folder)


def lacks(run: "Run", artifacts: Iterable[Path | str]) -> bool:
    """Whether somebody has deleted artifacts of a run from this machine; a server is not asked, as that takes long."""
    folder = folder_of(run)
    return folder is not None and not all((folder / artifact).exists() for artifact in artifacts)


def link_again(run: "Run", files: Files) -> None:
    """Makes artifacts links again that are not, because DVC has written the same file anew or an older version had copied it."""
    folder = folder_of(run)
    if folder is None:
        return
    for name, file in files.items():
        with suppress(OSError):  # such as a file that a stage is replacing at this moment
            one, other = file.stat(), (folder / name).stat()
            if one.st_ino != other.st_ino and one.st_dev == other.st_dev and _is_same(file, folder / name):
                _link(file, folder / name, may_copy=False)


def folder_of(run: "Run") -> Path | None:
    """The folder of a run's artifacts on this machine; None when a server or a store elsewhere has them."""
    if connection.is_server():
        return None
    address = urlsplit(run.info.artifact_uri)
    return Path(url2pathname(address.path)) if address.scheme in ("", "file") else None


def _link(file: Path, to: Path, may_copy: bool = True) -> None:
    """Copies where there can be no link, as on another file system; what a user may edit and is small, as tables in git; and what
    is itself a link into DVC's cache.

    Raises: OSError when there can be no link, and it may not copy.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    new = to.with_name(f".{to.name}.new")
    new.unlink(missing_ok=True)
    try:
        if file.suffix not in LINKED or file.is_symlink():
            raise OSError
        new.hardlink_to(file)
        new.chmod(READ_ONLY)
    except OSError:
        new.unlink(missing_ok=True)  # a link whose mode cannot be changed, as to a file of another user
        if not may_copy:
            raise
        shutil.copyfile(file, new)
    new.replace(to)
    new.unlink(missing_ok=True)  # two names of one file stay two names when one is renamed to the other


def _is_same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and _checksum(one) == _checksum(other) != ""


def sweep(known: Iterable[Path]) -> tuple[int, int]:
    """Removes artifacts of runs that the repository's own store does not know, as those of a database that was deleted, if lanes
    that it knows have the same files. known: all files of those.

    Returns: how many other runs' artifacts stay because nothing else may have their content, and their bytes.
    """
    if not connection.is_default():
        return 0, 0
    folder, ids = connection.root() / connection.ARTIFACTS, database.runs_of(connection.root() / connection.DATABASE)
    orphans = [found for found in folder.glob("*/*") if len(found.name) == 32 and found.name not in ids and found.is_dir()]
    if not orphans:
        return 0, 0
    checksums = {_checksum(file) for file in known} - {""}
    stay = [orphan for orphan in orphans if not _is_known(orphan, checksums)]
    for orphan in orphans:
        if orphan not in stay:
            shutil.rmtree(orphan, ignore_errors=True)
    return len(stay), sum(file.stat().st_size for orphan in stay for file in orphan.rglob("*") if file.is_file())


def _is_known(orphan: Path, checksums: set[str]) -> bool:
    """Whether a folder has only weights and masks with these checksums, or a copy of a report."""
    for file in (path for path in orphan.rglob("*") if path.is_file()):
        is_report = file.relative_to(orphan).parts[:2] == ("artifacts", "report")
        if not is_report and _checksum(file) not in checksums:
            return False
    return True


def _checksum(file: Path) -> str:
    """Empty for what has none or cannot be read."""
    try:
        found = store.checksum_of(file) if file.suffix in LINKED else ""
    except (OSError, UserError):
        return ""
    return "" if found == str(None) else found  # a file of an older version has none
