"""Writes a report as one HTML file that needs no network: its texts, tables and charts, and the library that draws them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.page import explorer, pinned, rounds, texts, vega
from pipeline.page.chart import DASHES, Chart, Line
from pipeline.page.charts import CHARTS
from pipeline.page.pixels import Counts
from pipeline.report import document, table
from pipeline.report.document import Document, Drawing, Section
from pipeline.settings import places

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
LIBRARY = "<script data-library></script>"  # its place in the template; autoescape keeps a user's text from being the same
GLYPHS = {"o": "●", "s": "■", "^": "▲", "v": "▼", "D": "◆", "d": "◆", "<": "◄", ">": "►", "p": "✚", "P": "✚", "X": "✚", "": ""}


def html(report: Document, masks: Mapping[str, Counts] | None = None) -> str:
    """The page, which is the same byte for byte for the same report and packages. masks: by experiment, those of single
    replicates, where its picture can show them.
    """
    drawings = [*_drawings(report)]
    render = texts.renderer({f"{drawing.files}.svg": _id(drawing) for drawing in drawings})
    page = _Page()
    sections = [_section(page, section, (masks or {}).get(section.shown.name, {})) for section in report.sections]
    content = {
        "title": document.title(report.report),
        "report": report,
        "introduction": document.INTRODUCTION,
        "again": table.AGAIN,
        "sections": sections,
        "comparisons": [(comparison, page.figure(comparison.drawing)) for comparison in report.comparisons if comparison.drawing],
        "undrawn": [comparison.note for comparison in report.comparisons if not comparison.drawing],
        "rows": [row for section in sections for row in section["rows"]],
        "target": places.report_target(report.report),
        "path": places.page(report.report).as_posix(),
        "versions": pinned.versions(),
    }
    environment = _environment()
    environment.filters |= {"md": render, "breakable": _breakable}
    text = environment.get_template("page.html").render(content, charts=page.charts)
    tidy = "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"
    return tidy.replace(LIBRARY, f"<script>{_library()}</script>", 1)  # last, because its blanks may count


class _Page:
    """The charts of the page, in the order of their numbers."""

    def __init__(self) -> None:
        self.charts: list[dict[str, Any]] = []

    def chart(self, chart: Chart) -> dict[str, Any]:
        """What the template needs to place a chart; its panels are numbers of charts."""
        panels = []
        for panel in chart.panels:
            drawn = vega.drawn(panel)
            panels.append({"number": len(self.charts), "height": panel.height})
            self.charts.append({"spec": {**drawn.spec, "description": drawn.alt}, "data": drawn.data})
        return {"panels": panels, "keys": [_key(key) for key in chart.keys], "chart": chart}

    def figure(self, drawing: Drawing | None) -> dict[str, Any] | None:
        if drawing is None:
            return None
        chart = CHARTS[drawing.figure.file](drawing.shown, drawing.parts)
        return {"id": _id(drawing), "drawing": drawing, **self.chart(chart)}


def _section(page: _Page, section: Section, masks: Counts) -> dict[str, Any]:
    rows = rounds.rows(section.shown)
    found = explorer.explorer(section.shown, rows, masks)
    return {
        "section": section,
        "name": section.shown.name,
        "rows": rows,
        "explorer": found,
        "explored": page.chart(found.chart) if found else None,
        "heads": table.heads(section.shown.outcome.metric),
        "figures": [figure if isinstance(figure, str) else page.figure(figure) for figure in section.figures],
    }


def _drawings(report: Document) -> list[Drawing]:
    own = [figure for section in report.sections for figure in section.figures if isinstance(figure, Drawing)]
    return own + [comparison.drawing for comparison in report.comparisons if comparison.drawing]


def _id(drawing: Drawing) -> str:
    own = drawing.figure.arms is not None
    return f"figure-{drawing.shown.name}-{drawing.figure.file}" if own else f"figure-{drawing.figure.file}"


def _key(part: Any) -> Mapping[str, str]:
    """How the key of a chart shows a line: its colour, stroke and marker."""
    glyph, dashes = GLYPHS[part.marker] if isinstance(part, Line) else "", " ".join(map(str, DASHES[part.dashes]))
    return {"label": part.label, "colour": vega.colour(part.colour), "dashes": dashes, "glyph": glyph}


def _breakable(command: str) -> Markup:
    """A command that may break after the parts of a path. It has no further characters, as it is copied."""
    from markupsafe import Markup, escape

    return Markup(re.sub("([/:])", r"\1<wbr>", str(escape(command))))


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. It takes two seconds to bundle."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # its types ask for more
    return bundle.replace("</script", "<\\/script")
