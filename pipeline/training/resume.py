"""Whether a saved state is one from which a training can go on: a file may be whole and hold something else."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.history import Row

State = Mapping[str, NDArray[Any]]
COLUMNS = [field.name for field in fields(Row)]


def fault(state: State, like: State, kept: State, keep: int | None, evaluated: Sequence[int]) -> str:
    """What is wrong with a saved state; empty when nothing is.

    like: the state of the same training before its first iteration. kept: what it has more of from the iteration `keep` on.
    evaluated: the iterations of all evaluations; a state is saved after each of them.
    """
    iteration = state.get("iteration", np.zeros(0))
    if iteration.shape or iteration.dtype.kind not in "iu" or int(iteration) not in evaluated:
        return "it does not say after which evaluation it was saved"
    is_kept = keep is not None and evaluated[0] <= keep <= int(iteration)
    expected = {name: array for name, array in like.items() if name != "history"} | (dict(kept) if is_kept else {})
    more = {*state} - {*expected, "history"}
    if more:
        return f"it has {min(more)}"
    for name, array in expected.items():
        if name not in state:
            return f"it has no {name}"
        if state[name].shape != array.shape or state[name].dtype != array.dtype:
            return f"{name} is {state[name].dtype} {state[name].shape} instead of {array.dtype} {array.shape}"
        if (name == "flat" or name.startswith("optimizer.")) and not np.isfinite(state[name]).all():
            return f"{name} has values that are not finite"
    return _fault_of_history(state.get("history"), len(like["history"]), evaluated[: evaluated.index(int(iteration)) + 1])


def _fault_of_history(history: NDArray[Any] | None, lanes: int, evaluated: Sequence[int]) -> str:
    if history is None or history.dtype != np.float64 or history.shape != (lanes, len(evaluated), len(COLUMNS)):
        return "it has not the history of all evaluations"
    column = {name: history[:, :, i] for i, name in enumerate(COLUMNS)}
    if (column["iteration"] != np.array(evaluated)).any():
        return "its history is of other iterations"
    if not np.isfinite(column["validation_loss"]).all() or not np.isfinite(column["train_loss"][:, 1:]).all():
        return "its history has losses that are not finite"
    return ""
