"""The first thing that the HTML page says of an experiment follows the data, and nothing is green that is not shown."""

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest

from pipeline.claims.claim import Claim, Ledger
from pipeline.claims.verdicts import Verdicts
from pipeline.figures.shown import Shown
from pipeline.page import html
from pipeline.report import answers, document, page, table
from pipeline.settings import config, places
from pipeline.values import paths
from tests import pages, synthetic
from tests.synthetic import lane, trio


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(synthetic.PARAMS)


@pytest.mark.parametrize(
    ("ticket", "word", "kind"),
    [(0.96, "Yes, down to 21.1% of the weights", "good"), (0.90, "Not shown", "bad")],
)
def test_the_first_answer_follows_the_data(ticket: float, word: str, kind: str) -> None:
    lanes = [
        *trio("dense", 0, 0.95),
        *trio("ticket", 3, ticket, density=0.211),
        *trio("reinit", 3, 0.92, 0.001, 1, density=0.211),
    ]
    found = pages.toy(lanes).sections[0].answer
    won, best, fresh = found.tiles
    assert (won.answer, won.kind) == (word, kind)
    assert best.answer.startswith("21.1%: +1.00 points, 95% interval" if kind == "good" else "21.1%: -5.00 points")
    assert fresh.answer.startswith("Yes: +4.00 points" if kind == "good" else "Not shown: -2.00 points")
    assert found.commands == {"the ticket with 21.1% of the weights": "dvc repro experiments/toy/dvc.yaml:retrain@r03"}


@pytest.mark.parametrize(
    ("cut", "answer"),
    [((), "Yes: +5.00 points"), ((3,), "Yes: +3.00 points"), ((2, 3), "Void: +5.00 points")],
)
def test_fresh_weights_are_compared_where_training_was_long_enough(cut: tuple[int, ...], answer: str) -> None:
    """No mask is near 21%: the last round with fresh weights counts, unless their early stops were cut off there."""
    lanes = trio("dense", 0, 0.95)
    for k, density, fresh in ((2, 0.4, 0.92), (3, 0.05, 0.90)):
        lanes += trio("ticket", k, 0.95, density=density)
        reinit = trio("reinit", k, fresh, 0.001, density=density)
        lanes += [each | {"early_stop_iteration": each["final_iteration"]} for each in reinit] if k in cut else reinit
    assert pages.toy(lanes).sections[0].answer.tiles[2].answer.startswith(answer)


@pytest.mark.parametrize(
    ("shown", "answer"),
    [
        ((1, 1, 1, 1), "Yes, down to 13.0% of the weights"),
        ((0, 1, 1, 1), "Yes, from 36.0% to 13.0% of the weights"),
        ((1, 0, 1, 0), "Yes, at 21.6% of the weights"),
    ],
)
def test_a_ticket_that_is_not_shown_to_win_is_told(shown: tuple[int, ...], answer: str) -> None:
    """Between the dense network and the smallest winning ticket, the differences of some are too noisy."""
    lanes = trio("dense", 0, 0.95)
    for k, is_shown in enumerate(shown, 1):
        lanes += trio("ticket", k, 0.955, 0.0005 if is_shown else 0.05)
    section = pages.toy(lanes).sections[0]
    won = section.answer.tiles[0]
    assert won.answer == answer
    assert ("not shown to win, at" in won.sentence) == (0 in shown[: 3 if shown[3] == 0 else 4])
    if shown == (0, 1, 1, 1):
        assert won.sentence.endswith(
            " Of the 3 rounds with more weights, 1 is not shown to win, at 60.0%; each is tested separately, "
            "without a correction for their number."
        )


def test_both_pages_say_the_answers_first(without_library: None) -> None:
    report = pages.toy([*trio("dense", 0, 0.95), *trio("ticket", 1, 0.96), *trio("ticket", 2, 0.955)])
    text = page.markdown(report)
    short = text[text.index("## In short") : text.index('"The paper" is')]
    for tile in report.sections[0].answer.tiles:
        assert f"- **{tile.question}** **{tile.answer}.** {tile.sentence}" in short
        assert escape(tile.answer, quote=False) in html.html(report)
    commands = report.sections[0].answer.commands
    assert len(commands) == 2  # of the smallest and of the best
    for name, command in commands.items():
        assert f"{name}: `{command}`" in short
    assert f". {table.AGAIN}" in short


def test_the_best_ticket_does_not_profit_from_being_chosen() -> None:
    """Each replicate is lucky in another round: the mean of the round that is best by chance looks better than it is."""
    values = {1: (0.97, 0.95, 0.95), 2: (0.95, 0.97, 0.95), 3: (0.95, 0.95, 0.975)}
    lanes = trio("dense", 0, 0.95)
    lanes += [lane("ticket", k, seed, value=value) for k, row in values.items() for seed, value in enumerate(row, 1)]
    _, best, *_ = pages.toy(lanes).sections[0].answer.tiles
    assert best.answer.startswith("21.6%; without the bias of choosing the best, +0.00 points") and best.kind == "open"
    assert "Its accuracy of 95.83% is 0.83 points higher" in best.sentence
    said = "each of the 3 replicates is compared in the round that is best for the other replicates, most often at 21.6%"
    assert said in best.sentence


@pytest.mark.parametrize(("verdict", "kind"), [("holds", "good"), ("undecided", "open"), ("not enough replicates", "good")])
@pytest.mark.parametrize(("against", "density", "tile"), [("dense", "best", 1), ("reinit", 0.211, 2)])
def test_no_tile_is_green_beside_a_claim_that_is_undecided(
    verdict: str, kind: str, against: str, density: Any, tile: int
) -> None:
    """Its interval excludes zero, but the claim has q of all claims of the report."""
    claim = Claim(
        id="one", claim="-", source="-", paper="-", experiments=("toy",), quantity="metric", arm="ticket", against=against,
        comparison="greater", density=density,
    )  # fmt: skip
    found = Verdicts(Ledger(claims=(claim,)), {"one/toy": {"verdict": verdict, "q": 0.069, "density": 0.211}})
    lanes = [*trio("dense", 0, 0.95), *trio("ticket", 1, 0.96, density=0.211), *trio("ticket", 2, 0.955)]
    lanes += trio("reinit", 1, 0.93, 0.001, 1, density=0.211)
    tiles = answers.answer(Shown(config.load(), {"toy": synthetic.outcome(lanes)}), found).tiles
    assert [each.kind for each in tiles] == [kind if place == tile else "good" for place in range(3)]
    told = tiles[tile].sentence.endswith(" because all claims are tested together (q 0.069; see *Claims*).")
    assert told == (kind == "open")


def test_an_experiment_without_fresh_weights_says_so_and_what_it_is() -> None:
    section = pages.toy([*trio("dense", 0, 0.95), *trio("ticket", 1, 0.96)]).sections[0]
    *_, fresh = section.answer.tiles
    assert (fresh.question, fresh.answer, fresh.kind) == ("Do they need their own initial weights?", "Not asked here", "open")
    assert section.brief.startswith("The network `") and "iterations" in section.brief


def test_an_answer_is_open_when_nothing_can_be_known() -> None:
    def word(lanes: list[dict[str, Any]]) -> str:
        return pages.toy(lanes).sections[0].answer.tiles[0].answer

    assert word([lane("ticket", k) for k in range(3)]) == "Not known"
    assert word([lane("dense", 0)]) == "Nothing was pruned"
    cut = [each | {"early_stop_iteration": each["final_iteration"]} for each in [*trio("dense", 0, 0.9), *trio("ticket", 1, 0.9)]]
    assert word(cut) == "Void: training was too short"
    assert pages.toy(cut).sections[0].answer.tiles[1].answer.startswith("Void: 60.0%")
    annealed = document.of(config.load(), places.MAIN, {"toy": replace(synthetic.outcome(cut), annealed=True)})
    (won, *_) = annealed.sections[0].answer.tiles
    assert won.answer == "Yes, down to 60.0% of the weights" and "after the same 5,000 iterations" in won.sentence
