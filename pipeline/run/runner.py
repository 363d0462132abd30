"""What the training stages have in common: the lanes of one item are trained, saved and mirrored."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipeline.domain.tickets import Ticket
from pipeline.files.lane import LaneFiles
from pipeline.files.whole import replacing
from pipeline.run import device
from pipeline.run.job import job_of
from pipeline.run.setup import Setup
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane


def train(setup: Setup, item: Item, tickets: Mapping[Lane, Ticket]) -> None:
    """Trains an item's lanes and writes work/<experiment>/<item>/lanes.

    When it is killed and run again, it goes on from the last checkpoints and ends with the same bytes.
    Raises: UserError when a loss is not finite, the disk is full, or another process trains the same item.
    """
    from pipeline import executors, tracking

    with _locked(f"{item.experiment}/{item.name}"):
        with replacing(paths.lanes(item.experiment, item.name)) as folder:
            where = device.chosen(setup.bound.experiment.training.precision)
            job = job_of(setup, item, tickets, where, folder)
            executors.run(job, device.groups(setup, len(tickets), where))
            missing = [str(lane) for lane in tickets if not LaneFiles(folder / lane.name).about.is_file()]
            if missing:  # an output never lacks a lane
                raise UserError(f"{', '.join(missing)} did not end; the same command goes on from the last checkpoint")
        executors.finished(job)
    tracking.start_sync(item.experiment)


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
