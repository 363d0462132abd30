"""One item from start to end: its lanes trained, saved and mirrored. What the three training stages have in common."""

import fcntl
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.domain.tickets import Ticket
from pipeline.files import store
from pipeline.run import keys
from pipeline.run.setup import Setup
from pipeline.training.autograd import why_not_batched
from pipeline.training.history import COLUMNS, summary, table
from pipeline.training.images import Images
from pipeline.training.mlp import Mlp
from pipeline.training.schedule import settled
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import ARMS, Item, Lane

CHECKPOINT_EVERY = 20.0  # seconds


def train(setup: Setup, item: Item, tickets: Mapping[Lane, Ticket], keep: int | None = None) -> None:
    """Trains an item's lanes and writes work/<experiment>/<item>/lanes. keep: an iteration whose weights are kept too.

    Killed and run again, it goes on from the last checkpoints and ends in the same bytes.
    Raises: UserError when a loss is not finite, the disk is full, or another process trains the same item.
    """
    from pipeline import executor, tracking
    from pipeline.progress import Progress

    started = time.monotonic()
    device = _device(setup.experiment.training.precision)
    with _locked(f"{item.experiment}/{item.name}"), store.replacing(paths.lanes(item.experiment, item.name)) as folder:
        digest = keys.digest_file(paths.data(setup.experiment.data.name))
        chain = keys.chain_key(setup.name, setup.experiment, digest)
        names = [keys.input_key(chain, str(lane), lane.seed, ticket) for lane, ticket in tickets.items()]
        job = Job(setup, list(tickets), list(tickets.values()), keep, device, folder, digest, chain, names)
        iterations = setup.experiment.training.iterations - next(iter(tickets.values())).origin
        density = next(iter(tickets.values())).mask.density
        title = f"{item.experiment} {item.name} {density:.1%} {item.arm if item.round else 'dense'}, {len(tickets)} lanes"
        groups = _groups(setup, len(tickets), device)
        progress = Progress(title, iterations * len(tickets))
        training_started = time.monotonic()
        executor.run(job.run, groups, progress.update, in_process=device.type == "cuda")
        progress.close()
        missing = [str(lane) for lane in tickets if not (folder / lane.name / "lane.json").is_file()]
        if missing:  # never an output that lacks a lane
            raise UserError(f"{', '.join(missing)} did not end; the same command goes on from the last checkpoint")
        training = time.monotonic() - training_started
        # Before the lanes are in place, so that whoever mirrors them finds it.
        _write_runtime(item, device, time.monotonic() - started, training)
    for key in job.keys:  # of these lanes only: another configuration's may still be wanted
        for checkpoint in paths.CHECKPOINTS.glob(f"{key}-*"):
            checkpoint.unlink()
    tracking.start_sync(item.experiment)


def _device(precision: str) -> torch.device:
    """Where to train, with the precision set. Raises: UserError when it has not this precision."""
    tf32 = precision == "tf32"
    if not torch.cuda.is_available():
        if tf32:
            raise UserError(f"{paths.PARAMS}: training.precision is tf32, which needs a GPU; should be fp32 or bf16 here")
        return torch.device("cpu")
    # Two runs on the same GPU give the same bytes. cuBLAS reads the variable when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32  # torch's default for convolutions is on
    return torch.device("cuda")


def _groups(setup: Setup, lanes: int, device: torch.device) -> Sequence[Sequence[int]]:
    """Lanes that are trained as one batch: on CUDA all, unless the network cannot be batched; on a CPU each alone."""
    if device.type == "cuda" and lanes > 1 and not Mlp.fits(setup.module):
        why = why_not_batched(setup.module, setup.bundle.train_images.shape[1:])
        if why:
            print(f"warning: one lane at a time, because this network cannot be batched: {why}", file=sys.stderr)
            return [[i] for i in range(lanes)]
    return [range(lanes)] if device.type == "cuda" else [[i] for i in range(lanes)]


@dataclass(frozen=True)
class Job:
    """Lanes to train, and where to write them; what the executor hands to a process."""

    setup: Setup
    lanes: Sequence[Lane]
    tickets: Sequence[Ticket]
    keep: int | None
    device: torch.device
    folder: Path
    data_digest: str
    chain_key: str
    keys: Sequence[str]

    def run(self, group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """Trains the lanes of these numbers side by side. report: lane-iterations done, those of a checkpoint included."""
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # moments of dead inputs decay into denormals, which are slow
        experiment, origin = self.setup.experiment, self.tickets[0].origin
        trainer = Trainer(
            self.setup.module,
            Images(self.setup.bundle, self.device, experiment.data.augment),
            [self.tickets[i] for i in group],
            [self.lanes[i].seed for i in group],
            [str(self.lanes[i]) for i in group],
            optimizer=settled(experiment.optimizer) if ARMS[self.lanes[0].item.arm].lr == "last" else experiment.optimizer,
            training=experiment.training,
            validation=experiment.data.validation,
            keep=self.keep,
        )
        checkpoint = self._checkpoint(group)
        if checkpoint.is_file():
            trainer.load(store.read_arrays(checkpoint))
            report((trainer.iteration - origin) * len(group))
        saved = time.monotonic()
        for iteration in trainer.run():
            report((iteration - origin) * len(group))
            leave = stopped()
            # A finished lane waits for the others in its checkpoint, should one of them fail.
            if leave or iteration == experiment.training.iterations or time.monotonic() - saved > CHECKPOINT_EVERY:
                store.write_arrays(checkpoint, trainer.state())
                saved = time.monotonic()
            if leave:
                return
        for row, i in enumerate(group):
            self._write(i, trainer, row)

    def _checkpoint(self, group: Sequence[int]) -> Path:
        """Named by the keys of all lanes in it and by where they run: each has a state of its own layout and bits."""
        state = keys.digest(self.device.type, torch.__version__, *(self.keys[i] for i in group))
        return paths.CHECKPOINTS / f"{self.keys[group[0]]}-{state}.safetensors"

    def _config(self, lane: Lane) -> dict[str, Any]:
        """What of the experiment the lane depends on: the dense network on nothing that concerns pruning."""
        settings = self.setup.experiment.model_dump(mode="json")
        kept = {name: section for name, section in settings.items() if name not in keys.NOT_OF_A_LANE}
        if lane.item.round:
            kept["pruning"] = {name: settings["pruning"][name] for name in ("criterion", "scope", "rates")}
        return kept

    def _write(self, i: int, trainer: Trainer, row: int) -> None:
        lane, ticket, folder = self.lanes[i], self.tickets[i], self.folder / self.lanes[i].name
        store.write_arrays(folder / "start.safetensors", ticket.weights)
        store.write_arrays(folder / "trained.safetensors", trainer.stack.weights(row))
        if ARMS[lane.item.arm].masks in ("random", "shuffled"):
            store.write_mask(folder / "mask.safetensors", ticket.mask)
        if trainer.kept:
            store.write_arrays(folder / "rewind.safetensors", trainer.kept[row])
        store.write_csv(folder / "history.csv", COLUMNS, table(trainer.history[row]))
        about = {
            "experiment": lane.item.experiment,
            "item": lane.item.name,
            "round": lane.item.round,
            "arm": lane.item.arm,
            "seed": lane.seed,
            "draw": lane.draw,
            "density": ticket.mask.density,
            "weights": ticket.mask.size,
            "input_key": self.keys[i],
            "chain_key": self.chain_key,
            "config": self._config(lane),
            "data_digest": self.data_digest,
        }
        store.write_json(folder / "lane.json", about | summary(trainer.history[row]))


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
    store.write_json(paths.runtime(item.experiment, item.name), about)
