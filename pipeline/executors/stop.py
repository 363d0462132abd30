"""The reasons to stop: a signal came, or the process that waits for the result is gone."""

import os
import signal
from types import FrameType

from pipeline.executors import waiting

STOPPED = 75  # exit code of a lane's process that was told to stop and has left


class Stop:
    """True after a signal, or when nobody waits for the result: if DVC was killed, a second one may start the same stage."""

    def __init__(self, parent: int | None = None) -> None:
        """parent: the process that forked this one to train some lanes; the stage itself has none and looks at DVC."""
        self.asked, self.parent = False, parent
        signal.signal(signal.SIGTERM, self._ask)
        if parent is not None:
            waiting.watch(self._leave)
        elif waiting.UNDER_DVC in os.environ:
            waiting.watch(self._look)  # from here on without KeyboardInterrupt, so that lanes save checkpoints

    def __call__(self) -> bool:
        return self.asked or self._is_orphan()

    def _is_orphan(self) -> bool:
        return self.parent is not None and os.getppid() != self.parent

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True

    def _look(self, signum: int, frame: FrameType | None) -> None:
        if waiting.is_gone():
            self.asked = True
            if waiting.patience_is_over():
                waiting.interrupt()

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        """There may be minutes until the next evaluation, for which the next `dvc repro` would find the item locked."""
        if self._is_orphan() and waiting.patience_is_over():
            os._exit(STOPPED)
