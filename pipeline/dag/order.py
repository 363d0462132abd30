"""The stages that a DVC file stands for, with its templates filled in, and an order in which they can run."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.settings import places


def filled(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The stages of a chain by the names that DVC gives them."""
    arms = {arm: rounds for shared in content.get("vars", ()) for arm, rounds in shared["arms"].items()}
    for name, stage in content["stages"].items():
        if "foreach" not in stage:
            yield name, stage
            continue
        for key, item in arms[stage["foreach"].removeprefix("${arms.").removesuffix("}")].items():
            values = {"key": key, **{f"item.{what}": value for what, value in item.items()}}
            yield f"{name}@{key}", json.loads(_replaced(json.dumps(stage["do"]), values))


def _replaced(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([\w.]+)\}", lambda found: values[found[1]], template)


def made(stage: Mapping[str, Any]) -> Iterator[str]:
    """The paths that a stage writes; an output with options is a mapping from its path to them."""
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            yield from [out] if isinstance(out, str) else out


def order(content: Mapping[str, Any]) -> list[str]:
    """The names of a chain's stages: each after those that it depends on, and otherwise as the file lists them. DVC goes through
    the graph in the same way, but where it begins is left to chance.
    """
    stages = dict(filled(content))
    made_by = {path: name for name, stage in stages.items() for path in made(stage)}
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for path in stages[name]["deps"]:
            if path in made_by and made_by[path] not in found:
                add(made_by[path])
        found[name] = None

    for name in stages:
        if name not in found:
            add(name)
    return list(found)


def place() -> str:
    """The place of the stage that DVC runs in this process, such as `stage 7 of 55`; empty outside a chain or without DVC."""
    file, _, name = os.environ.get("DVC_STAGE", "").rpartition(":")
    path = Path(file)  # relative to the folder in which DVC was called, which is the root unless the user changed it
    if path != places.chain(path.parent.name) or not path.is_file():
        return ""
    names = order(YAML(typ="safe").load(path.read_bytes()))
    return f"stage {names.index(name) + 1} of {len(names)}" if name in names else ""
