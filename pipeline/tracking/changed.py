"""What of a lane's settings differs from those that are committed, so that the runs of ablations do not look alike."""

import json
import re
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.compare import revisions
from pipeline.settings import config
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment

SETTINGS = re.compile(r"params\.yaml|experiments/[^/]+\.yaml")
LONGEST_PARAM = 6000  # MLflow cuts a longer value without a message
MOST = 3  # differences in a name; a tag has all of them


def committed(root: Path) -> Mapping[str, Experiment]:
    """The experiments of the commit that is checked out; none outside git, or when they are of another version."""
    try:
        with chdir(root), TemporaryDirectory() as folder:
            revisions.copy(revisions.commit("HEAD"), lambda path: SETTINGS.fullmatch(path) is not None, Path(folder))
            return config.load(Path(folder, paths.PARAMS)).experiments
    except (OSError, UnicodeError, UserError):
        return {}


def differences(there: Experiment | None, settings: Mapping[str, Any], arm: str) -> dict[str, str]:
    """Those settings of a lane that are others than the committed ones, with the lane's values.

    there: the committed experiment, if there is one. settings: the lane's, from lane.json.
    """
    if there is None:
        return {}
    before, now = flatten(_of_a_lane(there, settings, arm)), flatten(settings)
    return {key: value for key, value in now.items() if before.get(key) != value}


def named(name: str, changed: Mapping[str, str]) -> str:
    """The name of a run with what differs in it: `ticket optimizer.lr=0.0024`."""
    parts = [f"{'.'.join(key.split('.')[-2:])}={value}" for key, value in changed.items()]
    more = [f"and {len(parts) - MOST} more"] if len(parts) > MOST else []
    return " ".join([name, *([", ".join(parts[:MOST])] if parts else []), *more])[:200]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Turns `{"model": {"hidden": [300, 100]}}` into `{"model.hidden": "[300, 100]"}`."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{key}"] = text if len(text) <= LONGEST_PARAM else f"{text[: LONGEST_PARAM - 1]}…"
    return flat


def _of_a_lane(experiment: Experiment, like: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """The settings of an experiment in the form of lane.json. like: those of a lane, with the sections and keys that count."""
    whole = experiment.model_dump(mode="json")
    found = {key: whole[key] for key in like if key in whole}
    if "pruning" in like:
        found["pruning"] = {key: whole["pruning"][key] for key in like["pruning"] if key in whole["pruning"]}
    if "arm" in like and arm in experiment.all_arms:
        found["arm"] = {"name": experiment.plugin_of(arm), **experiment.all_arms[arm].options}
    return found
