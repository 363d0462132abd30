"""The HTML page in Chromium: nothing leaves the page, the slider moves everything, the table sorts, tabs need no mouse.

Screenshots at three widths are kept in .screenshots/.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.page import html
from pipeline.report import document
from pipeline.settings import places
from tests import lottery, pages

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (on Debian: apt install chromium)"),
]
SHOTS = lottery.ROOT / ".screenshots"
LONGEST = 60_000  # milliseconds; a page takes one or two, and more on a machine that trains


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    shown = pages.examined_toy()
    masks = {k: {seed: np.arange(64) * seed % 11 for seed in (1, 2)} for k in (1, 2, 3, 4)}
    path.write_text(html.html(document.of(shown.config, places.MAIN, shown.outcomes), {"toy": masks}))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    """The page with all of its charts; at the end, it must neither have complained nor have asked for anything."""
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    complaints: list[str] = []
    opened.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    _open(opened, file)
    yield opened
    opened.close()
    assert complaints == []


def _open(page: Any, file: Path, tab: str = "summary") -> None:
    page.goto(f"{file.as_uri()}#{tab}")
    page.wait_for_selector("html[data-drawn=all]", state="attached", timeout=LONGEST)


def test_every_chart_is_drawn_and_the_page_is_ready_soon(page: Any) -> None:
    charts = page.locator(".chart")
    assert charts.count() > 15
    assert page.locator(".chart[role=graphics-document] svg").count() == charts.count()
    assert all(label for label in page.eval_on_selector_all(".chart", "all => all.map((each) => each.ariaLabel)"))
    assert int(page.get_attribute("html", "data-ready")) < 20_000  # a free machine takes half a second


def test_the_slider_moves_marks_pictures_curves_and_numbers(page: Any) -> None:
    page.click("#tab-experiment-toy")
    slider = page.locator("#slider-toy")

    def state() -> tuple[str, str, str, str]:
        page.wait_for_timeout(300)
        marks = page.eval_on_selector_all(
            "#experiment-toy .at_marks path", "all => all.map((each) => each.getAttribute('transform')).join()"
        )
        fills = page.eval_on_selector_all(  # in any order, because each says where it is; the legend has a gradient instead
            "#experiment-toy .explorer .mark-rect path:not([fill^=url])",
            "all => all.map((e) => e.getAttribute('d') + e.getAttribute('fill')).sort().join()",
        )
        curves = page.eval_on_selector_all(
            "#experiment-toy .explorer .mark-line path", "all => all.map((e) => e.getAttribute('d')).join()"
        )
        return marks, fills, curves, page.inner_text("#experiment-toy .stop:not([hidden])")

    slider.focus()
    before = state()
    assert all(before)
    page.keyboard.press("ArrowRight")
    after = state()
    assert [a == b for a, b in zip(before, after, strict=True)] == [False] * 4
    assert "(round" in page.inner_text("#experiment-toy .slide output")
    assert slider.get_attribute("aria-valuetext") == page.inner_text("#experiment-toy .slide output")
    page.keyboard.press("ArrowLeft")
    assert state() == before
    page.select_option("#experiment-toy .slide select", "2")
    marks, fills, curves, numbers = state()
    assert (marks, curves, numbers) == (before[0], *before[2:]) and fills != before[1]
    page.select_option("#experiment-toy .slide select", "")
    assert state() == before


def test_the_table_sorts_and_filters(page: Any) -> None:
    page.click("#tab-rounds")
    head = page.locator("#table thead th").nth(5)
    values = "rows => rows.filter((row) => !row.hidden).map((row) => Number(row.cells[5].dataset.value))"
    head.locator("button").click()
    found = page.eval_on_selector_all("#table tbody tr", values)
    assert found == sorted(found) and len(found) == 7 and head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert page.eval_on_selector_all("#table tbody tr", values) == found[::-1]
    page.select_option("#filter-arm", "random reinit")
    assert page.locator("#table tbody tr:visible").count() == 1
    assert page.inner_text("#filter-count") == "1 of 7 rows"
    page.select_option("#filter-arm", "")
    page.fill("#filter-text", "r02")
    assert page.locator("#table tbody tr:visible").count() == 1
    page.fill("#filter-text", "nothing has this name")
    assert page.locator("#none").is_visible()


def test_tabs_work_by_keyboard_and_a_link_opens_the_tab_of_its_place(page: Any) -> None:
    page.focus("#tab-summary")
    page.keyboard.press("ArrowRight")
    assert page.locator("#experiment-toy").is_visible() and not page.locator("#summary h2").first.is_visible()
    page.keyboard.press("End")
    assert page.locator("#tab-about").get_attribute("aria-selected") == "true"
    assert page.evaluate("document.activeElement.id") == "tab-about"
    page.keyboard.press("Home")
    page.click("#summary a >> text=All rounds")
    assert page.locator("#rounds").is_visible()
    page.evaluate("location.hash = 'figure-toy-early_stop'")
    page.wait_for_timeout(200)
    assert page.locator("#figure-toy-early_stop").is_visible()


def test_every_control_is_reached_with_the_tab_key_and_shows_that_it_is(page: Any) -> None:
    for tab, control in {
        "experiment-toy": "#slider-toy, #experiment-toy :is(.slide select, summary, .stop:not([hidden]) .copy)",
        "rounds": "#filter-text, #filter-arm, #table thead button, #table .copy",
    }.items():
        page.click(f"#tab-{tab}")
        waiting = page.locator(control).count()
        assert waiting > 3
        for _ in range(waiting + 5):  # a few other controls are among them; behind the last one it begins again
            page.keyboard.press("Tab")
            page.evaluate(
                "const e = document.activeElement;"
                "if (['solid', 'auto'].includes(getComputedStyle(e).outlineStyle)) e.classList.add('reached');"
            )
        assert page.locator(f":is({control}).reached").count() == waiting


def test_hovering_tells_values_and_a_command_can_be_copied(page: Any) -> None:
    page.click("#tab-experiment-toy")
    point = page.locator("#figure-toy-early_stop .chart").first.locator(".mark-symbol path").last
    point.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "Weights remaining" in page.inner_text("#vg-tooltip-element")
    cells = "all => all.every((each) => each.scrollWidth <= each.clientWidth && each.clientHeight >= 14)"
    assert page.eval_on_selector_all("#vg-tooltip-element td", cells)  # each name can be read, beside its value
    left, right = (page.locator(f"#vg-tooltip-element td.{which}").first.bounding_box() for which in ("key", "value"))
    assert left["x"] + left["width"] <= right["x"] and abs(left["y"] - right["y"]) < 2
    page.click("#tab-rounds")
    page.locator("#table .copy").first.click()
    page.wait_for_function("document.getElementById('copied').textContent")  # the clipboard answers later
    assert page.inner_text("#copied") in ("Copied.", "Press Ctrl+C to copy the marked command.")


def test_print_shows_every_part(page: Any) -> None:
    page.emulate_media(media="print")
    page.evaluate("document.querySelector('#filter-text').value = 'r02'; filter()")
    for part in ("summary", "experiment-toy", "rounds", "about"):
        assert page.locator(f"#{part} h2").first.is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("#table tbody tr:visible").count() == 7  # also those that a filter hides


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 600, 900, 1200, 1400])
def test_nothing_is_wider_than_the_screen(browser: Any, file: Path, width: int, scheme: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for tab in ("summary", "experiment-toy", "rounds"):
        _open(page, file, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if tab == "experiment-toy":  # what the slider says is in one line, and the choice of a mask is inside the screen
            assert page.locator(".slide output").bounding_box()["height"] < 40
            edge = page.locator(".slide select").bounding_box()
            assert edge["x"] + edge["width"] <= width
            for place in ("first", "last"):  # what hovering tells is inside the screen too
                page.mouse.move(0, 0)
                points = page.locator("#figure-toy-early_stop .chart").first.locator(".mark-symbol path")
                getattr(points, place).hover(force=True)
                page.wait_for_selector("#vg-tooltip-element.visible")
                box = page.locator("#vg-tooltip-element").bounding_box()
                assert box["x"] >= 0 and box["x"] + box["width"] <= width
        if tab == "rounds":  # each command can be seen and copied without scrolling sideways
            edges = page.eval_on_selector_all("#table .copy", "all => all.map((each) => each.getBoundingClientRect().right)")
            assert len(edges) == 7 and max(edges) <= width
        page.screenshot(path=SHOTS / f"{tab}-{width}-{scheme}.png", full_page=True)
    page.close()
