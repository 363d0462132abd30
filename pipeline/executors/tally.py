"""The progress of all groups of an executor together."""

from collections.abc import Callable, Hashable

# It takes the number of finished lane-iterations, and how many of them came from checkpoints.
Report = Callable[[int, int], None]


class Tally:
    """The first report of a group is its starting point: 0, or the lane-iterations that its checkpoint contains."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.began: dict[Hashable, int] = {}
        self.done: dict[Hashable, int] = {}

    def count(self, group: Hashable, done: int) -> None:
        self.began.setdefault(group, done)
        self.done[group] = done
        self.report(sum(self.done.values()), sum(self.began.values()))

    def forget(self, group: Hashable) -> None:
        """Discards the progress of a group whose work is lost."""
        self.began.pop(group, None)
        self.done.pop(group, None)
