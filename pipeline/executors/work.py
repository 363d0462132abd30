"""What an executor is given to do."""

from collections.abc import Callable, Sequence

# (lanes, report(lane-iterations done), stopped() -> leave after the next evaluation)
Work = Callable[[Sequence[int], Callable[[int], None], Callable[[], bool]], None]
