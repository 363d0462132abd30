"""The stages of experiments and what each waits for, read from the content of their DVC files (pipeline/dag)."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dag import experiment as dag
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
    found = {f"{bound.name}:{name}": (stage, bound.lottery) for bound in bounds for name, stage in _stages(dag.stages(bound))}
    made_by = {path: name for name, (stage, _) in found.items() for path in _made(stage)}
    return [_link(name, stage, lottery, made_by) for name, (stage, lottery) in found.items()]


def _link(name: str, stage: Mapping[str, Any], lottery: Lottery, made_by: Mapping[str, str]) -> Link:
    script, argument = stage["cmd"].removeprefix("python -m stages.").split()
    trains = script in ("retrain", "control")
    item = lottery.dense if script == "train_dense" else Item.parse(argument) if trains else None
    return Link(name, script, item, frozenset(made_by[path] for path in stage["deps"] if path in made_by))


def _stages(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The stages by the names that DVC gives them, with its templates filled in."""
    arms = {arm: rounds for shared in content["vars"] for arm, rounds in shared["arms"].items()}
    for name, stage in content["stages"].items():
        if "foreach" not in stage:
            yield name, stage
            continue
        for key, item in arms[stage["foreach"].removeprefix("${arms.").removesuffix("}")].items():
            values = {"key": key, **{f"item.{what}": value for what, value in item.items()}}
            yield f"{name}@{key}", json.loads(_filled(json.dumps(stage["do"]), values))


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([\w.]+)\}", lambda found: values[found[1]], template)


def _made(stage: Mapping[str, Any]) -> Iterator[str]:
    """The paths that a stage writes; an output with options is a mapping from its path to them."""
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            yield from [out] if isinstance(out, str) else out
