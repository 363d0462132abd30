"""The progress line of a training stage: which one it is, what it trains, how fast, and how long it will still take."""

import shutil
import sys
import time
from collections.abc import Callable

from tqdm import tqdm

from pipeline.dag import order

PLAIN_EVERY = 15.0  # seconds between lines in CI or a pipe
METER = 58  # columns of a terminal that the bar and its numbers take


class Progress:
    """A live bar on a terminal, and elsewhere a plain line from time to time. It counts lane-iterations."""

    def __init__(self, title: str, total: int, reached: Callable[[], str] = str) -> None:
        """reached: tells what the lanes have reached so far; empty when that is not known yet."""
        self.live = sys.stderr.isatty()
        self.title = ": ".join(filter(None, (order.place(), title)))
        self.total, self.resumed, self.reached = total, 0, reached
        room = max(20, shutil.get_terminal_size().columns - METER)
        short = self.title if len(self.title) <= room else f"{self.title[: room - 1]}…"
        self.bar = tqdm(
            total=total, desc=short, unit="it", unit_scale=True, disable=not self.live, dynamic_ncols=True, mininterval=0.3,
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}, {rate_fmt}{postfix}",
        )  # fmt: skip
        self.since = time.monotonic()
        self.spoke: float | None = None
        self.done = 0

    def update(self, done: int, resumed: int) -> None:
        """resumed: how many of the finished lane-iterations came from checkpoints; these do not count for the current speed."""
        if self.live:
            self._begin_at(resumed)
            self.bar.set_postfix_str(self.reached(), refresh=False)
            self.bar.update(done - self.bar.n)
        self.resumed = resumed
        now = time.monotonic()
        self.done = done
        if not self.live and done < self.total and (self.spoke is None or now - self.spoke >= PLAIN_EVERY):
            self._say(now)

    def _say(self, now: float) -> None:
        parts = f"{self.done}/{self.total} iterations{self._pace(self.done, now)}", self.reached()
        print(f"{self.title}: {', '.join(filter(None, parts))}", file=sys.stderr, flush=True)
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
        """The lanes have ended."""
        if self.live:
            self.bar.set_postfix_str(self.reached())
        elif self.done == self.total:
            self._say(time.monotonic())
        self.bar.close()
