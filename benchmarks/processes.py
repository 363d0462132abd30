"""Functions in processes of their own, which run as lanes do (forked, one thread each), and the memory that they take."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

PATIENCE = 120.0  # seconds to wait for the slowest process's set-up
Interval = Callable[[], object]
Loop = Callable[[], Interval]  # sets up and returns what is timed


class OutOfMemoryError(Exception):
    """Memory ran out; the caller knows how many lanes were too many."""


def seconds(loop: Loop, times: int, lanes: int = 1) -> float:
    """Runs so many intervals in each of the processes at once, after one that is not timed; returns the slowest's seconds."""
    context = multiprocessing.get_context("fork")
    barrier, started = context.Barrier(lanes), []
    for _ in range(lanes):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(loop, times, barrier, sender))
        process.start()
        sender.close()
        started.append((receiver, process))
    found = []
    for receiver, process in started:
        try:
            found.append(receiver.recv())
        except EOFError:
            found.append(None)
        process.join()
    failed = [process.exitcode for _, process in started if process.exitcode]
    if "memory" in found or any(code < 0 for code in failed if code):
        raise OutOfMemoryError
    if failed:
        raise RuntimeError("a process of a benchmark failed; its traceback is above")
    return float(max(found))


def _child(loop: Loop, times: int, barrier: Barrier, sender: Connection) -> None:
    try:
        torch.set_num_threads(1)
        interval = loop()
        interval()
        barrier.wait(PATIENCE)
        started = time.perf_counter()
        for _ in range(times):
            interval()
        sender.send(time.perf_counter() - started)
    except threading.BrokenBarrierError:
        sender.send(0.0)  # another process failed, and says so
    except (MemoryError, RuntimeError) as error:
        barrier.abort()
        if not is_memory(error):
            raise
        sender.send("memory")
    except BaseException:
        barrier.abort()
        raise


def is_memory(error: BaseException) -> bool:
    """Tells whether memory ran out: torch has an exception of its own for a GPU's memory, and none for the CPU's."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(error)


def largest_that_fits(lanes: int, attempt: Callable[[int], Any]) -> tuple[int, Any]:
    """Tries so many lanes, then half of them, and so on. Raises: OutOfMemoryError when one lane is too many.

    Returns: how many lanes fit, and the result of the attempt with them.
    """
    while True:
        try:
            return lanes, attempt(lanes)
        except OutOfMemoryError:
            if lanes == 1:
                raise
            lanes //= 2


def afresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the function in a new interpreter, whose memory is all its own, and returns its result."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise OutOfMemoryError from None
        except (MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            raise OutOfMemoryError from None


@dataclass
class Memory:
    """Peaks in MiB: of the largest process, and of the private memory of this process and its children together."""

    largest: float = 0.0
    private: float = 0.0


@contextmanager
def watched_memory(every: float = 0.02) -> Iterator[Memory]:
    found, over = Memory(), threading.Event()

    def look() -> None:
        ended = False
        while not ended:
            ended = over.wait(every)  # one last look when all is in place
            sizes = [size for size in map(_size, ["self", *_children()]) if size]
            found.largest = max(found.largest, *(rss for rss, _ in sizes))
            found.private = max(found.private, sum(private for _, private in sizes))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def _size(process: str) -> tuple[float, float] | None:
    """Returns the resident and the private MiB of a process; None when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return (sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]) if "Rss" in sizes else None
