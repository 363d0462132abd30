"""One line that says what is trained, how fast it goes and how long it still takes."""

import sys
import time

from tqdm import tqdm

PLAIN_EVERY = 15.0  # seconds between lines in CI or a pipe


class Progress:
    """A live bar on a terminal, and a plain line now and then elsewhere. It counts lane-iterations."""

    def __init__(self, title: str, total: int) -> None:
        self.live = sys.stderr.isatty()
        self.title, self.total, self.done = title, total, 0
        self.bar = tqdm(total=total, desc=title, unit="it", disable=not self.live, dynamic_ncols=True, mininterval=0.3)
        self.spoke = self.since = time.monotonic()
        if not self.live:
            print(f"{title}: 0/{total} iterations", file=sys.stderr, flush=True)

    def update(self, done: int) -> None:
        self.bar.update(done - self.done)
        self.done = done
        now = time.monotonic()
        if not self.live and (done >= self.total or now - self.spoke >= PLAIN_EVERY):
            self.spoke = now
            rate = done / (now - self.since)
            left = tqdm.format_interval((self.total - done) / rate) if rate else "?"
            line = f"{self.title}: {done}/{self.total} iterations, {rate:.0f}/s, {left} left"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        self.bar.close()
