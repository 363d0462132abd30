"""Lanes as training would leave them, without training: numbers are made up, files and fields are those of docs/design.md."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import chain
from pipeline.files import store
from pipeline.results import statistics
from pipeline.settings import config, places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.lanes import ARMS, Item, Lane

ROOT = Path(__file__).parent.parent
PARAMS = """
report: [toy]
figures: { densities: [1.0, 0.2], dpi: 60 }
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
STOPS = dict(zip(ARMS, (500, 600, 520, 540, 560, 900, 950, 960, 980), strict=True))
ACCURACIES = dict(zip(ARMS, (0.96, 0.95, 0.955, 0.945, 0.94, 0.93, 0.92, 0.91, 0.915), strict=True))


def summary(
    arm: str = "ticket", number: int = 0, seed: int = 1, draw: int | None = None, experiment: str = "toy", **changes: Any
) -> dict[str, Any]:
    """lane.json, with its target; density 0.6 ** round unless it is given."""
    item = Item(experiment, number, arm)
    found = {
        "experiment": experiment, "item": item.name, "round": number, "arm": arm, "seed": seed, "draw": draw,
        "density": 0.6**number, "weights": 2700, "early_stop_iteration": STOPS[arm] + 100 * seed - 50 * number,
        "validation_loss_at_early_stop": 0.1, "accuracy_at_early_stop": ACCURACIES[arm] + 0.001 * seed,
        "final_accuracy": ACCURACIES[arm], "final_iteration": 1000, "target": places.target(item),
    }  # fmt: skip
    return found | changes


def history(lane: Mapping[str, Any]) -> pd.DataFrame:
    """Eleven evaluations: accuracy climbs from 0.1 to the lane's; no training loss before the first iteration."""
    end = lane["final_iteration"]
    iterations = list(range(0, end + 1, end // 10))
    accuracy = [lane["accuracy_at_early_stop"] - 0.86 * math.exp(-i * 1000 / end / 60) for i in iterations]
    loss = [1 - a for a in accuracy]
    return pd.DataFrame(
        {"iteration": iterations, "train_loss": [None, *loss[1:]], "validation_loss": loss, "validation_accuracy": accuracy,
         "test_loss": loss, "test_accuracy": accuracy}
    )  # fmt: skip


def lanes(one_shot: bool = True, reinit: bool = True, one_shot_reinit: bool = False) -> list[dict[str, Any]]:
    found = [summary("ticket", k, seed) for k in range(5) for seed in (1, 2)]
    found += [summary("one_shot", 3, seed) for seed in (1, 2) if one_shot]
    found += [summary("reinit", 3, seed, draw) for seed in (1, 2) for draw in (1, 2) if reinit]
    return found + [summary("one_shot_reinit", 3, seed, 1) for seed in (1, 2) if one_shot_reinit]


def tables(settings: Config, name: str, **changes: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of rounds and the curves of an experiment of params.yaml; changes: of every lane."""
    experiment = settings.experiment(name)
    found = [
        summary(item.arm, item.round, lane.seed, lane.draw, name, **changes)
        for item in experiment.items(name)
        for lane in experiment.lanes(item)
    ]
    return statistics.rounds(found), statistics.curves((lane, history(lane)) for lane in found)


def write(params: str = PARAMS) -> list[Path]:
    """In the working directory: params.yaml, its DVC files, the code they name, and toy's lanes. Returns the lanes' folders."""
    for folder in ("pipeline", "stages"):
        if not Path(folder).exists():
            Path(folder).symlink_to(ROOT / folder)
    paths.PARAMS.write_text(params)
    for path, text in chain.expand(config.load(), config.load().experiments).items():
        store.write_bytes(path, text.encode())
    return [_write(lane) for lane in lanes()]


def _write(lane: Mapping[str, Any]) -> Path:
    item = Item("toy", lane["round"], lane["arm"])
    folder = paths.lanes("toy", item.name) / Lane(item, lane["seed"], lane["draw"]).name
    store.write_json(folder / "lane.json", {key: value for key, value in lane.items() if key != "target"})
    history(lane).to_csv(folder / "history.csv", index=False)
    return folder
