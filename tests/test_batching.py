"""Lanes batched on one device: which networks can be, and what happens when they don't fit."""

from collections.abc import Callable, Sequence

import pytest
import torch

from pipeline import executor
from pipeline.training.autograd import why_not_batched
from pipeline.values.errors import UserError
from tests import toy


class Undecided(torch.nn.Module):
    """A network whose path depends on what it sees: torch.func cannot batch it."""

    def __init__(self) -> None:
        super().__init__()
        self.output = torch.nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x.flatten(1) if x.sum() >= 0 else -x.flatten(1))


def test_a_network_that_cannot_be_batched_is_told_from_one_that_can() -> None:
    assert why_not_batched(toy.mlp(), (1, 4, 4)) is None
    assert "data-dependent control flow" in (why_not_batched(Undecided(), (1, 4, 4)) or "")


def test_lanes_that_do_not_fit_in_memory_are_split(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[list[int]] = []
    seen: list[int] = []

    def work(group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        report(1)
        if len(group) > 2:
            raise torch.OutOfMemoryError("no more")
        ran.append(list(group))
        report(10 * len(group))

    executor.run(work, [range(7)], seen.append, in_process=True)
    assert ran == [[0], [1, 2], [3, 4], [5, 6]]
    assert seen[-1] == 70
    assert "7 lanes do not fit" in capsys.readouterr().err

    def never(group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        raise torch.OutOfMemoryError("no more")

    with pytest.raises(UserError, match="one lane alone does not fit"):
        executor.run(never, [range(2)], seen.append, in_process=True)
