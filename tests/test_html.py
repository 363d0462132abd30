"""The HTML page says what the Markdown page says, is one file that needs nothing else, and draws every figure."""

import html as escaping
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.page import html, rounds, texts, vega
from pipeline.report import document
from pipeline.settings import places
from pipeline.values import paths
from tests import lottery, pages, synthetic
from tests.synthetic import RMSE, lane, trio

pytestmark = pytest.mark.usefixtures("without_library")

EVIL = "</script><script>alert(1)</script> & \"quoted\" 'one'"
LARGEST = 6 * 2**20  # bytes
STYLE = lottery.ROOT / "pipeline/page/templates/style.css"


@cache
def _page() -> str:
    """That of toy; it takes a second to write."""
    return html.html(pages.toy(synthetic.lanes()))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(synthetic.PARAMS)


def _charts(text: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


class _Outline(HTMLParser):
    """The tags that are open at the end, ids, and what is linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "input", "br", "hr", "img", "wbr"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name == "href":
                self.links.append(str(value))
            if name == "src":
                self.sources.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


# --- One file


def test_every_tag_is_closed_every_id_is_one_and_nothing_is_loaded_from_elsewhere() -> None:
    text = _page()
    found = _Outline(text)
    assert not found.open
    assert len({*found.ids}) == len(found.ids)
    assert not found.sources
    assert [link for link in found.links if not link.startswith(("#", "data:"))] == []
    assert {link[1:] for link in found.links if link.startswith("#")} <= {*found.ids}
    assert "default-src 'none'" in text
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


def test_the_same_report_is_the_same_bytes_in_any_order_of_pages() -> None:
    first = _page()
    html.html(pages.toy(synthetic.lanes(reinit=False)))
    assert html.html(pages.toy(synthetic.lanes())) == first
    assert not re.search(r"20\d\d-\d\d-\d\d|/tmp/|/home/|/root", first)


def test_names_and_labels_are_escaped_wherever_they_are() -> None:
    settings = synthetic.settings(labels={"ticket": EVIL, "one_shot": EVIL + "2"})
    report = document.of(settings, places.MAIN, {"toy": synthetic.outcome(synthetic.lanes())})
    text = html.html(report)
    assert "<script>alert" not in text
    assert text.count("</script>") == 3  # charts, library, page.js
    assert escaping.escape(EVIL, quote=False).split(" ")[0] in text
    told = [each["calculate"] for chart in _charts(text) for layer in chart["spec"].get("layer", []) for each in
            layer.get("transform", []) if each.get("as") == "label"]  # fmt: skip
    assert any(json.dumps(EVIL).strip('"') in labels and labels.endswith("[datum.line]") for labels in told)


def test_texts_are_markdown_of_a_line_and_links_to_figures_lead_to_the_chart() -> None:
    render = texts.renderer({"toy/figures/early_stop.svg": "figure-toy-early_stop"})
    assert render("**a** `b<c` *d* <i>e</i>") == "<strong>a</strong> <code>b&lt;c</code> <em>d</em> &lt;i&gt;e&lt;/i&gt;"
    assert render("[f](toy/figures/early_stop.svg)") == '<a href="#figure-toy-early_stop">f</a>'
    assert render("[g](../cpu/index.md)") == '<a href="../cpu/index.html">g</a>'
    assert "javascript:" not in render("[g](javascript:alert)").replace("[g](javascript:alert)", "")


# --- What it says


def test_it_says_every_sentence_of_the_markdown_page() -> None:
    report, text = pages.toy(synthetic.lanes()), _page()
    render = texts.renderer({})
    (section,) = report.sections
    said = [*section.about, *section.findings, *(figure if isinstance(figure, str) else "" for figure in section.figures)]
    said += [line for figure in section.figures if not isinstance(figure, str) for line in figure.lines]
    said += [comparison.note for comparison in report.comparisons]
    assert len([line for line in said if line]) > 12
    assert [line for line in said if str(render(line)) not in text] == []


def test_each_round_has_its_numbers_and_the_command_that_trains_it_anew() -> None:
    report, text = pages.toy(synthetic.lanes()), _page()
    for _, row in report.sections[0].shown.outcome.table.iterrows():
        assert f'data-copy="dvc repro {row["target"]}"' in text
    assert re.findall(r'data-rounds="([^"]*)"', text) == ["[0, 1, 2, 3, 4]"]
    assert text.count('class="stop"') == 5


@pytest.mark.parametrize(
    "lanes",
    [
        [lane("dense", 0)],
        [lane("ticket", k) for k in range(2)],
        [lane("ticket", k, stop=0, value=1.0) for k in range(3)],
        [lane("reinit", k, metric=RMSE, value=0.5 + k) for k in range(3)],
        [lane(arm, k, metric=RMSE, value=-2.0) for k in range(3) for arm in ("ticket", "dense_long")],
    ],
)
def test_unusual_results_have_a_page(lanes: list[dict[str, Any]]) -> None:
    seen = {(each["arm"], each["round"]): each for each in lanes}
    assert _Outline(html.html(pages.toy([*seen.values()]))).open == []


def test_a_report_without_a_figure_over_experiments_says_so_beside_what_is_about_it() -> None:
    text = html.html(pages.toy(synthetic.lanes()))
    assert 'id="over"' not in text and "Figures that are not drawn here" in text
    assert "Figure 4 is not drawn here" in text.split('id="about"')[1]


def test_figures_that_are_not_drawn_do_not_stand_before_those_that_are() -> None:
    report = pages.toy(synthetic.lanes())
    drawing = next(figure for figure in report.sections[0].figures if isinstance(figure, document.Drawing))
    drawn = document.Comparison("Drawn", replace(drawing, figure=replace(drawing.figure, arms=None)), "A note.")
    over, about = html.html(replace(report, comparisons=[*report.comparisons, drawn])).split('id="over"')[1].split('id="about"')
    assert "A note." in over and "not drawn here" not in over
    assert "A note." not in about and "Figure 4 is not drawn here" in about


def test_versions_are_those_that_are_pinned_and_without_a_file_there_are_none() -> None:
    assert "Packages" not in _page()
    places.CONSTRAINTS.write_text("torch==9.9.9 # a note\nother==1\nnumpy==8.8\n")
    text = html.html(pages.toy(synthetic.lanes()))
    assert "<li>torch 9.9.9</li>" in text and "<li>numpy 8.8</li>" in text and "other" not in re.findall(r"<li>other", text)


def test_the_key_of_a_line_has_its_dashes() -> None:
    longer = [lane("dense_long", 1, seed, density=1.0, final_iteration=15_000) for seed in (1, 2)]
    lanes = [*synthetic.lanes(), *longer]
    dashes = re.findall(r'stroke-dasharray="([^"]*)"', html.html(pages.toy(lanes)))
    assert {"", "6 3", "8 3 2 3"} <= {*dashes}


def test_rows_have_the_interval_of_their_difference_from_the_dense_network() -> None:
    lanes = [*trio("dense", 0, 0.95), *trio("ticket", 1, 0.96)]
    dense, ticket = rounds.rows(synthetic.shown(lanes))
    assert (dense.difference, dense.interval) == ("", "")
    assert (ticket.difference, ticket.interval) == ("+1.00 points", "+0.88 to +1.12")


def test_texts_can_be_read_in_light_in_the_dark_and_on_paper() -> None:
    """WCAG 2 asks for a contrast of 4.5 for texts and of 3 for lines."""

    def brightness(colour: str) -> float:
        digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        return sum(
            share * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
            for share, v in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
        )

    schemes = [dict(re.findall(r"--([\w-]+): #(\w+)", block)) for block in re.findall(r":root {([^}]*)}", STYLE.read_text())]
    assert len(schemes) == 3
    for colours in schemes:
        backs = {"good": ("soft", "good-soft"), "bad": ("soft", "bad-soft"), "open": ("open-soft",), "ink": ("soft", "open-soft")}
        texts_on = [
            (text, back) for text in ("ink", "muted", "link", "good", "bad", "open") for back in backs.get(text, ("soft",))
        ]
        lines_on = [(line, "paper") for line in {*vega.COLOURS.values()}]
        for pairs, least in ((texts_on + [(text, "paper") for text, _ in texts_on], 4.5), (lines_on, 3.0)):
            for one, other in pairs:
                dark, light = sorted((brightness(colours[one]), brightness(colours[other])))
                assert (light + 0.05) / (dark + 0.05) >= least, (one, other, colours)


def test_a_page_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_page()) + 2**20 < LARGEST
