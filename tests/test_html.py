"""The HTML page says what the Markdown page says, is one file that needs nothing else, and draws every figure."""

import html as escaping
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.figures.shown import Shown
from pipeline.page import html, inside, rounds, single, texts, vega
from pipeline.page.chart import Bars, Panel, Picture
from pipeline.page.charts import CHARTS
from pipeline.report import content, document, registry
from pipeline.settings import config, places
from pipeline.values import paths
from tests import lottery, pages, synthetic
from tests.several import CONTENT
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


# --- Charts


def test_each_figure_has_a_chart() -> None:
    assert {*CHARTS} == {figure.file for figure in content.FIGURES}


def _drawn(shown: Shown, file: str, parts: Any) -> list[Panel | Picture | Bars]:
    return list(CHARTS[file](shown, parts).panels)


def test_charts_show_the_numbers_of_the_table() -> None:
    shown = synthetic.shown(synthetic.lanes())
    left, right = _drawn(shown, "early_stop", ["ticket", "reinit"])
    assert isinstance(left, Panel) and isinstance(right, Panel)
    table = shown.outcome.table
    points = next(line for line in right.lines if line.label == "Ticket").points
    rows = table[table["arm"].isin(["dense", "ticket"])].sort_values("density")
    assert points["y"].tolist() == (100 * rows["value_mean"]).tolist()
    assert points["low"].tolist() == (100 * rows["value_min"]).tolist()
    assert points["round"].tolist() == rows["round"].tolist() == [4, 3, 2, 1, 0]
    drawn = vega.drawn(right)
    assert [line.label for line in right.lines] == ["Ticket", "Random reinit"]
    assert [y for y, line in zip(drawn.data["y"], drawn.data["line"], strict=True) if line == 1] == [93.15]
    assert drawn.spec["params"] == [{"name": "round", "value": 0}]
    assert "Ticket, Random reinit" in drawn.alt


def test_a_lower_bound_is_one_in_the_tooltip_and_under_the_slider_too() -> None:
    late = [lane | ({"early_stop_iteration": synthetic.LATER} if lane["arm"] == "reinit" else {}) for lane in synthetic.lanes()]
    for lanes, is_open in ((synthetic.lanes(), False), (late, True)):
        left, right = (vega.drawn(panel).spec for panel in _drawn(synthetic.shown(lanes), "early_stop", ["ticket", "reinit"]))
        assert "datum.open ? '≥ '" in json.dumps(left, ensure_ascii=False)
        assert "≥" not in json.dumps(right, ensure_ascii=False)
        hollow = [layer for layer in left["layer"] if layer.get("encoding", {}).get("fill")]
        assert len(hollow) == 2 * is_open


def test_the_key_of_a_line_has_its_dashes() -> None:
    longer = [lane("dense_long", 1, seed, density=1.0, final_iteration=15_000) for seed in (1, 2)]
    lanes = [*synthetic.lanes(), *longer]
    dashes = re.findall(r'stroke-dasharray="([^"]*)"', html.html(pages.toy(lanes)))
    assert {"", "6 3", "8 3 2 3"} <= {*dashes}


def test_every_chart_is_valid_vega_lite(tmp_path: Path) -> None:
    """Altair checks a specification against its schema only here, because that takes a second for each."""
    import altair

    lottery.write_params(paths.PARAMS, CONTENT)
    settings, parts = config.load(), []
    for name, figure in (("conv2_dropout", "dropout"), ("vgg", "deep")):
        outcomes = {name: synthetic.outcome(synthetic.of_params(settings, name))}
        record = next(each for each in content.FIGURES if each.file == figure)
        parts += _drawn(registry.shown_over(settings, outcomes, record), figure, record.details)[:1]
    shown = pages.examined_toy()
    for file in ("learning_curves", "early_stop", "survivors", "overlap"):
        parts += _drawn(shown, file, ["ticket"])[:1]
    picture = inside.picture(shown, {2: {1: np.arange(64), 2: np.arange(64)}})
    assert picture is not None and picture.side == 8
    for part in [*parts, picture]:
        drawn = vega.drawn(part)
        altair.LayerChart.from_dict(drawn.spec) if "layer" in drawn.spec else altair.Chart.from_dict(drawn.spec)
        assert len({len(column) for column in drawn.data.values()}) == 1
    assert len(parts) == 6


@pytest.mark.parametrize(("file", "panels"), [("overlap", 2), ("connections", 2)])
def test_panels_of_the_same_quantity_have_the_same_axis(file: str, panels: int) -> None:
    drawn = _drawn(pages.examined_toy(), file, ["ticket"])[:panels]
    axes = [panel.y for panel in drawn if isinstance(panel, Panel)]
    assert len(axes) == panels and len({axis.limits for axis in axes}) == 1
    assert axes[0].limits is not None
    low, high = axes[0].limits
    values = [value for panel in drawn if isinstance(panel, Panel) for line in panel.lines for value in line.points["y"]]
    assert low < min(values) and max(values) < high
    assert low == 0 or axes[0].kind == "share"


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


def test_differences_from_the_ticket_are_points_with_intervals() -> None:
    arms = ("survivors", "permuted", "same_sign")
    lanes = [*trio("dense", 0, 0.95), *trio("ticket", 1, 0.96)]
    lanes += [each for place, arm in enumerate(arms) for each in trio(arm, 1, 0.94 - 0.01 * place, 0.001)]
    (bars,) = single.intervals(synthetic.shown(lanes), arms).panels
    assert isinstance(bars, Bars) and bars.title == "60.0% of the weights"
    assert bars.rows["mean"].round(6).tolist() == [-2.0, -3.0, -4.0]
    assert (bars.rows["low"] < bars.rows["mean"]).all() and (bars.rows["mean"] < bars.rows["high"]).all()
    drawn = vega.drawn(bars)
    assert drawn.data["label"] == [*bars.order] and "95% intervals" in drawn.alt
