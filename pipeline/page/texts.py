"""The report's texts, which are Markdown in a line, as HTML. All else that they contain is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


def renderer(anchors: Mapping[str, str]) -> Callable[[str], Markup]:
    """anchors: the place on the page that stands for a file which a text links to. Other links lead to files beside the page, and
    those to other reports to their HTML pages.
    """
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    parser = MarkdownIt("commonmark", {"html": False})

    def render(text: str) -> Markup:
        tokens = parser.parseInline(text)
        for token in tokens[0].children or []:
            if token.type == "link_open":
                target = str(token.attrs["href"])
                page = f"{target.removesuffix('.md')}.html" if target.endswith("index.md") and "://" not in target else target
                token.attrs["href"] = f"#{anchors[target]}" if target in anchors else page
        return Markup(parser.renderer.render(tokens, parser.options, {}))

    return render
