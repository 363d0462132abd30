"""Groups of lanes on the CPUs and GPUs of a Ray cluster. What they write comes back as values, and this process writes the files.

A worker takes one group after the other. It is asked every second how far it is, and it then also hands over its new checkpoints.
A lost worker is therefore replaced by another one, which goes on from the last checkpoint that came here.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pipeline.executors import processes, ray_cluster
from pipeline.executors.ray_worker import End, News, Prepared, Worker, fingerprint, versions
from pipeline.executors.stop import Stop
from pipeline.executors.tally import Report, Tally
from pipeline.executors.work import apart, split
from pipeline.files import checkpoints, store
from pipeline.run.job import Job
from pipeline.values import paths
from pipeline.values.errors import UserError

ASKED_EVERY = 1.0  # seconds
SILENT = 10.0  # seconds without a worker after which the user is told, and then six times as long
LOSSES = 3  # in a row and without progress, after which a group is given up

Group = tuple[int, ...]


def run(job: Job, groups: Sequence[Sequence[int]], report: Report, stop: Stop) -> None:
    """Raises: UserError of the first group that failed; the others then save checkpoints and stop."""
    share = ray_cluster.gpus_per_task()
    with ray_cluster.connected(processes.at_once(len(groups))):
        import ray

        gpus = ray.cluster_resources().get("GPU", 0.0) if share else 0.0
        slots = int(gpus) * int(1 / share) if gpus else 0
        if share and not slots and job.device.type == "cuda":
            print("the Ray cluster has no GPU, so the lanes are trained on its CPUs", file=sys.stderr)
        _Crew(job, spread(job, groups, slots), share if slots else 0.0, Tally(report), stop).run()


def spread(job: Job, groups: Sequence[Sequence[int]], slots: int) -> list[Group]:
    """The groups for a cluster on whose GPUs so many fit at once. Without a GPU each lane is alone, as it is on one machine."""
    from pipeline.run import device

    lanes = len(job.lanes)
    if job.device.type == "cuda":
        return [tuple(group) for group in groups] if slots else [(i,) for i in range(lanes)]
    if slots:  # one lane in a group when the network cannot be batched
        return split(apart(job.setup, device.groups(job.setup, lanes, torch.device("cuda"))), slots)
    return [tuple(group) for group in groups]


@dataclass(eq=False)
class _Slot:
    """A worker and its group. asked: when it was last asked for news. waiting: what each reference of Ray will tell.

    losses: how many workers were lost here in a row.
    """

    worker: Any
    group: Group | None = None
    asked: float = 0.0
    told: bool = False
    losses: int = 0
    waiting: dict[Any, str] = field(default_factory=dict)

    def call(self, what: str, *arguments: Any) -> None:
        self.waiting[getattr(self.worker, what).remote(*arguments)] = what


class _Crew:
    def __init__(self, job: Job, groups: Sequence[Group], share: float, tally: Tally, stop: Stop) -> None:
        import ray

        self.job, self.groups, self.share, self.tally, self.stop = job, list(groups), share, tally, stop
        self.leaving, self.computes = False, set[str]()
        self.reference = ray.put((job, fingerprint(job.setup.bundle)))  # once to each node, however many workers it has
        self.idle_since, self.patience = time.monotonic(), SILENT
        self.slots: list[_Slot] = []
        for _ in groups:  # those for which there is no place yet wait in Ray's queue, so that new nodes are used too
            self._hire(_Slot(None))

    def run(self) -> None:
        try:
            while self.slots:
                self._step()
        finally:
            self.leaving = True
            while self.slots:
                self._step()

    @property
    def stopping(self) -> bool:
        return self.leaving or self.stop()

    def _hire(self, slot: _Slot) -> None:
        import ray

        slot.worker = (
            ray.remote(Worker)
            .options(num_cpus=1, num_gpus=self.share, max_restarts=0, max_concurrency=2, scheduling_strategy="SPREAD")
            .remote()
        )
        slot.waiting, slot.asked, slot.told = {}, 0.0, False
        slot.call("prepare", versions(), [self.reference], bool(self.share))
        if slot not in self.slots:
            self.slots.append(slot)

    def _dismiss(self, slot: _Slot) -> None:
        import ray

        ray.kill(slot.worker)
        slot.waiting.clear()
        self.slots.remove(slot)

    def _step(self) -> None:
        import ray

        for slot in list(self.slots):
            idle = "run" not in slot.waiting.values()
            if idle and (self.stopping or not (slot.group or self.groups)):
                self._dismiss(slot)
            elif not idle and "news" not in slot.waiting.values():
                self._ask(slot)
        expected = {reference: slot for slot in self.slots for reference in slot.waiting}
        if not expected:
            return
        ready, _ = ray.wait(list(expected), num_returns=len(expected), timeout=0.2)
        for reference in ready:
            if reference in expected[reference].waiting:  # the worker has not been lost since
                self._take(expected[reference], reference)
        self._tell_that_nothing_runs()

    def _ask(self, slot: _Slot) -> None:
        if time.monotonic() - slot.asked > ASKED_EVERY or (self.stopping and not slot.told):
            slot.asked, slot.told = time.monotonic(), self.stopping
            slot.call("news", self.stopping)

    def _take(self, slot: _Slot, reference: Any) -> None:
        import ray

        slot.waiting.pop(reference)
        try:
            found = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._lost(slot, error)
            return
        match found:
            case Prepared():
                self._prepared(slot, found)
            case News():
                self._heard(slot, found)
            case End():
                self._ended(slot, found)

    def _prepared(self, slot: _Slot, found: Prepared) -> None:
        if found.problem:
            raise UserError(found.problem)
        if self.computes and found.computes not in self.computes:
            kinds = " and on ".join(sorted({*self.computes, found.computes}))
            print(f"warning: lanes are trained on {kinds}, whose results differ in the last bits", file=sys.stderr)
        self.computes.add(found.computes)
        self._next(slot)

    def _next(self, slot: _Slot) -> None:
        slot.group = slot.group or (self.groups.pop(0) if self.groups else None)
        if slot.group is None or self.stopping:
            self._dismiss(slot)
        else:
            slot.asked = time.monotonic()
            slot.call("run", slot.group, self._saved(slot.group))

    def _saved(self, group: Group) -> dict[str, store.Arrays]:
        """The checkpoints that there are of these lanes: which of them the worker takes depends on where it runs."""
        found = {}
        for path in sorted({path for i in group for path in paths.CHECKPOINTS.glob(f"{self.job.keys[i]}-*.safetensors")}):
            arrays: store.Arrays = {}
            if checkpoints.load(path, arrays.update):
                found[path.name] = arrays
        return found

    def _heard(self, slot: _Slot, news: News) -> None:
        if news.group != slot.group:  # it is late: the group has ended since, and its end told more
            return
        for name, arrays in news.checkpoints.items():
            checkpoints.save(paths.CHECKPOINTS / name, arrays)
            slot.losses = 0
        if news.done is not None:
            if news.group not in self.tally.began:
                self.tally.count(news.group, news.began)
            self.tally.count(news.group, news.done)

    def _ended(self, slot: _Slot, end: End) -> None:
        self._heard(slot, end.news)
        if end.trace and not self.leaving:
            print(end.trace, file=sys.stderr)
        slot.group = None
        for name, content in end.files.items():
            store.write_bytes(self.job.folder / name, content)
        if end.problem and not self.leaving:
            raise UserError(end.problem)
        self._next(slot)

    def _lost(self, slot: _Slot, error: Exception) -> None:
        import ray

        ray.kill(slot.worker)  # it may be alive and out of reach
        slot.waiting.clear()  # all of it would tell the same
        if self.stopping:
            self.slots.remove(slot)
            return
        lanes = ", ".join(str(self.job.lanes[i]) for i in slot.group or ())
        worker = f"the worker of {lanes}" if lanes else "a worker"
        why = f"{type(error).__name__}: {_first_line(error)}"
        slot.losses += 1
        if slot.losses >= LOSSES:
            many = f"was lost {LOSSES} times in a row, perhaps for lack of memory on a node of the Ray cluster"
            raise UserError(f"{worker} {many} ({why}); the same command goes on from the last checkpoint")
        print(f"warning: {worker} was lost ({why}); another one goes on from the last checkpoint", file=sys.stderr)
        if slot.group:
            self.tally.forget(slot.group)
        self._hire(slot)

    def _tell_that_nothing_runs(self) -> None:
        import ray

        now = time.monotonic()
        if any(slot.group for slot in self.slots if "run" in slot.waiting.values()):
            self.idle_since, self.patience = now, SILENT
        elif now - self.idle_since > self.patience:
            self.idle_since, self.patience = now, 6 * SILENT
            kind = "GPU" if self.share else "CPU"
            free, there = (found.get(kind, 0.0) for found in (ray.available_resources(), ray.cluster_resources()))
            print(f"the stage waits for a worker; {free:g} of {there:g} {kind}s of the Ray cluster are free", file=sys.stderr)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
