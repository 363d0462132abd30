"""The checkpoints of finished items. They stay until DVC has noted the item in its lock file: a DVC that is killed before
makes the next one run the stage again, which then takes seconds. Afterwards they go, so that a forced repetition trains anew.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.executors import notes
from pipeline.executors.waiting import UNDER_DVC
from pipeline.settings import places
from pipeline.values import paths
from pipeline.values.lanes import Item

NOTES = paths.SCRATCH / "finished"


def note(item: Item, keys: Sequence[str]) -> None:
    """keys: those of the item's lanes, with which the names of their checkpoints begin."""
    if UNDER_DVC in os.environ:
        notes.write(_note_of(item), {"keys": list(keys)})
    else:
        _forget(keys)


def remove() -> None:
    """Removes the checkpoints of all items that finished before DVC wrote the lock file of their chain.

    Two DVCs that write one lock file, as under pipeline.repro, can make this too early by a second; an item is then trained again
    if its DVC is killed in that second.
    """
    for path in NOTES.glob("*/*.json"):
        with suppress(OSError):  # such as one that another stage has just removed
            if places.chain(path.parent.name).with_name("dvc.lock").stat().st_mtime_ns > path.stat().st_mtime_ns:
                _forget(notes.read(path).get("keys", []))
                path.unlink()


def reopen(item: Item) -> None:
    """An item is going to be trained, so that its checkpoints are those of unfinished lanes again."""
    _note_of(item).unlink(missing_ok=True)


def _note_of(item: Item) -> Path:
    return NOTES / item.experiment / f"{item.name}.json"


def _forget(keys: Sequence[str]) -> None:
    for key in keys:  # only those of these lanes: another configuration's may still be wanted
        for checkpoint in paths.CHECKPOINTS.glob(f"{key}-*"):
            checkpoint.unlink(missing_ok=True)
