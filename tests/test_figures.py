"""What the figures of one experiment show, and that their bytes depend on the tables alone."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from pipeline.figures import files, style
from pipeline.figures.shown import Shown
from pipeline.report import registry
from pipeline.results.outcome import Outcome
from tests import synthetic
from tests.synthetic import RMSE, lane


def _drawn(lanes: list[dict[str, Any]], **figures: Any) -> dict[str, Figure]:
    """By file. figures: changes of that section of params.yaml."""
    return files.drawn(registry.drawings(synthetic.shown(lanes, **figures)))


def _save(folder: Path) -> dict[str, str]:
    files.save(_drawn(synthetic.lanes(one_shot_reinit=True)), folder, 60)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _line_below(figure: Figure) -> str:
    return str(figure.get_supxlabel())


@pytest.fixture(scope="module")
def every_arm_of_one_shot() -> Outcome:
    return synthetic.outcome(synthetic.lanes(one_shot_reinit=True))


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return _drawn(synthetic.lanes(one_shot_reinit=True))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("saved") / "figures"
    return folder, _save(folder)


# --- Files


def test_the_same_tables_give_the_same_bytes(saved: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    names = ("early_stop", "learning_curves", "one_shot")
    assert sorted(saved[1]) == [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    assert _save(tmp_path / "again") == saved[1]


@pytest.mark.slow
def test_so_does_another_process_with_settings_of_the_users(saved: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 20\nsvg.hashsalt: other\nlines.linewidth: 5\nsavefig.bbox: tight\nxtick.direction: in\n"
    )
    code = f"from pathlib import Path; from tests.test_figures import _save; print(_save(Path({str(tmp_path / 'other')!r})))"
    settings = {
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "SOURCE_DATE_EPOCH": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(saved[1])


def test_files_name_no_date_and_no_program(saved: tuple[Path, dict[str, str]]) -> None:
    for path in saved[0].iterdir():
        content = path.read_bytes().lower()
        assert b"dc:date" not in content
        assert b"dc:creator" not in content
        assert b"software" not in content
        assert len(content) > 5000


def test_saving_leaves_no_figure_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one_shot.svg").write_text("old")
    files.save(_drawn(synthetic.lanes(one_shot=False)), tmp_path / "figures", 60)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"learning_curves", "early_stop"}


# --- Arms


@pytest.mark.parametrize(
    ("arms", "labels"),
    [
        ({"one_shot": False, "reinit": False}, ["Ticket", "Dense network"]),
        ({"reinit": False}, ["Ticket", "Dense network"]),
        ({}, ["Ticket", "Random reinit", "Dense network"]),
    ],
)
def test_an_arm_that_was_not_trained_is_left_out(arms: dict[str, bool], labels: list[str]) -> None:
    drawn = _drawn(synthetic.lanes(**arms))
    assert ("one_shot" in drawn) == arms.get("one_shot", True)
    assert _legend(drawn["early_stop"]) == labels


def test_the_figure_of_one_shot_pruning_shows_its_arms_and_their_controls(drawn: dict[str, Figure]) -> None:
    assert _legend(drawn["one_shot"]) == [
        "Ticket", "One-shot ticket", "Random reinit", "Random reinit, one-shot mask", "Dense network",
    ]  # fmt: skip


def test_further_arms_have_a_figure_of_their_own_and_only_when_there_are_some(drawn: dict[str, Figure]) -> None:
    further = [lane(arm, k, 1) for arm in ("lr_rewind", "shuffled_mask") for k in (1, 2)]
    found = _drawn([*synthetic.lanes(one_shot_reinit=True), *further])
    assert "arms" not in drawn
    assert _legend(found["arms"]) == ["Ticket", "Random reinit", "Learning-rate rewinding", "Shuffled mask", "Dense network"]
    assert _legend(found["early_stop"]) == ["Ticket", "Random reinit", "Dense network"]
    # With all its weights, what has the dense network's own is the dense network; fresh weights are not.
    most = {line.get_label(): max(np.asarray(line.get_xdata())) for line in found["arms"].axes[0].lines}
    assert (most["Learning-rate rewinding"], most["Shuffled mask"], most["Random reinit"]) == (1.0, 1.0, 0.6**3)


def test_an_arm_that_nobody_knows_is_drawn_with_its_name_in_words_or_the_users() -> None:
    lanes = [*synthetic.lanes(), *(lane("my_own_arm", k) for k in (1, 2)), *(lane("another", k) for k in (1, 2))]
    assert _legend(_drawn(lanes)["arms"])[2:] == ["My own arm", "Another", "Dense network"]
    labels = {"my_own_arm": "SNIP at once", "ticket": "winning ticket"}
    figure = _drawn(lanes, labels=labels)["arms"]
    assert _legend(figure) == ["Winning ticket", "Random reinit", "SNIP at once", "Another", "Dense network"]
    looks = [(line.get_color(), line.get_marker()) for line in figure.axes[0].lines if line.get_label() in _legend(figure)]
    assert len(set(looks)) == len(looks) == 5


def test_without_tickets_the_first_arm_takes_their_place() -> None:
    drawn = _drawn([lane("dense", 0), *(lane("mine", k) for k in (1, 2)), *(lane("other", k) for k in (1, 2))])
    assert _legend(drawn["early_stop"]) == ["Mine", "Dense network"]
    assert _legend(drawn["arms"]) == ["Mine", "Other", "Dense network"]
    assert len(drawn["learning_curves"].axes[0].lines) == 2


def test_the_dense_network_alone_is_drawn() -> None:
    drawn = _drawn([lane("dense", 0)])
    assert set(drawn) == {"learning_curves", "early_stop"}
    assert _line_below(drawn["early_stop"]) == "Lines show one replicate."


def test_known_arms_look_different() -> None:
    """Any two of them may be in one figure: without tickets, another arm takes their place in all figures."""
    for mine, other in combinations(style.LOOKS.values(), 2):
        assert mine.colour != other.colour
        assert mine.marker != other.marker


def test_without_tickets_one_shot_tickets_are_not_taken_for_random_masks() -> None:
    lanes = [lane("dense", 0), *(lane(arm, k) for arm in ("one_shot", "random_mask", "reinit") for k in (1, 2))]
    assert len({line.get_color() for line in _drawn(lanes)["arms"].axes[0].lines}) == 4


def _pixels(marker: str, face: str) -> Any:
    figure = Figure(figsize=(0.2, 0.2), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.plot([0], [0], color="black", marker=marker, linestyle="none", markerfacecolor=face)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 0] / 255


@pytest.mark.parametrize("marker", sorted({*style.MARKERS, *(look.marker for look in style.LOOKS.values() if look.marker)}))
def test_a_hollow_marker_can_be_told_from_a_full_one(marker: str) -> None:
    """A hollow marker marks an early stop that is cut off."""
    with matplotlib.rc_context(style.STYLE):
        full, hollow = (_pixels(marker, face) for face in ("black", "white"))
    assert (hollow - full).sum() > 0.15 * (1 - full).sum()


@given(st.lists(st.text("abcd_", min_size=1, max_size=5), unique=True, max_size=30))
def test_unknown_arms_never_share_a_look(arms: list[str]) -> None:
    looks = style.looks(["ticket", "reinit", *arms], {})
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(looks)
    assert all(look.line == "-" for look in list(looks.values())[2:7])
    assert len({(look.colour, look.line) for look in looks.values()}) == len(looks) or len(looks) > 7


# --- What lines, axes and marks show


def test_axes_name_the_metric_in_percent_and_density_falls_from_left_to_right(drawn: dict[str, Figure]) -> None:
    for name in ("early_stop", "one_shot"):
        left, right = drawn[name].axes
        assert left.get_ylabel() == "Early-stop iteration (validation loss)"
        assert right.get_ylabel() == "Test accuracy at early stop (%)"
        for panel in (left, right):
            assert panel.get_xlabel() == "Weights remaining (%)"
            assert panel.get_xscale() == "log"
            assert panel.get_xlim()[0] > 1 > 0.6**4 > panel.get_xlim()[1]
    curves = drawn["learning_curves"].axes[0]
    assert (curves.get_xlabel(), curves.get_ylabel()) == ("Training iteration", "Test accuracy (%)")


def test_lines_are_means_and_bands_reach_from_min_to_max(every_arm_of_one_shot: Outcome, drawn: dict[str, Figure]) -> None:
    table = every_arm_of_one_shot.table
    for panel, measure, scale in zip(drawn["early_stop"].axes, ("stop", "value"), (1, 100), strict=True):
        bands = [c for c in panel.collections if isinstance(c, PolyCollection)]
        for line, band, arms in zip(panel.lines, bands, (["dense", "ticket"], ["reinit"]), strict=False):
            rows = table[table["arm"].isin(arms)].sort_values("density")
            np.testing.assert_allclose(np.asarray(line.get_ydata()), scale * rows[f"{measure}_mean"])
            heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
            assert heights.min() == pytest.approx(scale * rows[f"{measure}_min"].min())
            assert heights.max() == pytest.approx(scale * rows[f"{measure}_max"].max())
        level = scale * every_arm_of_one_shot.dense[f"{measure}_mean"]
        assert set(np.asarray(panel.lines[-1].get_ydata())) == {level}


def test_learning_curves_are_of_the_nearest_rounds_each_once(every_arm_of_one_shot: Outcome) -> None:
    figure = _drawn(synthetic.lanes(one_shot_reinit=True), densities=[0.2, 1.0, 0.22, 0.01])["learning_curves"]
    assert _legend(figure) == ["100", "21.6", "13.0"]
    line, curves = figure.axes[0].lines[1], every_arm_of_one_shot.curves
    assert curves is not None
    expected = curves[(curves["arm"] == "ticket") & (curves["round"] == 3)]
    np.testing.assert_allclose(np.asarray(line.get_ydata()), 100 * expected["test_accuracy_mean"])
    heights = np.asarray(figure.axes[0].collections[1].get_paths()[0].vertices)[:, 1]
    assert heights.min() == pytest.approx(100 * expected["test_accuracy_min"].min())
    assert heights.max() == pytest.approx(100 * expected["test_accuracy_max"].max())


def test_where_the_axis_is_cut_a_mark_and_the_line_below_say_where_curves_begin(
    every_arm_of_one_shot: Outcome, drawn: dict[str, Figure]
) -> None:
    figure = drawn["learning_curves"]
    panel = figure.axes[0]
    curves = every_arm_of_one_shot.curves
    assert curves is not None
    shown = curves[curves["arm"].isin(["dense", "ticket"]) & (curves["iteration"] == 0)]
    first = 100 * shown["test_accuracy_mean"]
    assert first.max() < panel.get_ylim()[0]
    assert re.search(rf"cut.* below .*{first.min():.2f}%", _line_below(figure))
    assert len(figure.artists) == 2  # the mark: a gap in the axis and the strokes beside it
    for line in panel.lines:  # no half marks on the edge
        heights = np.asarray(line.get_ydata())[line.get_markevery()]
        assert (heights >= panel.get_ylim()[0]).all()


def test_where_all_of_a_curve_is_shown_no_cut_is_marked() -> None:
    lanes = [lane("ticket", k, value=0.9) for k in (0, 3)]
    outcome = synthetic.outcome(lanes)
    assert outcome.curves is not None
    flat = replace(outcome, curves=outcome.curves.assign(**{f"test_accuracy_{how}": 0.9 for how in ("mean", "min", "max")}))
    figure = files.drawn(registry.drawings(Shown(synthetic.settings(), {"toy": flat})))["learning_curves"]
    assert figure.artists == []
    assert "cut" not in _line_below(figure)


def test_a_metric_without_percent_that_should_be_low_keeps_its_numbers() -> None:
    lanes = [lane("ticket", k, seed, metric=RMSE, value=0.5 - 0.02 * k) for k in range(3) for seed in (1, 2)]
    drawn = _drawn(lanes)
    right, curves = drawn["early_stop"].axes[1], drawn["learning_curves"].axes[0]
    assert (right.get_ylabel(), curves.get_ylabel()) == ("Test RMSE at early stop", "Test RMSE")
    np.testing.assert_allclose(np.asarray(right.lines[0].get_ydata()), [0.46, 0.48, 0.5])
    low, high = curves.get_ylim()
    assert 0 < low < 0.46
    assert 0.5 < high < 1.36  # 1.36 is where the curves begin
    assert "above" in _line_below(drawn["learning_curves"])
