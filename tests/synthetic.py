"""Lanes as training would leave them, without training: numbers are made up, files and fields are those of docs/design.md."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.dag import written
from pipeline.domain.lottery import Lottery
from pipeline.figures.shown import Shown
from pipeline.files import store
from pipeline.results import examined, statistics, tables
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.lanes import Item

ROOT = Path(__file__).parent.parent
PARAMS = """
report: [toy]
figures: { densities: [1.0, 0.2], dpi: 60 }
margin: 0.05
experiments:
  toy:
    data: { name: digits, validation: 200 }
    model: { name: lenet, hidden: [32, 16] }
    init: glorot_normal
    optimizer: { name: adam, lr: 2e-3 }
    training: { iterations: 1000, batch_size: 30, evaluate_every: 100 }
    pruning: { criterion: magnitude, scope: layer, rates: { fc: 0.4, output: 0.2 }, rounds: 4 }
    rewind: 0it
    seeds: [1, 2]
    arms:
      one_shot: { rounds: [3] }
      reinit: { rounds: [3], draws: 2 }
"""
ACCURACY = {"name": "accuracy", "better": "higher", "unit": "fraction"}
RMSE = {"name": "rmse", "better": "lower", "unit": ""}
CONTROLS = (
    *("reinit", "one_shot_reinit", "random_mask", "shuffled_mask", "continued", "dense_long", "survivors", "permuted"),
    *("same_sign", "constant", "random_sign", "noise_half", "noise_1", "noise_2", "noise_3", "other_order", "dense_other_order"),
)
STOPS = {
    "dense": 500, "ticket": 500, "one_shot": 600, "lr_rewind": 520, "fine_tune": 540, "continued": 560, "reinit": 900,
    "one_shot_reinit": 950, "random_mask": 960, "shuffled_mask": 980,
}  # fmt: skip
ACCURACIES = {
    "dense": 0.96, "ticket": 0.96, "one_shot": 0.95, "lr_rewind": 0.955, "fine_tune": 0.945, "continued": 0.94, "reinit": 0.93,
    "one_shot_reinit": 0.92, "random_mask": 0.91, "shuffled_mask": 0.915,
}  # fmt: skip
MARGIN = 0.05
LATER = 5000  # the end of made-up trainings whose early stops are not to be cut off by it


def item(arm: str, number: int) -> str:
    return f"r{number:02d}" if arm in ("dense", "ticket") else f"{arm}_r{number:02d}"


def lane(
    arm: str = "ticket",
    number: int = 1,
    seed: int = 1,
    draw: int | None = None,
    experiment: str = "toy",
    *,
    stop: int | None = None,
    value: float | None = None,
    metric: Mapping[str, str] = ACCURACY,
    **changes: Any,
) -> dict[str, Any]:
    """lane.json, with its target; density 0.6 ** round unless it is given. stop, value: at early stop, the metric being an
    accuracy unless one is given. Round 0 is the dense network's.
    """
    arm = arm if number else "dense"
    usual = ACCURACIES.get(arm, 0.9)
    found = {
        "experiment": experiment, "item": item(arm, number), "round": number, "arm": arm, "seed": seed, "draw": draw,
        "density": 0.6**number, "weights": 2700, "metric": dict(metric),
        "early_stop_iteration": STOPS.get(arm, 700) + 100 * seed - 50 * number if stop is None else stop,
        "validation_loss_at_early_stop": 0.1, f"{metric['name']}_at_early_stop": usual + 0.001 * seed if value is None else value,
        f"final_{metric['name']}": usual if value is None else value, "final_iteration": LATER,
        "target": places.target(Item(experiment, number, arm), arm in CONTROLS),
    }  # fmt: skip
    return found | changes


def trio(arm: str, number: int, value: float, spread: float = 0.0005, draw: int | None = None, **changes: Any) -> list[Any]:
    """Lanes of seeds 1 to 3 whose values differ by `spread`; the dense network's are all the same, so that differences vary."""
    step = spread if number else 0.0
    return [lane(arm, number, seed, draw, value=value + (seed - 2) * step, **changes) for seed in (1, 2, 3)]


def history(lane: Mapping[str, Any]) -> pd.DataFrame:
    """Eleven evaluations: the metric comes from 0.86 below, or above where lower is better, to the lane's value; no training
    loss before the first iteration.
    """
    end, name = lane["final_iteration"], lane["metric"]["name"]
    sign = 1 if lane["metric"]["better"] == "higher" else -1
    iterations = list(range(0, end + 1, end // 10))
    values = [lane[f"{name}_at_early_stop"] - sign * 0.86 * math.exp(-i * 1000 / end / 60) for i in iterations]
    loss = [1 - value for value in values]
    return pd.DataFrame(
        {"iteration": iterations, "train_loss": [None, *loss[1:]], "validation_loss": loss, f"validation_{name}": values,
         "test_loss": loss, f"test_{name}": values}
    )  # fmt: skip


def lanes(one_shot: bool = True, reinit: bool = True, one_shot_reinit: bool = False) -> list[dict[str, Any]]:
    """Of the experiment `toy`, in its order."""
    found = [lane("ticket", k, seed) for k in range(5) for seed in (1, 2)]
    found += [lane("one_shot", 3, seed) for seed in (1, 2) if one_shot]
    found += [lane("reinit", 3, seed, draw) for seed in (1, 2) for draw in (1, 2) if reinit]
    return found + [lane("one_shot_reinit", 3, seed, 1) for seed in (1, 2) if one_shot_reinit]


def outcome(found: list[dict[str, Any]]) -> Outcome:
    return Outcome.of(statistics.rounds(found), MARGIN, statistics.curves((lane, history(lane)) for lane in found))


def settings(**figures: Any) -> Config:
    """Of PARAMS, without a file. figures: changes of that section."""
    content = YAML(typ="safe").load(PARAMS)
    content["figures"] |= figures
    return Config.model_validate_json(json.dumps(content))


def shown(found: list[dict[str, Any]], **figures: Any) -> Shown:
    """The experiment `toy` alone."""
    return Shown(settings(**figures), {"toy": outcome(found)})


def of_params(settings: Config, name: str, **changes: Any) -> list[dict[str, Any]]:
    """The lanes of an experiment of params.yaml; changes: of every lane."""
    lottery = Lottery.of(name, settings.experiment(name))
    return [
        lane(
            item.arm,
            item.round,
            each.seed,
            each.draw,
            name,
            **{"target": places.target(item, lottery.is_control(item))} | changes,
        )
        for item in lottery.items()
        for each in lottery.lanes(item)
    ]


def write(params: str = PARAMS) -> list[Path]:
    """In the working directory: params.yaml, its DVC files, the code they name, and toy's lanes. Returns the lanes' folders."""
    for folder in ("pipeline", "stages"):
        if not Path(folder).exists():
            Path(folder).symlink_to(ROOT / folder)
    paths.PARAMS.write_text(params)
    for path, text in written.expand(config.load(), config.load().experiments).items():
        store.write_bytes(path, text.encode())
    # Nothing but a number of the dense network was measured in masks and weights, because there are none.
    row = dict(zip(examined.COLUMNS, ("spread", "dense", 0, 1.0, "fc1.weight", 1, 0.1), strict=True))
    store.write_csv(places.examined("toy"), examined.COLUMNS, [row])
    row = dict(zip(examined.PROFILE_COLUMNS, ("initial_weights", "dense", 0, 1.0, "fc1.weight", 0.0, 0.1), strict=True))
    store.write_csv(places.profiles("toy"), examined.PROFILE_COLUMNS, [row])
    return [_write(lane) for lane in lanes()]


def _write(lane: Mapping[str, Any]) -> Path:
    draw = "" if lane["draw"] is None else f"_draw{lane['draw']}"
    folder = paths.lanes("toy", lane["item"]) / f"seed{lane['seed']}{draw}"
    store.write_json(folder / "lane.json", {key: value for key, value in lane.items() if key != "target"})
    tables.write(folder / "history.csv", history(lane))
    return folder


# Tickets of any rounds and seeds, with any values and early stops, for properties that always hold.
TICKETS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 10_000), st.integers(0, 12_000)),
    min_size=1,
    max_size=25,
    unique_by=lambda drawn: drawn[:2],
).map(lambda drawn: [lane("ticket", k, seed, value=right / 10_000, stop=stop) for k, seed, right, stop in drawn])
