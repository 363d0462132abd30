"""Which chart shows what each figure of pipeline/report/content.py shows, by the name of the figure's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.figures.shown import Shown
from pipeline.page import inside, several, single
from pipeline.page.chart import Chart

CHARTS: dict[str, Callable[[Shown, Sequence[str]], Chart]] = {
    "learning_curves": single.curves,
    "early_stop": single.stops,
    "one_shot": single.stops,
    "survivors": inside.histograms,
    "movement": inside.moved,
    "connections": inside.spread,
    "overlap": inside.overlaps,
    "arms": single.stops,
    "criteria": single.ranking,
    "differences": single.intervals,
    "conv": several.stops,
    "dropout": several.stops,
    "deep": several.points_of_training,
    "language": several.points_of_training,
    "stability": several.instability,
    "early_bird": several.early,
    "structures": single.costs,
}
