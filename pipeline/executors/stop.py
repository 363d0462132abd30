"""The reasons to stop: a signal came, or the process that waits for the result is gone."""

import os
import signal
from types import FrameType


class Stop:
    """True after a signal, or when the parent is gone: if DVC was killed, a second one may start the same stage."""

    def __init__(self, parent: int | None) -> None:
        self.asked, self.parent = False, parent
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked or (self.parent is not None and os.getppid() != self.parent)
