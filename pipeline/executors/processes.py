"""Groups of lanes in forked one-thread processes on a CPU, so that a lane's bits don't depend on what runs beside it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from pipeline.executors import waiting
from pipeline.executors.stop import STOPPED, Stop
from pipeline.executors.tally import Report, Tally
from pipeline.executors.work import Work
from pipeline.values.errors import UserError

HELD = {signal.SIGINT, signal.SIGTERM}  # while a process begins: before it has its own handlers, it would end with a traceback


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def at_once(groups: int) -> int:
    """The number of processes side by side: one for each core and one for each group of the remainder, among which the system's
    scheduler shares the cores evenly. Three lanes on two cores then take 1.5 times as long as one, not twice."""
    return min(groups, cores() + groups % cores())


def run(work: Work, groups: Sequence[Sequence[int]], report: Report, stop: Stop) -> None:
    """Raises: UserError of the first group that failed; the others then save checkpoints and stop."""
    _Pool(work, groups, report, stop).run()


class _Pool:
    def __init__(self, work: Work, groups: Sequence[Sequence[int]], report: Report, stop: Stop) -> None:
        self.work, self.waiting, self.tally, self.stop = work, list(groups), Tally(report), stop
        self.limit = at_once(len(groups))
        self.running: dict[Connection, BaseProcess] = {}
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
                self._terminate()  # repeatedly, because a process that is just starting may miss the signal
                alive[0].join(0.5)

    def _start(self, group: Sequence[int]) -> None:
        receiver, sender = self.context.Pipe(duplex=False)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            process = self.context.Process(target=_child, args=(self.work, group, sender, os.getpid(), before), daemon=True)
            process.start()
            sender.close()
            self.running[receiver] = process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _listen(self, receiver: Connection) -> None:
        process = self.running[receiver]
        try:
            message = receiver.recv()
        except EOFError:
            process.join()
            del self.running[receiver]
            if process.exitcode and not self.stop():
                why = "because of an error in this program or in a plug-in; its traceback is above"
                if process.exitcode < 0 or process.exitcode == STOPPED:
                    why = "because it was stopped from outside, perhaps for lack of memory"
                    why += "; the same command goes on from the last checkpoint"
                raise UserError(f"a training process ended with code {process.exitcode} {why}") from None
            return
        if isinstance(message, str):
            raise UserError(message)
        self.tally.count(process, message)

    def _terminate(self) -> None:
        at_once = waiting.is_gone() and waiting.patience_is_over()
        for process in self.running.values():
            process.kill() if at_once else process.terminate()


def _child(work: Work, group: Sequence[int], sender: Connection, parent: int, mask: set[signal.Signals]) -> None:
    stop = Stop(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives it too, and passes it on
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        work.run(group, sender.send, stop)
    except UserError as error:
        sender.send(str(error))
    except BrokenPipeError:
        pass  # the parent is gone; the checkpoint holds what was done
    if stop():
        sys.exit(STOPPED)
