"""The last two checkpoints of lanes in training, so that training goes on from the older one when the newer one is damaged."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.files import store
from pipeline.files.store import Arrays, DamagedError
from pipeline.values.errors import UserError


def save(path: Path, state: Mapping[str, NDArray[Any]]) -> None:
    """The previous checkpoint stays, and the one before it goes when the new one can be read from the disk."""
    new = path.with_name(f"{path.name}.new")
    store.write_arrays(new, state)
    store.read_arrays(new)
    try:
        with new.open("rb") as file:  # a power cut must not leave names without content, here where hours of work may be
            os.fsync(file.fileno())
        if path.is_file():
            path.replace(_previous(path))
        new.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def load(path: Path, resume: Callable[[Arrays], None]) -> bool:
    """Calls `resume` with the newest checkpoint that is whole and that it accepts. The others are set aside, with a warning.

    resume: raises a ValueError when the arrays are not a state that it can go on from.
    Returns: whether there was such a checkpoint.
    """
    found = [file for file in (path, _previous(path)) if file.is_file()]
    for file in found:
        try:
            resume(store.read_arrays(file))
            return True
        except (DamagedError, ValueError) as error:
            aside = file.with_name(f"{file.name}.bad")
            file.replace(aside)
            then = "the lane starts anew" if file == found[-1] else "the lane goes on from the checkpoint before it"
            problem = error.problem if isinstance(error, DamagedError) else error
            print(f"warning: the checkpoint {file} is damaged ({problem}) and is now {aside.name}; {then}", file=sys.stderr)
    return False


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")
