"""The progress line of a training stage: which one it is, what it trains, how fast, and how long it will still take."""

import shutil
import sys
import time

from tqdm import tqdm

from pipeline.dag import order

PLAIN_EVERY = 15.0  # seconds between lines in CI or a pipe
METER = 48  # columns of a terminal that the bar and its numbers take


class Progress:
    """A live bar on a terminal, and elsewhere a plain line from time to time. It counts lane-iterations."""

    def __init__(self, title: str, total: int) -> None:
        self.live = sys.stderr.isatty()
        self.title = ": ".join(filter(None, (order.place(), title)))
        self.total, self.resumed = total, 0
        room = max(20, shutil.get_terminal_size().columns - METER)
        short = self.title if len(self.title) <= room else f"{self.title[: room - 1]}…"
        self.bar = tqdm(
            total=total, desc=short, unit="it", unit_scale=True, disable=not self.live, dynamic_ncols=True, mininterval=0.3
        )
        self.since = time.monotonic()
        self.spoke: float | None = None

    def update(self, done: int, resumed: int) -> None:
        """resumed: how many of the finished lane-iterations came from checkpoints; these do not count for the current speed."""
        if self.live:
            self._begin_at(resumed)
            self.bar.update(done - self.bar.n)
        self.resumed = resumed
        now = time.monotonic()
        if not self.live and (self.spoke is None or done >= self.total or now - self.spoke >= PLAIN_EVERY):
            print(f"{self.title}: {done}/{self.total} iterations{self._pace(done, now)}", file=sys.stderr, flush=True)
            self.spoke = now

    def _begin_at(self, resumed: int) -> None:
        more = resumed - self.resumed
        if more:
            self.bar.initial += more
            self.bar.n += more
            self.bar.last_print_n += more
            self.bar.refresh()

    def _pace(self, done: int, now: float) -> str:
        new = done - self.resumed
        if not new:
            return f", {self.resumed} of them from checkpoints" if self.resumed else ""
        rate = new / (now - self.since)
        return f", {rate:.0f}/s, {tqdm.format_interval((self.total - done) / rate)} left"

    def close(self) -> None:
        self.bar.close()
