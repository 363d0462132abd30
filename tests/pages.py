"""What tests of the pages look at: the experiment toy with the tables of masks and weights, all of them made up."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline.claims.verdicts import Verdicts
from pipeline.examine.quantities import QUANTITIES
from pipeline.figures.shown import Shown
from pipeline.report import document, page
from pipeline.report.document import Document
from pipeline.results import examined
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from pipeline.settings.config import Config
from tests import synthetic

LAYERS = ("fc1.weight", "fc2.weight", "output.weight")
PIXELS = 64
ARMS = {"dense": range(1), "ticket": range(1, 5)}


def markdown(config: Config, name: str, outcomes: Mapping[str, Outcome], found: Verdicts | None = None) -> str:
    """The Markdown page of a report."""
    return page.markdown(document.of(config, name, outcomes, found))


def toy(lanes: list[dict[str, Any]]) -> Document:
    """The main report over the experiment `toy` of the working folder's params.yaml."""
    return document.of(config.load(), places.MAIN, {"toy": synthetic.outcome(lanes)})


def examined_toy() -> Shown:
    shown = synthetic.shown(synthetic.lanes())
    outcome = replace(shown.outcome, examined=_numbers(), profiles=_profiles())
    return Shown(shown.config, {"toy": outcome})


def with_profiles(outcome: Outcome, profiles: pd.DataFrame | None) -> Outcome:
    return replace(outcome, profiles=profiles)


def _numbers() -> pd.DataFrame:
    """Every quantity in every layer; early_bird belongs to the dense network in each round."""
    rows = []
    for place, quantity in enumerate(QUANTITIES):
        rounds = {"dense": range(1, 5)} if quantity.startswith("early_bird") else ARMS
        for arm, numbers in rounds.items():
            rows += [
                (quantity, arm, k, 0.6**k, layer, seed, 0.1 + 0.01 * place + 0.05 * k + 0.001 * seed)
                for k in numbers for layer in (*LAYERS, "") for seed in (1, 2)
            ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(examined.COLUMNS))


def _profiles() -> pd.DataFrame:
    rows = []
    for arm, numbers in ARMS.items():
        for k in numbers:
            for layer in LAYERS:
                rows += [("initial_weights", arm, k, 0.6**k, layer, x / 10, 1.0 + 0.1 * k) for x in range(-3, 4)]
                rows += [
                    (name, arm, k, 0.6**k, layer, i, 9.0 - i) for name in ("inputs_sorted", "outputs_sorted") for i in range(6)
                ]
            if k:
                rows += [("input_counts", arm, k, 0.6**k, LAYERS[0], i, float((i * k) % 7)) for i in range(PIXELS)]
    return pd.DataFrame(rows, columns=list(examined.PROFILE_COLUMNS))
