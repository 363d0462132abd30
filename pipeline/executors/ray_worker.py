"""What runs on a node of a Ray cluster: one group of lanes after the other, in an empty folder of the worker's own.

The driver's files are not there. What training reads comes with the job, and what it writes goes back as values.
"""

import hashlib
import os
import platform
import shutil
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.executors import scratch
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from pipeline.domain.bundle import Bundle
    from pipeline.files.store import Arrays
    from pipeline.run.job import Job


@dataclass(frozen=True)
class News:
    """How far a group is. done, began: as a Report takes them, None before the first report. checkpoints: the new ones."""

    group: tuple[int, ...]
    done: int | None
    began: int
    checkpoints: Mapping[str, "Arrays"]


@dataclass(frozen=True)
class End:
    """files: those of the finished lanes, by their path in the output folder. problem: why there are none, for the user.

    trace: the traceback of a problem that is an error of a program.
    """

    news: News
    files: Mapping[str, bytes]
    problem: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Prepared:
    """problem: why this node cannot train, for the user. computes: what the rounding of its sums depends on."""

    problem: str
    computes: str = ""


def versions() -> dict[str, str]:
    """What has to be the same everywhere: a lane's bits depend on it."""
    import numpy as np
    import torch

    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "torch": str(torch.__version__), "numpy": np.__version__}


def fingerprint(bundle: "Bundle") -> str:
    found = hashlib.sha256()
    for field in fields(bundle):
        array = getattr(bundle, field.name)
        if array is not None:
            found.update(array.reshape(-1).view("uint8").data)
    return found.hexdigest()


class Worker:
    """A Ray actor. While `run` trains in one of its threads, `news` answers in another."""

    def prepare(self, wanted: Mapping[str, str], job: Sequence[Any], on_gpu: bool) -> Prepared:
        """job: a list with the reference of the job, which Ray then does not load before the versions are known to agree."""
        node, found = platform.node(), versions()
        for name, version in wanted.items():
            if found[name] != version:
                problem = f"the node {node} of the Ray cluster has {name} {found[name]}, but should have {version}"
                return Prepared(f"{problem} like this machine, because its lanes would otherwise get other bits")
        try:
            return self._load(job[0], on_gpu)
        except UserError as error:
            return Prepared(f"the node {node} of the Ray cluster cannot be used: {error}")
        except Exception as error:  # such as a module of a plug-in that is not there
            return Prepared(f"the node {node} of the Ray cluster cannot load the lanes: {type(error).__name__}: {error}")

    def _load(self, reference: Any, on_gpu: bool) -> Prepared:
        import ray
        import torch

        from pipeline.run import device as devices
        from pipeline.run import keys

        # The arrays of the data set are shared by all workers of a node. Training does not write into them; `run` checks it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        job, self.data = ray.get(reference)
        bound = job.setup.bound
        used = [bound.model.source, bound.task.source]
        if keys.recipe_key(bound.name, bound.experiment, job.data_digest, used) != job.recipe_key:
            raise UserError("its code is not that of this machine; install the same version of all plug-ins on every node")
        device = devices.chosen(bound.experiment.training.precision) if on_gpu else torch.device("cpu")
        if on_gpu and device.type != "cuda":
            raise UserError("Ray says that it has a GPU, but torch cannot use it")
        self.job: Job = replace(job, device=device)
        self.done: int | None = None
        self.group: tuple[int, ...] = ()
        self.began, self.asked, self.sent = 0, False, dict[str, int]()
        os.chdir(scratch.make())
        return Prepared("", torch.cuda.get_device_name() if on_gpu else _processor())

    def run(self, group: tuple[int, ...], checkpoints: Mapping[str, "Arrays"]) -> End:
        """Trains a group. checkpoints: what there is of these lanes, to go on from."""
        from pipeline.executors import one_by_one
        from pipeline.files import checkpoints as saved
        from pipeline.values import paths

        self.group, self.done, self.began, self.asked = group, None, 0, False
        problem = trace = ""
        try:
            for name, arrays in checkpoints.items():
                saved.save(paths.CHECKPOINTS / name, arrays)
                self.sent[name] = (paths.CHECKPOINTS / name).stat().st_mtime_ns
            one_by_one.run(self.job, [group], self._report, lambda: self.asked)
            if fingerprint(self.job.setup.bundle) != self.data:
                problem = "the model or the task writes into the arrays of the data set, but should not, because lanes share them"
        except UserError as error:
            problem = str(error)
        except Exception:  # nothing is hidden: the driver prints the traceback and ends with the problem
            problem = "a worker of the Ray cluster failed because of an error in this program or in a plug-in"
            problem, trace = f"{problem}; its traceback is above", traceback.format_exc()
        folder = self.job.folder
        files = {} if problem else {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        self.sent = {}  # the end tells everything, because the last news may come after it
        end = End(self._news(), files, problem, trace)
        for done in (folder, paths.CHECKPOINTS):  # they are the driver's now
            shutil.rmtree(done, ignore_errors=True)
        return end

    def news(self, stop: bool) -> News:
        """stop: whether the group is to save a checkpoint and to leave."""
        self.asked = self.asked or stop
        return self._news()

    def _report(self, done: int, began: int) -> None:
        self.done, self.began = done, began

    def _news(self) -> News:
        return News(self.group, self.done, self.began, self._checkpoints())

    def _checkpoints(self) -> dict[str, "Arrays"]:
        """Those that have changed since they were last sent."""
        from pipeline.files import store
        from pipeline.values import paths

        found = {}
        with suppress(FileNotFoundError, store.MissingError):  # one is just being replaced, and is sent the next time
            for path in paths.CHECKPOINTS.glob("*.safetensors"):
                written = path.stat().st_mtime_ns
                if self.sent.get(path.name) != written:
                    found[path.name] = store.read_arrays(path)
                    self.sent[path.name] = written
        return found


def _processor() -> str:
    import torch

    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{models[0].partition(':')[2].strip() if models else platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"
