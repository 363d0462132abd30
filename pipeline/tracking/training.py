"""What the note about the training of an item says (pipeline/executors/runtime.py): when, on what, from which commit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pipeline.executors import notes
from pipeline.executors.sampler import SECONDS
from pipeline.values import paths
from pipeline.values.lanes import Item

KINDS = {
    "device": str, "torch": str, "executor": str, "commit": str, "is_dirty": bool, "stage_seconds": float,
    "training_seconds": float, "finished": float, "resumed": float, "hardware": dict, "versions": dict, "system": dict,
}  # fmt: skip
SYSTEM = "system"  # the prefix by which MLflow knows what its page "System metrics" shows
COMMIT, DIRTY = "mlflow.source.git.commit", "mlflow.source.git.dirty"


class Point(NamedTuple):
    """share: of the run's time that had passed then, from which its time stamp follows."""

    key: str
    step: int
    value: float
    share: float = 1.0


@dataclass(frozen=True)
class Training:
    """note: without what is of a wrong kind. It is empty for lanes that were not trained here but came from a cache."""

    note: Mapping[str, Any]

    @classmethod
    def of(cls, item: Item) -> Self:
        try:
            found = notes.read(paths.runtime(item.experiment, item.name))
        except OSError:
            found = {}
        return cls({key: found[key] for key, kind in KINDS.items() if type(found.get(key)) is kind and _is_finite(found[key])})

    @property
    def seconds(self) -> float:
        """Of all lanes of the item together, because they train side by side."""
        return max(0.0, float(self.note.get("training_seconds", 0.0)))

    @property
    def is_known(self) -> bool:
        return self.seconds > 0

    def span(self, now: int) -> tuple[int, int]:
        """Beginning and end in milliseconds since 1970. now: stands for an end that is not known."""
        end = round(1000 * self.note["finished"]) if "finished" in self.note else now
        return end - round(1000 * self.seconds), end

    @property
    def tags(self) -> dict[str, str]:
        """The commit and what the lanes were trained on."""
        found = {key: str(self.note[key]) for key in ("device", "torch", "executor") if key in self.note}
        if self.note.get("resumed"):
            found["resumed"] = f"{self.note['resumed']:.0%}"  # of the iterations, which the duration does not contain
        if "commit" in self.note:
            found |= {COMMIT: self.note["commit"], "commit.of": "the training", DIRTY: str(self.note.get("is_dirty", False))}
        for group in ("hardware", "versions"):
            found |= {f"{group}.{key}": _text(value) for key, value in self.note.get(group, {}).items() if _is_name(key)}
        return found

    @property
    def samples(self) -> list[Point]:
        """What the machine did meanwhile, which all lanes of the item shared."""
        columns = {key: values for key, values in self.note.get("system", {}).items() if _is_name(key) and _are_numbers(values)}
        when = columns.pop(SECONDS, [])
        if not self.is_known:
            return []
        return [
            Point(f"{SYSTEM}/{key}", step, float(value), min(1.0, float(seconds) / self.seconds))
            for key, values in columns.items()
            for step, (seconds, value) in enumerate(zip(when, values, strict=False))
        ]


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or (math.isfinite(value) and value < 1e11)  # seconds; there are no dates beyond


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier()


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int | float) and abs(value) < 1e15 for value in values)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
