"""Figures as files. Each is byte for byte the same for the same tables: no dates, no random ids, no settings of the user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.figures.style import STYLE
from pipeline.files.whole import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(figures: Mapping[str, Callable[[], Figure]]) -> dict[str, Figure]:
    """In the style of the project, by the name of their files."""
    import matplotlib.style

    with matplotlib.style.context(STYLE, after_reset=True):
        return {file: draw() for file, draw in figures.items()}


def save(figures: Mapping[str, Figure], folder: Path, dpi: int) -> None:
    """Writes each figure as SVG and PNG; the folder then holds nothing else."""
    import matplotlib.style

    with matplotlib.style.context(STYLE, after_reset=True), replacing(folder) as temporary:
        temporary.mkdir()
        for name, figure in figures.items():
            figure.savefig(temporary / f"{name}.svg", metadata={"Date": None, "Creator": None})
            figure.savefig(temporary / f"{name}.png", dpi=dpi, metadata={"Software": None})
