"""Lanes batched on one device: which networks can be, and what happens when they don't fit."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch

from pipeline.domain.networks import Network
from pipeline.executors import one_by_one
from pipeline.executors.stop import Stop
from pipeline.training.autograd import why_not_batched
from pipeline.values.errors import UserError
from tests import toy


class Undecided(torch.nn.Module):
    """A network whose path depends on what it sees: torch.func cannot batch it."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.output = torch.nn.Linear(16, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x.flatten(1) if x.sum() >= 0 else -x.flatten(1))


def test_a_network_that_cannot_be_batched_is_told_from_one_that_can() -> None:
    def why_not(network: Network) -> str | None:
        batch = torch.zeros(2, *toy.SHAPE), torch.tensor([0, 2])
        return why_not_batched(network, toy.CLASSIFICATION.loss, batch)

    assert why_not(toy.mlp()) is None
    assert "data-dependent control flow" in (why_not(toy.network("tests.test_batching:Undecided")) or "")
    assert "random numbers" in (why_not(toy.network("conv", (1, 4, 4), dropout=0.5)) or "")


@pytest.mark.slow
def test_lanes_that_do_not_fit_in_memory_are_split(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[list[int]] = []
    seen: list[int] = []

    def work(group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        report(1)
        if len(group) > 2:
            raise torch.OutOfMemoryError("no more")
        ran.append(list(group))
        report(10 * len(group))

    one_by_one.run(SimpleNamespace(run=work), [range(7)], lambda done, resumed: seen.append(done), Stop(None))
    assert ran == [[0], [1, 2], [3, 4], [5, 6]]
    assert seen[-1] == 70
    assert "7 lanes do not fit" in capsys.readouterr().err

    def never(group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        raise torch.OutOfMemoryError("no more")

    with pytest.raises(UserError, match="one lane alone does not fit"):
        one_by_one.run(SimpleNamespace(run=never), [range(2)], lambda done, resumed: seen.append(done), Stop(None))
