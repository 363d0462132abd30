"""The figure of many ways to prune, and the sentences below it."""

from typing import Any

import pytest
from matplotlib.figure import Figure

from pipeline.figures import criteria, style
from pipeline.figures.shown import Shown
from pipeline.report import beside, registry
from pipeline.report.content import _criteria, _many
from tests import synthetic
from tests.synthetic import RMSE, lane

# At the largest density; at the next, an arm loses its number of points, and three times as much at the smallest.
ARMS = {
    "one_shot": (0.983, 0.4), "global_magnitude": (0.984, 0.3), "random": (0.977, 4.0), "random_erk": (0.979, 2.0),
    "random_balanced": (0.978, 2.5), "movement": (0.982, 1.0), "magnitude_increase": (0.983, 0.5), "snip": (0.98, 1.2),
    "grasp": (0.97, 3.0), "synflow": (0.978, 1.5), "taylor": (0.983, 0.6), "fisher": (0.9835, 0.55),
}  # fmt: skip
ROUNDS = (2, 4, 6)


def lanes(arms: dict[str, tuple[float, float]] = ARMS, **changes: Any) -> list[dict[str, Any]]:
    def values(arm: str, number: int, top: float, loss: float) -> list[dict[str, Any]]:
        mean, spread = top - loss * (0, 1, 3)[number // 2 - 1] / 100, 0.0001 * number * (1 + [*ARMS].index(arm))
        return [lane(arm, number, s, value=mean + (s - 2) * spread, density=0.5**number, **changes) for s in (1, 2, 3)]

    tickets = [lane("ticket", k, s, value=0.982 - 0.001 * k, density=0.5**k, **changes) for k in range(7) for s in (1, 2, 3)]
    return tickets + [found for arm, its in arms.items() for k in ROUNDS for found in values(arm, k, *its)]


def shown(arms: dict[str, tuple[float, float]] = ARMS, **changes: Any) -> Shown:
    return synthetic.shown(lanes(arms, **changes))


def draw(given: Shown) -> Figure:
    return criteria.draw(given, _criteria(given.outcome))


@pytest.mark.slow
def test_it_is_drawn_of_many_arms_that_prune_and_no_other_figure_shows_them() -> None:
    assert _criteria(shown().outcome) == ["ticket", *ARMS]
    assert "criteria" in registry.drawings(shown())
    assert not _many(shown().outcome)
    few = shown({arm: ARMS[arm] for arm in ("one_shot", "random", "snip")})
    assert not _criteria(few.outcome)
    controls = synthetic.shown([lane("ticket", k, 1) for k in range(4)] + [lane(arm, 2, 1) for arm in synthetic.CONTROLS])
    assert not _criteria(controls.outcome)


def test_each_arm_has_a_panel_from_the_best_to_the_worst_at_the_smallest_density() -> None:
    given = shown()
    panels = [panel for panel in draw(given).axes if panel.axison]
    order = sorted(set(ARMS) - {"random"}, key=lambda arm: 3 * ARMS[arm][1] / 100 - ARMS[arm][0])
    assert [panel.get_title() for panel in panels] == [style.capital(given.label(arm)) for arm in order]
    for panel, arm in zip(panels, order, strict=True):
        (own,) = [line for line in panel.lines if line.get_color() == style.BLUE]
        top, loss = ARMS[arm]
        assert sorted(own.get_ydata()) == pytest.approx([100 * top - 3 * loss, 100 * top - loss, 100 * top])
        (baseline,) = [line for line in panel.lines if line.get_color() == style.VERMILLION]
        assert min(baseline.get_ydata()) == pytest.approx(97.7 - 12)


def test_a_metric_that_is_better_when_lower_has_a_plain_axis() -> None:
    panels = draw(shown(metric=RMSE)).axes
    assert {panel.get_yscale() for panel in panels} == {"linear"}
    assert {panel.get_yscale() for panel in draw(shown()).axes if panel.axison} == {"function"}


def test_the_sentences_rank_the_arms_and_give_intervals() -> None:
    given = shown()
    *_, last = beside.criteria(given, _criteria(given.outcome))
    assert last.startswith(
        "At 1.6% of the weights, the arms rank as follows by their mean accuracy: ticket: 97.60%; magnitude (global): 97.50%; "
    )
    assert "; random (uniform): 85.70%." in last
    assert "The best arm other than the ticket is magnitude (global), whose accuracy is 0.10 points lower than that of" in last
    assert "Compared with random (uniform), the accuracy differs as follows: ticket: 11.90 points higher (95% interval" in last
    assert last.count("95% interval") == len(ARMS) + 1  # of the others with random, and of the best with the ticket


def test_without_random_pruning_nothing_is_compared_with_it() -> None:
    given = shown({arm: its for arm, its in ARMS.items() if arm != "random"})
    assert all("Compared with" not in line for line in beside.criteria(given, _criteria(given.outcome)))
    assert all(len([x for x in p.lines if x.get_color() == style.VERMILLION]) == 0 for p in draw(given).axes)


def test_an_arm_of_another_density_in_the_same_round_is_told_at_its_own() -> None:
    found = lanes()
    for other in found:
        other["density"] = 0.02 if other["arm"] == "snip" and other["round"] == 6 else other["density"]
    given = synthetic.shown(found)
    *_, before, last = beside.criteria(given, _criteria(given.outcome))
    assert "At 1.6% of the weights" in last and "SNIP (before training) at 2.0%: 94." in last
    assert "SNIP (before training) at" not in before
