"""What the page says of the quantities of claims that are not of rounds.csv."""

from pathlib import Path

import pytest

from pipeline.claims.verdicts import Verdict, Verdicts
from pipeline.examine.quantities import QUANTITIES
from pipeline.report import verdicts
from pipeline.settings import config, places
from tests import planted, synthetic
from tests.planted import claim


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(synthetic.PARAMS)


def test_beside_a_number_a_quantity_is_shown_itself_and_beside_another_its_difference() -> None:
    row = {"verdict": "holds", "effect": -0.019, "low": -0.0195, "high": -0.0185, "density": 0.6, "rounds": 1, "n": 3}
    for quantity, against, shown in (
        ("instability", 0.02, "0.10 points (0.05 to 0.15)"),
        ("instability", "dense", "-1.90 points (-1.95 to -1.85)"),
        ("valley", 0.02, "`valley` 0.001 (0.0005 to 0.0015)"),
        ("valley", "dense", "`valley` -0.019 (-0.0195 to -0.0185)"),
    ):
        found = planted.of(claim(quantity=quantity, against=against, comparison="less"))
        verdict = Verdict(found.claims[0], "toy", row)
        assert verdicts.here(verdict, {"toy": synthetic.outcome(synthetic.lanes())}) == f"{shown}, at 60.0%"


def test_early_stops_are_compared_as_the_paper_does() -> None:
    row = {"verdict": "undecided", "density": 0.6, "rounds": 1, "n": 3}
    found = planted.of(claim(quantity="early_stop", against="dense", comparison="less"))
    for (effect, low, high), shown in (
        ((0.62, 0.49, 0.77), "38% earlier (51% to 23% earlier), geometric mean, at 60.0%"),
        ((0.69, 0.44, 1.08), "31% earlier (56% earlier to 8% later), geometric mean, at 60.0%"),
        ((1.66, 1.29, 2.15), "66% later (29% to 115% later), geometric mean, at 60.0%"),
    ):
        judged = row | {"effect": effect, "low": low, "high": high, "detectable": 0.55}
        outcomes = {"toy": synthetic.outcome(synthetic.lanes())}
        told = verdicts.claims(config.load(), places.MAIN, outcomes, Verdicts(found, {f"{found.claims[0].id}/toy": judged}))
        assert [(one.here, one.with_detectable) for one in told.rows] == [(shown, "undecided (detectable: 45% earlier)")]


def test_a_quantity_in_the_table_is_explained_below_it() -> None:
    found = planted.of(claim(id="one", quantity="valley", against=1.0, comparison="less"))
    row = {"verdict": "holds", "effect": -0.1, "low": -0.2, "high": 0.0, "density": 0.6, "rounds": 1, "n": 3, "q": 0.01}
    outcomes = {"toy": synthetic.outcome(synthetic.lanes())}
    judged = verdicts.claims(config.load(), places.MAIN, outcomes, Verdicts(found, {"one/toy": row}))
    assert f"`valley` is {QUANTITIES['valley']}." in judged.method.split("\n\n")[-1]


@pytest.mark.parametrize("density", [0.216, "best", "last", [0.6, 0.2]])
def test_a_difference_in_speed_of_learning_is_called_so_beside_its_verdict(density: object) -> None:
    row = {"verdict": "holds", "effect": 0.02, "low": 0.01, "high": 0.03, "density": 0.6**3, "rounds": 1, "n": 2}
    late = [lane | ({"early_stop_iteration": synthetic.LATER} if lane["arm"] == "reinit" else {}) for lane in synthetic.lanes()]
    dense = [lane | ({"early_stop_iteration": synthetic.LATER} if lane["arm"] == "dense" else {}) for lane in synthetic.lanes()]
    for lanes, against, quantity, is_said in (
        (late, "reinit", "metric", True),
        (late, "reinit", "final", False),
        (late, "dense", "metric", False),
        (synthetic.lanes(), "reinit", "metric", False),
        (dense, "dense", "metric", True),
        (dense, 0.5, "metric", False),
    ):
        found = planted.of(claim(quantity=quantity, against=against, comparison="greater", density=density))
        told = verdicts.here(Verdict(found.claims[0], "toy", row), {"toy": synthetic.outcome(lanes)})
        assert told.endswith(", a difference in speed of learning") == is_said
