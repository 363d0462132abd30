"""The figures of the report `anatomy`: many arms beside the ticket, and the stability of training."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.figures import differences, stability, style
from pipeline.figures.shown import Shown
from pipeline.report import here, over, registry
from pipeline.report.content import _further, _many
from pipeline.results.examined import COLUMNS, PROFILE_COLUMNS
from pipeline.results.outcome import Outcome
from pipeline.stability.line import PLACES
from tests import synthetic
from tests.synthetic import RMSE, lane

VALUES = {"reinit": 0.93, "survivors": 0.935, "permuted": 0.94, "same_sign": 0.955, "constant": 0.957, "random_sign": 0.92}
NOISE = {"noise_half": 0.96, "noise_3": 0.945}
SEEDS = (1, 2, 3)


def lanes(arms: dict[str, float], rounds: tuple[int, ...] = (2, 4), **changes: Any) -> list[dict[str, Any]]:
    found = [lane("ticket", k, seed, **changes) for k in range(5) for seed in SEEDS]
    found += [
        lane(arm, k, seed, value=value + 0.001 * seed**2, **changes)
        for arm, value in arms.items()
        for k in rounds
        for seed in SEEDS
    ]
    return found


def shown(arms: dict[str, float], **changes: Any) -> Shown:
    return synthetic.shown(lanes(arms, **changes))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for panel in figure.axes for text in panel.get_yticklabels()]


# --- Many arms


def test_a_few_arms_are_lines_and_many_are_points_with_intervals() -> None:
    few, many = shown({"reinit": 0.93, "random_mask": 0.9}), shown(VALUES | NOISE)
    assert _further(few.outcome) and not _many(few.outcome)
    assert _many(many.outcome) == [*VALUES, *NOISE] and not _further(many.outcome)
    assert {"differences"} == {*registry.drawings(many)} - {*registry.drawings(few)}


def test_each_arm_has_a_row_with_its_difference_and_interval() -> None:
    given = shown(VALUES | NOISE)
    figure = differences.draw(given, _many(given.outcome))
    assert texts(figure)[: len(VALUES)] == [style.capital(given.label(arm)) for arm in VALUES]
    panels = figure.axes
    assert [panel.get_title() for panel in panels] == ["36.0% of the weights", "13.0% of the weights"]
    for panel, number in zip(panels, (2, 4), strict=True):
        points = [container.lines[0].get_xdata()[0] for container in panel.containers]
        outcome = given.outcome
        ticket = outcome.rows("ticket").set_index("round", drop=False).loc[number]
        for arm, point in zip([*VALUES, *NOISE], points, strict=True):
            row = outcome.rows(arm).set_index("round", drop=False).loc[number]
            found = outcome.difference(row, ticket)
            assert point == pytest.approx(100 * found.mean)
            low, high = found.bounds or (0, 0)
            bars = [bar.get_segments()[0][:, 0] for c in panel.containers for bar in c.lines[2]]
            assert any(bar == pytest.approx([100 * low, 100 * high]) for bar in bars)


def test_a_round_with_few_of_the_arms_has_no_panel() -> None:
    found = lanes(VALUES | NOISE, (2,)) + [lane("reinit", 4, seed) for seed in SEEDS]
    assert differences.rounds(synthetic.outcome(found), [*VALUES, *NOISE]) == [2]


def test_the_sentence_ranks_the_arms() -> None:
    given = shown(VALUES | NOISE)
    first = here.differences(given, _many(given.outcome))[0]
    order = [
        first.index(given.label(arm) + ":")
        for arm in ("noise_half", "constant", "same_sign", "noise_3", "permuted", "random_sign")
    ]
    assert order == sorted(order)
    assert first.startswith("At 36.0% of the weights, the accuracy of the arms differs from the ticket's")
    assert "95% interval" in first


def test_where_lower_is_better_the_lowest_comes_first() -> None:
    given = synthetic.shown(lanes(VALUES | NOISE, metric=RMSE))
    first = here.differences(given, _many(given.outcome))[0]
    assert first.index(given.label("random_sign") + ":") < first.index(given.label("noise_half") + ":")


# --- Networks that only repeat the dense one


def test_a_second_training_of_the_dense_network_is_no_level_in_other_figures() -> None:
    again = [lane("dense_other_order", 1, seed, density=1.0) for seed in SEEDS]
    longer = [lane("dense_long", 3, seed, density=1.0, final_iteration=4 * synthetic.LATER) for seed in SEEDS]
    outcome = synthetic.outcome([*lanes({"reinit": 0.9}), *again, *longer])
    assert [row["arm"] for row in outcome.full] == ["dense_long"]
    assert outcome.is_full("dense_other_order") and not outcome.is_full("ticket")
    assert "dense_other_order" not in _further(outcome)


# --- Stability


def unstable(dense: float, ticket: float) -> Outcome:
    rows = [("instability", "dense", 0, 1.0, "", seed, dense + 0.001 * seed) for seed in SEEDS]
    rows += [("instability", "ticket", k, 0.6**k, "", seed, ticket + 0.001 * seed) for k in (1, 3) for seed in SEEDS]
    lines = [
        ("loss_on_line", arm, k, density, "", place, 4 * height * place * (1 - place))
        for arm, k, density, height in (("dense", 0, 1.0, dense), ("ticket", 1, 0.6, ticket), ("ticket", 3, 0.216, ticket))
        for place in PLACES
    ]
    outcome = synthetic.outcome(lanes({}))
    tables = {"stability": pd.DataFrame(rows, columns=[*COLUMNS]), "lines": pd.DataFrame(lines, columns=[*PROFILE_COLUMNS])}
    return replace(outcome, **tables)


def test_the_figure_shows_the_line_and_the_instability_of_each_density() -> None:
    given = Shown(synthetic.settings(), {"toy": unstable(0.1, 0.03)})
    left, right = stability.draw(given, ("rewind",)).axes
    dense, ticket = left.get_lines()
    assert max(dense.get_ydata()) == pytest.approx(10, rel=0.01) and max(ticket.get_ydata()) == pytest.approx(3, rel=0.01)
    curve = right.get_lines()[0]
    by_density = dict(zip(curve.get_xdata(), curve.get_ydata(), strict=True))
    assert by_density[1.0] == pytest.approx(10.2) and by_density[0.6] == pytest.approx(3.2)
    assert any(line.get_ydata()[0] == 2 for line in right.get_lines()[1:])  # where Frankle et al. call it stable


def test_the_sentence_gives_the_instability_of_each_density() -> None:
    given = Shown(synthetic.settings(), {"toy": unstable(0.1, 0.03)})
    told = over.stability(given, ("rewind",))[1]
    assert "10.20 points at 100%, 3.20 points at 60.0% and 3.20 points at 21.6% of the weights" in told


def test_nothing_trained_twice_is_no_error() -> None:
    outcome = unstable(0.1, 0.03)
    assert outcome.stability is not None and outcome.lines is not None
    nothing = replace(outcome, stability=outcome.stability.iloc[:0], lines=outcome.lines.iloc[:0])
    given = Shown(synthetic.settings(), {"toy": nothing})
    assert stability.draw(given, ())
    assert "nothing was trained twice" in over.stability(given, ())[1]
