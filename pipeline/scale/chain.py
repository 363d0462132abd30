"""The stages of experiments and what each waits for, read from the content of their DVC files (pipeline/dag)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dag import experiment as dag
from pipeline.dag import order
from pipeline.domain.lottery import Lottery
from pipeline.run.bound import Bound
from pipeline.values.lanes import Item


@dataclass(frozen=True)
class Link:
    """A stage as its DVC file has it. item: the item that it trains; None when it trains nothing."""

    name: str
    script: str
    item: Item | None
    needs: frozenset[str]


def links(bounds: Sequence[Bound]) -> list[Link]:
    """The stages of several chains together. What none of them makes, such as the data, is there already."""
    found = {
        f"{bound.name}:{name}": (stage, bound.lottery) for bound in bounds for name, stage in order.filled(dag.stages(bound))
    }
    made_by = {path: name for name, (stage, _) in found.items() for path in order.made(stage)}
    return [_link(name, stage, lottery, made_by) for name, (stage, lottery) in found.items()]


def _link(name: str, stage: Mapping[str, Any], lottery: Lottery, made_by: Mapping[str, str]) -> Link:
    script, argument = stage["cmd"].removeprefix("python -m stages.").split()
    trains = script in ("retrain", "control")
    item = lottery.dense if script == "train_dense" else Item.parse(argument) if trains else None
    return Link(name, script, item, frozenset(made_by[path] for path in stage["deps"] if path in made_by))
