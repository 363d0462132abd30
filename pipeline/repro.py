"""`python -m pipeline.repro [--jobs N] [TARGET …]`: `dvc repro` that runs all stages that are ready side by side.

DVC decides what is run, runs it and records it: each changed stage is a `dvc repro --single-item` in a forked process. This
module only decides when: a stage starts as soon as the stages that it depends on have ended, those with the longest way to the
end first. While a stage runs, DVC does not hold its lock; before and afterwards, processes wait for each other.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dvc.stage.run
from dvc.exceptions import DvcException
from dvc.repo import Repo

from pipeline.executors.processes import cores

if TYPE_CHECKING:
    from dvc.stage import Stage

FORK = multiprocessing.get_context("fork")  # with DVC imported, which takes 1.5 s


class Plan:
    """The stages of a run in DVC's own order, what each waits for, and how many stages follow each at least."""

    def __init__(self, repo: Repo, targets: Sequence[str]) -> None:
        """Raises: DvcException when there is no such target."""
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

        graph = get_active_graph(repo.index.graph)
        self.stages: list[Stage] = plan_repro(graph, collect_stages(repo, targets))
        self.waits_for = {stage: set(graph.successors(stage)) for stage in self.stages}
        self.height = dict.fromkeys(self.stages, 0)
        for stage in reversed(self.stages):
            for earlier in self.waits_for[stage]:
                self.height[earlier] = max(self.height[earlier], self.height[stage] + 1)

    def following(self, failed: "Stage") -> "set[Stage]":
        """All stages that depend on one, whatever is between them."""
        found = {failed}
        for stage in self.stages:
            if self.waits_for[stage] & found:
                found.add(stage)
        return found - {failed}


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
                process = FORK.Process(target=_reproduce, args=(stage.addressing, sender, self.alive, self.held))
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


def _reproduce(target: str, sender: Connection, alive: Connection, held: Connection) -> None:
    """Runs one stage as `dvc repro --single-item` does, in a process that is interrupted when its parent is gone."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    held.close()
    threading.Thread(target=_watch, args=(alive,), daemon=True).start()
    for stream in (1, 2):
        os.dup2(sender.fileno(), stream)
    sender.close()
    try:
        _record_what_ends()
        repo = Repo(_wait_for_lock=True)
        repo.scm_context.quiet = True  # it would say after each stage what to add to git
        repo.reproduce([target], single_item=True)
    except (DvcException, OSError) as error:
        _say(f"error: {error}: {error.__cause__}" if error.__cause__ else f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(1)


def _record_what_ends() -> None:
    """From the end of a stage's command on, this process cannot be interrupted. To record the stage, DVC may have to wait for its
    lock, and what it does not record has to be trained again.
    """
    run = dvc.stage.run.cmd_run

    def cmd_run(*arguments: Any, **options: Any) -> None:
        run(*arguments, **options)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    dvc.stage.run.cmd_run = cmd_run


def _watch(alive: Connection) -> None:
    wait([alive])
    os.killpg(0, signal.SIGINT)


def _entries(plan: Plan) -> Mapping[Path, Sequence[str]]:
    """The entries of each dvc.lock that the plan may write, in their order."""
    from dvc.utils.serialize import load_yaml

    files = {_lock_of(stage) for stage in plan.stages}
    return {file: list(load_yaml(file).get("stages", {})) if file.exists() else [] for file in sorted(files)}


def _lock_of(stage: "Stage") -> Path:
    return Path(stage.path).with_name("dvc.lock")


def _sort(repo: Repo, plan: Plan, known: Mapping[Path, Sequence[str]]) -> None:
    """Puts new entries of each dvc.lock into the order in which `dvc repro` would have made them."""
    from dvc.utils.serialize import load_yaml, modify_yaml

    with repo.lock:
        for file, before in known.items():
            planned = [stage.name for stage in plan.stages if _lock_of(stage) == file and stage.name not in before]
            found = list(load_yaml(file).get("stages", {})) if file.exists() else []
            order = {name: place for place, name in enumerate([*before, *planned])}
            wanted = sorted(found, key=lambda name: order.get(name, len(order)))  # those of another run come last
            if wanted != found:
                with modify_yaml(file) as lock:
                    for name in wanted:
                        lock["stages"][name] = lock["stages"].pop(name)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.repro", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="a target as `dvc repro` takes it (default: dvc.yaml)")
    jobs = "how many stages run side by side (default: %(default)s; the number of cores, but 1 with a GPU or Ray)"
    parser.add_argument("--jobs", type=int, default=default_jobs(), help=jobs)
    given = parser.parse_args(arguments)
    if given.jobs < 1:
        parser.error(f"--jobs is {given.jobs}, but should be at least 1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return repro(given.targets or ["dvc.yaml"], given.jobs)
    except (DvcException, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoints", file=sys.stderr)
        return 130


def default_jobs() -> int:
    """Stages that share a GPU may together not fit into its memory, and without an address each starts a Ray of its own."""
    shared = any(Path("/dev").glob("nvidia[0-9]*")) or os.environ.get("LOTTERY_EXECUTOR") == "ray"
    return 1 if shared else cores()


def repro(targets: Sequence[str], jobs: int) -> int:
    """Returns: the exit code, which is 1 when a stage failed. Raises: DvcException when there is no such target."""
    repo = Repo(_wait_for_lock=True)
    with repo.lock:
        plan = Plan(repo, targets)
        known = _entries(plan)
    run = Run(repo, plan, jobs)
    try:
        run.run()
    finally:
        _sort(repo, plan, known)
    for stage in run.failed:
        print(f"error: {stage.addressing} failed; its messages are above", file=sys.stderr)
    if run.skipped:
        names = ", ".join(stage.addressing for stage in plan.stages if stage in run.skipped)
        print(f"error: these stages were not run, because they depend on a stage that failed: {names}", file=sys.stderr)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
