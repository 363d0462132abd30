"""Where a report's page finds other files."""

import os
from pathlib import Path

from pipeline.settings import places


def link(report: str, path: Path) -> str:
    """A path as the report's page names it."""
    return Path(os.path.relpath(path, places.overview(report))).as_posix()
