"""The run of a plan: which stage starts when, what they say, and what a failure or Ctrl-C stops."""

import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from dvc.exceptions import DvcException
from dvc.repo import Repo

from pipeline.repro.plan import Plan
from pipeline.repro.stage import reproduce

if TYPE_CHECKING:
    from dvc.stage import Stage

FORK = multiprocessing.get_context("fork")  # with DVC imported, which takes 1.5 s


class Run:
    """The run of a plan. `failed` and `skipped` are what it could not make."""

    def __init__(self, repo: Repo, plan: Plan, jobs: int) -> None:
        self.repo, self.plan, self.jobs = repo, plan, jobs
        self.ended: set[Stage] = set()
        self.failed: list[Stage] = []
        self.skipped: set[Stage] = set()
        self.running: dict[Connection, tuple[Stage, BaseProcess, float]] = {}
        # Only this process has the writing end, so that whoever reads learns of its end, however it ends.
        self.alive, self.held = FORK.Pipe(duplex=False)

    def run(self) -> None:
        """Raises: KeyboardInterrupt, after all stages have saved their checkpoints and ended."""
        try:
            self._start_ready()
            while self.running:
                self._listen()
                self._start_ready()
        finally:
            for _, process, _ in self.running.values():
                _interrupt(process)
            while self.running:
                self._listen()

    def _start_ready(self) -> None:
        """Starts what can start, and passes over what is up to date."""
        while len(self.running) < self.jobs and (stage := self._ready()):
            try:
                changed = self._has_changed(stage)
            except DvcException as error:  # such as: another DVC is at work on its files
                _say(f"error: {error}")
                self._fail(stage)
                continue
            if changed:
                receiver, sender = FORK.Pipe(duplex=False)
                process = FORK.Process(target=reproduce, args=(stage.addressing, sender, self.alive, self.held))
                process.start()
                with suppress(OSError):  # the process does the same, but may have to be interrupted before it does
                    os.setpgid(process.pid or 0, process.pid or 0)
                sender.close()
                self.running[receiver] = stage, process, time.monotonic()
            else:
                self.ended.add(stage)
                _say(f"{self._count()} '{stage.addressing}' has not changed")

    def _ready(self) -> "Stage | None":
        begun = self.ended | self.skipped | {*self.failed} | {stage for stage, _, _ in self.running.values()}
        ready = [stage for stage in self.plan.stages if stage not in begun and self.plan.waits_for[stage] <= self.ended]
        return max(ready, key=self.plan.height.__getitem__, default=None)

    def _has_changed(self, stage: "Stage") -> bool:
        with self.repo.lock:
            return bool(stage.changed())

    def _listen(self) -> None:
        """Prints what the processes say. A stage has ended when all who can speak for it are gone, and with them its command."""
        for receiver in wait(list(self.running)):
            assert isinstance(receiver, Connection)
            if text := os.read(receiver.fileno(), 1 << 16):
                sys.stdout.buffer.write(text)
                sys.stdout.flush()
                continue
            stage, process, since = self.running.pop(receiver)
            receiver.close()
            process.join()
            if process.exitcode:
                self._fail(stage)
            else:
                self.ended.add(stage)
                others = f"; stages still at work: {len(self.running)}" if self.running else ""
                _say(f"{self._count()} '{stage.addressing}' took {time.monotonic() - since:.0f} s{others}")

    def _fail(self, stage: "Stage") -> None:
        self.failed.append(stage)
        self.skipped |= self.plan.following(stage)

    def _count(self) -> str:
        return f"[{len(self.ended)} of {len(self.plan.stages)}]"


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupt(process: BaseProcess) -> None:
    """Stops a stage as Ctrl-C would in its terminal: it saves a checkpoint, and DVC gives its locks back."""
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid or 0, signal.SIGINT)
