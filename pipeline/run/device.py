"""Where lanes are trained, and which of them side by side."""

import os
import sys
from collections.abc import Sequence

import torch

from pipeline.run.setup import Setup
from pipeline.training import mlp
from pipeline.training.autograd import why_not_batched
from pipeline.training.examples import Examples


def chosen(precision: str) -> torch.device:
    """The device to train on, with the precision set."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # With these settings, two runs on the same GPU give the same bytes. cuBLAS reads the variable when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32  # torch's default for convolutions is on
    return torch.device("cuda")


def groups(setup: Setup, lanes: int, device: torch.device) -> Sequence[Sequence[int]]:
    """The lanes of each batch: on CUDA all lanes, unless the network cannot be batched; on a CPU each lane alone."""
    if device.type != "cuda":
        return [[i] for i in range(lanes)]
    if lanes > 1 and not mlp.fits(setup.network.module):
        examples = Examples(setup.bundle, torch.device("cpu"))
        x, y = examples.batch(torch.arange(2).unsqueeze(0))
        why = why_not_batched(setup.network, setup.task.loss, (x[0], y[0]))
        if why:
            print(f"warning: lanes are trained one at a time, because this network cannot be batched: {why}", file=sys.stderr)
            return [[i] for i in range(lanes)]
    return [range(lanes)]
