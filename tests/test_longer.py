"""The dense network, trained for longer, in the figures of one experiment; and legends with every entry, which must fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.figures import files
from pipeline.report import registry
from pipeline.settings import config
from pipeline.values import paths
from tests import lottery, synthetic
from tests.several import CONTENT
from tests.synthetic import lane


def drawn(lanes: list[dict[str, Any]]) -> dict[str, Figure]:
    """By file."""
    return files.drawn(registry.drawings(synthetic.shown(lanes)))


def longer_dense(**changes: Any) -> list[dict[str, Any]]:
    found = [lane("dense_long", k, s, density=1.0, value=0.97 + 0.001 * k, stop=9000, **changes) for k in (1, 3) for s in (1, 2)]
    return [*synthetic.lanes(), *found]


def test_a_longer_training_of_the_dense_network_is_a_level_line_of_the_metric_alone() -> None:
    """Its early stop is that of another schedule. Of several lengths, the longest is shown."""
    figures = drawn(longer_dense(final_iteration=20_000))
    assert "arms" not in figures
    figure = figures["early_stop"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "Ticket",
        "Random reinit",
        "Dense, trained as long as all rounds",
        "Dense network",
    ]
    stops, values = figure.axes
    (longer,) = [line for line in values.lines if line.get_label().startswith("Dense, ")]
    assert np.asarray(longer.get_ydata()) == pytest.approx(97.3)
    assert longer.get_linestyle() != values.lines[-1].get_linestyle()
    assert not [line for line in stops.lines if line.get_label().startswith("Dense, ")]


def test_a_longer_training_does_not_stretch_the_axis_of_learning_curves() -> None:
    assert drawn(longer_dense(final_iteration=20_000))["learning_curves"].axes[0].get_xlim() == (0, synthetic.LATER)


def test_full_masks_that_train_only_as_long_as_the_dense_network_repeat_it_and_are_no_level() -> None:
    figure = drawn(longer_dense())["early_stop"]
    assert not [line for panel in figure.axes for line in panel.lines if line.get_label().startswith("Dense, ")]


@pytest.mark.slow
@pytest.mark.parametrize("arms", [("lr_rewind", "fine_tune", "continued"), ("random_mask", "shuffled_mask"), ("continued",)])
def test_a_legend_is_no_wider_than_its_figure(arms: tuple[str, ...]) -> None:
    """With every entry that a figure may have: early stops that are cut off, and a longer training."""
    found = [lane(arm, k, seed) for arm in arms for k in (1, 3) for seed in (1, 2)]
    late = [lane("reinit", 4, seed, 1, stop=synthetic.LATER) for seed in (1, 2)]
    for figure in drawn([*longer_dense(final_iteration=20_000), *found, *late]).values():
        figure.canvas.draw()
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_a_legend_over_experiments_is_no_wider_than_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lottery.write_params(paths.PARAMS, CONTENT)
    settings = config.load()
    longer = [
        synthetic.lane("dense_long", 4, seed, experiment="conv2_dropout", density=1.0, final_iteration=5 * synthetic.LATER)
        for seed in (1, 2)
    ]
    lanes = [*synthetic.of_params(settings, "conv2_dropout", stop=synthetic.LATER), *longer]
    outcomes = {name: synthetic.outcome(synthetic.of_params(settings, name)) for name in ("conv2", "conv4")}
    outcomes |= {"conv2_dropout": synthetic.outcome(lanes)}
    for figure in files.drawn(registry.drawings_over(settings, outcomes)).values():
        figure.canvas.draw()
        box = figure.legends[0].get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
