"""What may be wrong with a lane.json although its checksum is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.results import tables
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane

if TYPE_CHECKING:
    from pipeline.tracking.record import Record

# A lane.json without one of these comes from an older version of the pipeline; `dvc repro` trains its lane anew.
LONGEST_NAME = 100  # of an item; one that is too long for a file system is not one of ours
NEEDED = frozenset({"experiment", "seed", "masks", "metric", "input_key", "recipe_key", "config", "data_digest"})


def fault(record: Record) -> str:
    """What no version of the pipeline writes, such as a lane in another lane's place; empty when there is nothing."""
    about, item = record.about, record.item
    if not about.keys() >= NEEDED:
        return ""
    where = (about["experiment"], about.get("round"), about.get("arm"), Lane(item, about["seed"], about.get("draw")).name)
    if where != (item.experiment, item.round, item.arm, record.lane):
        return f"it is about {tables.short(where)}"
    if about["masks"] is not None and not _is_item(about["masks"]):
        return f"masks is {tables.short(about['masks'])}"
    try:
        json.dumps(about, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "it contains half of a surrogate pair"
    config = about["config"]
    parts: list[Any] = [config.get(key, {}) for key in ("data", "pruning", "arm")] if isinstance(config, Mapping) else [None]
    if not all(isinstance(part, Mapping) for part in parts) or not isinstance(parts[0].get("name"), str):
        return "its config is not that of an experiment"
    problem = tables.wrong_metric(about)
    wrong = [] if problem else [key for key in record.ended if not _is_number(about.get(key))]
    return problem or (f"{wrong[0]} is {tables.short(about.get(wrong[0]))}" if wrong else "")


def _is_item(name: Any) -> bool:
    try:
        return isinstance(name, str) and len(name) < LONGEST_NAME and bool(Item.parse(f"any/{name}"))
    except UserError:
        return False


def _is_number(value: Any) -> bool:
    """Also without a value, and for a loss that is not finite."""
    return value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < tables.LARGEST_COUNT)
