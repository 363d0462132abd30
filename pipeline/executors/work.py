"""The type of the work that an executor is given."""

from collections.abc import Callable, Sequence

# It is called with the lanes, report(lane-iterations done) and stopped(), which tells it to leave after an evaluation.
Work = Callable[[Sequence[int], Callable[[int], None], Callable[[], bool]], None]
