"""What the training stages have in common: the lanes of one item are trained, saved and mirrored."""

import fcntl
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from pipeline.domain.tickets import Ticket
from pipeline.files import notes
from pipeline.files.lane import LaneFiles
from pipeline.files.whole import replacing
from pipeline.run.job import job_of
from pipeline.run.setup import Setup
from pipeline.training import mlp
from pipeline.training.autograd import why_not_batched
from pipeline.training.examples import Examples
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane


def train(setup: Setup, item: Item, tickets: Mapping[Lane, Ticket]) -> None:
    """Trains an item's lanes and writes work/<experiment>/<item>/lanes.

    When it is killed and run again, it goes on from the last checkpoints and ends with the same bytes.
    Raises: UserError when a loss is not finite, the disk is full, or another process trains the same item.
    """
    from pipeline import executors, tracking
    from pipeline.executors.progress import Progress

    started = time.monotonic()
    device = _device(setup.bound.experiment.training.precision)
    with _locked(f"{item.experiment}/{item.name}"), replacing(paths.lanes(item.experiment, item.name)) as folder:
        job = job_of(setup, item, tickets, device, folder)
        density = next(iter(tickets.values())).mask.density
        progress = Progress(f"{item.experiment} {item.name} {density:.1%} {item.arm}, {len(tickets)} lanes", job.iterations)
        training_started = time.monotonic()
        executors.run(job.run, _groups(setup, len(tickets), device), progress.update, device)
        progress.close()
        missing = [str(lane) for lane in tickets if not LaneFiles(folder / lane.name).about.is_file()]
        if missing:  # an output never lacks a lane
            raise UserError(f"{', '.join(missing)} did not end; the same command goes on from the last checkpoint")
        training = time.monotonic() - training_started
        # It is written before the lanes are in place, so that whoever mirrors them finds it.
        _write_runtime(item, device, time.monotonic() - started, training)
    for key in job.keys:  # only those of these lanes: another configuration's may still be wanted
        for checkpoint in paths.CHECKPOINTS.glob(f"{key}-*"):
            checkpoint.unlink()
    tracking.start_sync(item.experiment)


def _device(precision: str) -> torch.device:
    """The device to train on, with the precision set."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # With these settings, two runs on the same GPU give the same bytes. cuBLAS reads the variable when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32  # torch's default for convolutions is on
    return torch.device("cuda")


def _groups(setup: Setup, lanes: int, device: torch.device) -> Sequence[Sequence[int]]:
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


@contextmanager
def _locked(name: str) -> Iterator[None]:
    path = paths.lock(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(f"{name} is being trained by process {file.read().strip()}; wait for it or stop it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _write_runtime(item: Item, device: torch.device, stage: float, training: float) -> None:
    cuda = device.type == "cuda"
    about = {
        "stage_seconds": round(stage, 3),
        "training_seconds": round(training, 3),
        "finished": time.time(),
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    notes.write(paths.runtime(item.experiment, item.name), about)
