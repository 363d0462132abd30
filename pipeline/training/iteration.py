"""One iteration of all lanes: batch, gradients, clipping, optimizer, mask. On CUDA it is recorded once and then replayed."""

import sys

import torch
from torch import Tensor

from pipeline.training.autograd import Autograd
from pipeline.training.examples import Batch, Examples
from pipeline.training.mlp import Mlp
from pipeline.training.optimizer import Optimizer
from pipeline.training.sparse import SparseMlp

WARM_UP = 3  # runs before the recording, in which cuBLAS and autograd set themselves up


class Iteration:
    """A call with a batch of `Order.batch` trains every lane for one iteration and returns the losses before it, (L,).

    On CUDA every call returns the same tensor, so it must be copied before the next call.
    """

    def __init__(
        self, examples: Examples, compute: Mlp | SparseMlp | Autograd, optimizer: Optimizer, clip: float | None = None
    ) -> None:
        """clip: the largest norm that the gradient of a lane may have; it is not looked at without one."""
        self.examples, self.compute, self.optimizer, self.clip = examples, compute, optimizer, clip
        self.graph: torch.cuda.CUDAGraph | None = None
        self.recorded = compute.stack.device.type != "cuda"  # there is nothing to record on a CPU
        self.batch: Batch = ()
        self.losses = torch.empty(0)

    def __call__(self, batch: Batch, lr: float) -> Tensor:
        self.optimizer.set_rate(lr)
        if not self.recorded:
            self._record(batch)
        if self.graph is None:
            return self._run(batch)
        for mine, new in zip(self.batch, batch, strict=True):
            mine.copy_(new)
        self.graph.replay()
        return self.losses

    def _run(self, batch: Batch) -> Tensor:
        losses = self.compute.gradients(*self.examples.batch(*batch))
        if self.clip is not None:
            self.compute.stack.clip(self.clip)
        self.optimizer.step()
        self.compute.stack.hold()
        return losses

    def _record(self, batch: Batch) -> None:
        """Records the step, because launching a LeNet step's twenty kernels one by one takes longer than running them."""
        self.recorded = True
        self.batch = tuple(tensor.clone() for tensor in batch)
        before = [tensor.clone() for tensor in self._state()]
        random, current = torch.cuda.get_rng_state(), torch.cuda.current_stream()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._run(self.batch)
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.losses = self._run(self.batch)
            self.graph = graph
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # a failed recording leaves its own stream set
            print(f"warning: the step runs without a CUDA graph, which is slower: {str(error).splitlines()[0]}", file=sys.stderr)
        for tensor, old in zip(self._state(), before, strict=True):
            tensor.copy_(old)
        torch.cuda.set_rng_state(random)

    def _state(self) -> list[Tensor]:
        return [self.compute.stack.flat, *self.optimizer.state.values(), *self.compute.stack.buffers.values()]
