"""The code that stages depend on, as `run.code` finds it, remembered for the next process: finding it takes a second on a slow
machine, and every stage compares its DVC file with what that should be.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from pipeline.files import store
from pipeline.run import code
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from pipeline.values.plugins import Source

FOUND = paths.SCRATCH / "imports.json"


def dependencies(scripts: Sequence[Path], used: Sequence[Source] = ()) -> list[str]:
    """As `code.dependencies`. What is remembered is of the same content of all files of this repository, and only of these: code
    from elsewhere is searched each time.
    """
    if not all(plugins.find(*source)[0].startswith("pipeline.") for source in used):
        return code.dependencies(scripts, used)
    state = _state(Path.cwd())
    known = _known(state)
    asked = json.dumps([[path.as_posix() for path in scripts], used])
    if asked not in known:
        known[asked] = code.dependencies(scripts, used)
        if all(path.split("/")[0] in code.OURS for path in known[asked]):
            with suppress(UserError):  # a full disk, or a folder that is not writable: it is searched again
                store.write_json(FOUND, {"state": state, "found": known})
    return known[asked]


def _known(state: str) -> dict[str, list[str]]:
    try:
        found = store.read_json(FOUND)
    except (UserError, OSError):  # missing, damaged or not readable
        return {}
    return found["found"] if found.get("state") == state else {}


@cache  # a process that runs on after an edit has imported what was there before
def _state(root: Path) -> str:
    """A digest of all that an import of our own files can lead to: their content, and where else Python looks for modules."""
    digest = hashlib.sha256(json.dumps([sys.version, sys.path, _modules(root)]).encode())
    for path in sorted(path for folder in code.OURS for path in (root / folder).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _modules(root: Path) -> list[str]:
    """What stands in the root and would be imported instead of an installed package of its name."""
    return sorted(path.name for path in root.iterdir() if path.stem.isidentifier() and (path.suffix == ".py" or path.is_dir()))
