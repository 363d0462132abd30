"""The code that stages depend on, as `run.code` finds it, remembered for the next process: finding it takes a second on a slow
machine, and every stage compares its DVC file with what that should be.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from pipeline.files import store
from pipeline.run import code
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from pipeline.values.plugins import Source

MEMORY = paths.SCRATCH / "imports.json"


def dependencies(scripts: Sequence[Path], used: Sequence[Source] = ()) -> list[str]:
    """As `code.dependencies`. What is remembered is of the same content of all files of this repository, and only of these: code
    from elsewhere is searched each time.
    """
    root = Path.cwd()
    state = _state(root)
    if state is None or not all(plugins.find(*source)[0].startswith("pipeline.") for source in used):
        return code.dependencies(scripts, used)
    known = _known(state)
    asked = json.dumps([[path.as_posix() for path in scripts], used])
    if asked not in known:
        known[asked] = code.dependencies(scripts, used)
        is_ours = all(path.split("/")[0] in code.OURS for path in known[asked])
        if is_ours and _digest(root) == state:  # otherwise, a file was being written while it was searched
            with suppress(UserError):  # a full disk, or a folder that is not writable: it is searched again
                store.write_json(MEMORY, {"state": state, "found": known})
    return known[asked]


def _known(state: str) -> dict[str, list[str]]:
    try:
        memory = store.read_json(MEMORY)
    except (UserError, OSError):  # missing, damaged or not readable
        return {}
    found = memory.get("found")
    is_whole = isinstance(found, dict) and all(
        isinstance(files, list) and all(isinstance(file, str) for file in files) for files in found.values()
    )
    return found if is_whole and memory.get("state") == state else {}  # type: ignore[return-value]


@cache  # a process that runs on after an edit has imported what was there before
def _state(root: Path) -> str | None:
    return _digest(root)


def _digest(root: Path) -> str | None:
    """Of all that an import of our own files can lead to: their content, what in the root would be imported instead of a package,
    and where else Python looks for modules. None when a file cannot be read.
    """
    digest = hashlib.sha256(sys.version.encode())
    try:
        for place in map(str, sys.path):
            digest.update(os.fsencode(place) + b"\0" + _changed(place, root))
        for path in sorted([*_files(root), *_modules(root)]):
            digest.update(os.fsencode(path) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    except OSError:
        return None
    return digest.hexdigest()


def _changed(place: str, root: Path) -> bytes:
    """When something was last installed there."""
    is_elsewhere = Path(place).is_dir() and Path(place).resolve() != root.resolve()
    return str(Path(place).stat().st_mtime_ns).encode() if is_elsewhere else b""


def _files(root: Path) -> Iterator[Path]:
    for top in code.OURS:
        for folder, _, names in os.walk(root / top, followlinks=True):
            yield from (Path(folder, name) for name in names if name.endswith(".py") and Path(folder, name).is_file())


def _modules(root: Path) -> Iterator[Path]:
    """The files in the root that an import of a top-level name would run."""
    for path in root.iterdir():
        file = path / "__init__.py" if path.is_dir() else path
        if path.stem.isidentifier() and file.suffix == ".py" and file.is_file():
            yield file
