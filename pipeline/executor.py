"""Where groups of lanes run. On a CPU each in a forked one-thread process, so that a lane's bits don't depend on what
runs beside it; on CUDA, where a group is all lanes of a stage, in this process.
"""

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from pipeline.values.errors import UserError

# (lanes, report(lane-iterations done), stopped() -> leave after the next evaluation)
Work = Callable[[Sequence[int], Callable[[int], None], Callable[[], bool]], None]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def at_once(groups: int) -> int:
    """Processes side by side: the cores, and the remainder, which the system's scheduler shares out evenly:
    three lanes on two cores so take 1.5 times as long as one, not twice."""
    return min(groups, cores() + groups % cores())


def run(work: Work, groups: Sequence[Sequence[int]], report: Callable[[int], None], in_process: bool) -> None:
    """Runs every group. report: gets the lane-iterations that all groups have done.

    Raises: UserError of the first group that failed; KeyboardInterrupt when interrupted, terminated, or orphaned.
    In both cases the other groups save checkpoints and stop.
    """
    stop = Stop(os.getppid() if "DVC_ROOT" in os.environ else None)  # a stage run by hand may outlive its shell
    if in_process:
        _one_after_another(work, groups, report, stop)
    else:
        _Pool(work, groups, report, stop).run()
    if stop():
        raise KeyboardInterrupt


class Stop:
    """True once asked by a signal, or once the parent is gone: if DVC was killed, a second one may start the same stage."""

    def __init__(self, parent: int | None) -> None:
        self.asked, self.parent = False, parent
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked or (self.parent is not None and os.getppid() != self.parent)


def _one_after_another(work: Work, groups: Sequence[Sequence[int]], report: Callable[[int], None], stop: Stop) -> None:
    """A group that does not fit in the GPU's memory is split in two, and so on.

    Raises: UserError when one lane alone does not fit.
    """
    import torch

    waiting, finished, current = list(groups), 0, 0

    def count(done: int) -> None:
        nonlocal current
        current = done
        report(finished + done)

    while waiting and not stop():
        group, short = waiting.pop(0), False
        try:
            work(group, count, stop)
        except torch.OutOfMemoryError:
            short, current = True, 0
        if short:  # out of the handler, whose traceback would hold on to the memory
            if len(group) == 1:
                raise UserError("one lane alone does not fit in the GPU's memory; should be a smaller network or batch")
            half = len(group) // 2
            print(f"{len(group)} lanes do not fit in the GPU's memory side by side; trying {half}", file=sys.stderr)
            waiting[:0] = [group[:half], group[half:]]
            gc.collect()
            torch.cuda.empty_cache()
        finished, current = finished + current, 0


class _Pool:
    def __init__(self, work: Work, groups: Sequence[Sequence[int]], report: Callable[[int], None], stop: Stop) -> None:
        self.work, self.waiting, self.report, self.stop = work, list(groups), report, stop
        self.limit = at_once(len(groups))
        self.running: dict[Connection, BaseProcess] = {}
        self.done: dict[int, int] = {}  # by process id
        self.context = multiprocessing.get_context("fork")

    def run(self) -> None:
        try:
            while (self.waiting and not self.stop()) or self.running:
                while self.waiting and len(self.running) < self.limit and not self.stop():
                    self._start(self.waiting.pop(0))
                for receiver in wait(list(self.running), timeout=0.5):
                    self._listen(receiver)  # type: ignore[arg-type]
                if self.stop():
                    self._terminate()
        finally:
            while alive := [process for process in self.running.values() if process.is_alive()]:
                self._terminate()  # again and again: a process that is only just starting may miss it
                alive[0].join(0.5)

    def _start(self, group: Sequence[int]) -> None:
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_child, args=(self.work, group, sender, os.getpid()), daemon=True)
        process.start()
        sender.close()
        self.running[receiver] = process

    def _listen(self, receiver: Connection) -> None:
        process = self.running[receiver]
        try:
            message = receiver.recv()
        except EOFError:
            process.join()
            del self.running[receiver]
            if process.exitcode and not self.stop():
                why = "a fault of this program; its traceback is above"
                if process.exitcode < 0 or process.exitcode == STOPPED:
                    why = "stopped from outside; was memory short? The same command goes on from the last checkpoint"
                raise UserError(f"a training process ended with code {process.exitcode}: {why}") from None
            return
        if isinstance(message, str):
            raise UserError(message)
        self.done[process.pid or 0] = message
        self.report(sum(self.done.values()))

    def _terminate(self) -> None:
        for process in self.running.values():
            process.terminate()


STOPPED = 75  # exit code of a process that was told to stop, saved a checkpoint and left


def _child(work: Work, group: Sequence[int], sender: Connection, parent: int) -> None:
    stop = Stop(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and passes it on
    try:
        work(group, sender.send, stop)
    except UserError as error:
        sender.send(str(error))
    except BrokenPipeError:
        pass  # the parent is gone; the checkpoint holds what was done
    if stop():
        sys.exit(STOPPED)
