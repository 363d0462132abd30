"""What the density slider of an experiment moves besides the marks in the charts: the learning curves of its round, the picture
of the masks, and the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.figures import learning_curves, style
from pipeline.figures.shown import Shown
from pipeline.page import inside, rounds, single
from pipeline.page.chart import Bars, Chart, Line, Panel, Picture
from pipeline.page.pixels import Counts
from pipeline.page.rounds import Round, Stop
from pipeline.results.statistics import REINIT
from pipeline.values.lanes import DENSE


@dataclass(frozen=True)
class Explorer:
    """first: the place in `stops` where the slider stands at first. chart: the curves and, if there is one, the picture."""

    stops: list[Stop]
    first: int
    chart: Chart
    picture: Picture | None

    @property
    def numbers(self) -> list[int]:
        return [stop.number for stop in self.stops]


def explorer(shown: Shown, rows: list[Round], masks: Counts) -> Explorer | None:
    """None for an experiment without tickets. masks: of single replicates, which the picture can show."""
    if shown.outcome.tickets.empty:
        return None
    stops, picture = rounds.stops(shown, rows), inside.picture(shown, masks)
    panels: list[Panel | Picture | Bars] = [_curves(shown), *([picture] if picture else [])]
    return Explorer(stops, rounds.first_stop(shown.outcome, stops), Chart(panels), picture)


def _curves(shown: Shown) -> Panel:
    """The dense network's curve and those of the slider's round: of the tickets and of their masks with fresh weights."""
    outcome = shown.outcome
    assert outcome.curves is not None, "the stage reads the curves of every experiment"
    arms = [arm for arm in (outcome.main, REINIT) if arm in outcome.arms]
    looks = style.looks(dict.fromkeys(arms), shown.labels)
    table = outcome.curves
    dense, moved = table[table["arm"] == DENSE], table[table["arm"].isin(arms)]
    lines = [Line("Dense network", style.GREY, single.curve(dense, outcome.metric), dashes="--")]
    for arm, look in looks.items():
        points = single.curve(table[table["arm"] == arm], outcome.metric)
        lines.append(Line(look.label, look.colour, points, dashes=look.line))
    every = [dense, *(rows for _, rows in moved.groupby(["arm", "round"]))]  # no curve ends outside the axis
    y = replace(single.test(outcome.metric), limits=learning_curves.zoom(every, outcome.metric))
    return Panel(single.iterations(every), y, lines, title="Learning curves", only=True)
