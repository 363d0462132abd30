"""What an executor notes about an item. No result depends on it, so a note that cannot be read counts as missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.files import store
from pipeline.files.store import DamagedError, MissingError


def write(path: Path, note: Mapping[str, Any]) -> None:
    store.write_json(path, note)


def read(path: Path) -> dict[str, Any]:
    """Empty when the lanes were not trained here but came from a cache, or by an older version."""
    try:
        return store.read_json(path)
    except (MissingError, DamagedError):
        return {}
